"""Recordings as their users convert them: one command, and hints that work when they are typed."""

import shlex

import h5py
import numpy as np
import pytest
from commands import refused, run
from labs import write_phy
from on_disk import write_bugeon

from synapsnet_pyg.data.session import Session

RANDOM = np.random.default_rng(11)


def write_nwb(path, traces=None):
    with h5py.File(path, "w") as file:
        file.attrs.update(nwb_version="2.7.0", neurodata_type="NWBFile", namespace="core")
        units = file.create_group("units")
        units.attrs.update(neurodata_type="Units", namespace="core", colnames=["spike_times"])
        units["spike_times"] = np.concatenate([np.sort(RANDOM.uniform(0, 20, 60)) for _ in range(3)])
        units["spike_times_index"], units["id"] = [60, 120, 180], [4, 5, 6]
        units["depth"] = np.array([10, 20, 30], np.uint16)
    return path


def write_suite2p(folder, cells=5, frames=60):
    plane = folder / "plane0"
    plane.mkdir(parents=True)
    for stem in ("F", "Fneu", "spks"):
        np.save(plane / f"{stem}.npy", RANDOM.random((cells, frames)).astype(np.float32))
    np.save(plane / "iscell.npy", np.stack([np.arange(cells) != 2, np.linspace(0.9, 0.5, cells)], axis=1).astype(float))
    np.save(plane / "ops.npy", {"fs": 6.0, "nplanes": 1}, allow_pickle=True)
    return folder


def write_caiman(path, cells=4, frames=50):
    with h5py.File(path, "w") as file:
        for key in ("C", "F_dff", "S", "YrA"):
            file[f"estimates/{key}"] = RANDOM.random((cells, frames))
        file["estimates/idx_components"] = np.array([0, 1, 3])
        file["params/data/fr"] = 20.0
    return path


WITHOUT_OPTIONS = {
    "phy": (lambda root: write_phy(root / "sorted"), "2 neurons"),
    "nwb": (lambda root: write_nwb(root / "a.nwb"), "3 neurons"),
    "suite2p": (lambda root: write_suite2p(root / "suite2p"), "4 neurons, 60 bins of 0.166667 s"),
    "caiman": (lambda root: write_caiman(root / "analysis_results.hdf5"), "3 neurons, 50 bins of 0.05 s"),
}


@pytest.mark.parametrize("form", WITHOUT_OPTIONS)
def test_a_known_format_needs_no_option_and_says_what_was_kept(form, tmp_path, capsys):
    write, wanted = WITHOUT_OPTIONS[form]
    path = write(tmp_path)
    status, out, error = run(capsys, "convert", path, tmp_path / "out.h5")
    assert status == 0, error
    assert f"(format {form})" in out
    assert wanted in out
    session = Session.load(tmp_path / "out.h5")
    for note in session.notes:
        assert f"note    {note}" in out
    _, shown, _ = run(capsys, "inspect", tmp_path / "out.h5")
    assert all(note in shown for note in session.notes)


@pytest.mark.parametrize("form", WITHOUT_OPTIONS)
def test_the_command_that_inspect_shows_works(form, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = WITHOUT_OPTIONS[form][0](tmp_path)
    status, out, error = run(capsys, "inspect", path)
    assert status == 0, error
    assert f"format  {form}" in " ".join(out.split()).replace(f"format {form}", f"format  {form}")
    command = next(line.split(None, 1)[1] for line in out.splitlines() if line.startswith("next"))
    words = shlex.split(command)
    assert words[0] == "synapsnet"
    status, _, error = run(capsys, *words[1:])
    assert status == 0, error


def test_a_folder_becomes_a_folder(tmp_path, capsys):
    for name in ("m1", "m2", "m10"):
        write_phy(tmp_path / "data" / name / "kilosort4")
    (tmp_path / "data" / "m2" / "kilosort4" / "spike_times.npy").write_bytes(b"broken")
    assert "Expected a folder for 3 sessions, m1, m2, m10" in refused(
        capsys, "convert", tmp_path / "data", tmp_path / "o.h5"
    )
    status, out, error = run(
        capsys, "convert", tmp_path / "data", tmp_path / "deep" / "out", "--bin-size", "1/20", "--where", "group==good"
    )
    assert status == 0
    assert "2 session file(s)" in out
    assert "m2 is left out" in error
    assert sorted(path.name for path in (tmp_path / "deep" / "out").iterdir()) == ["m1.h5", "m10.h5"]
    session = Session.load(tmp_path / "deep" / "out" / "m10.h5")
    assert (session.bin_size, session.group, session.name) == (0.05, ["good"], "m10")
    status, out, _ = run(capsys, "convert", tmp_path / "data", tmp_path / "one.h5", "--sessions", "m10")
    assert status == 0
    assert "written to" in out
    _, shown, _ = run(capsys, "inspect", tmp_path / "data")
    assert "3 recordings: 3 phy" in shown


def test_bin_sizes_are_numbers_or_fractions(tmp_path, capsys):
    path = write_nwb(tmp_path / "a.nwb")
    for text, size in (("0.05", 0.05), ("1/30", 1 / 30), (" 1 / 4 ", 0.25)):
        assert run(capsys, "convert", path, tmp_path / "a.h5", "--bin-size", text)[0] == 0
        assert Session.load(tmp_path / "a.h5").bin_size == size
    for text in ("fast", "1/0", "1/2/3", "0", "-1", "nan"):
        assert "bin" in refused(capsys, "convert", path, tmp_path / "b.h5", f"--bin-size={text}")
    assert not (tmp_path / "b.h5").exists()


def test_bad_choices_get_one_line_and_leave_nothing(tmp_path, capsys):
    path, out = write_nwb(tmp_path / "a.nwb"), tmp_path / "o.h5"
    before = sorted(tmp_path.iterdir())
    for options, wanted in (
        (["--where", "quality==good"], "among depth"),
        (["--where", "depth"], "conditions such as"),
        (["--where", "depth>99"], "none of 3 has them"),
        (["--behaviour", "speed"], "speed"),
        (["--intervals", "trials"], "trials"),
        (["--exclude", "laser"], "laser"),
        (["--exclude", "5:2"], "a start before the stop"),
        (["--exclude=-1:99"], "none of"),
        (["--min-rate", "1000"], "all 3 are slower"),
        (["--start", "900"], "lie outside the chosen time"),
        (["--sampling-rate", "0"], "--sampling-rate above 0"),
        (["--circular", "hd=x"], "--circular"),
        (["--reader", "plexonx"], "plexonx"),
        (["--behaviour-file", "x.csv"], "keys of --behaviour-file"),
        (["--sessions", "b"], "sessions among a"),
        (["--activity", "traces"], "traces"),
    ):
        assert wanted in refused(capsys, "convert", path, out, *options), options
    assert sorted(tmp_path.iterdir()) == before
    (tmp_path / "cut.nwb").write_bytes(path.read_bytes()[:900])
    (tmp_path / "empty.nwb").write_bytes(b"")
    for name in ("cut.nwb", "empty.nwb", "none.nwb"):
        assert name in refused(capsys, "convert", tmp_path / name, out)
        assert name in refused(capsys, "inspect", tmp_path / name)


def test_prepare_takes_the_same_choices(tmp_path, capsys):
    path = write_nwb(tmp_path / "a.nwb")
    words = ["--where", "depth<25", "--start", "2", "--stop", "18", "--bin-size", "1/2", "--exclude", "5:6"]
    assert run(capsys, "prepare", "nwb", path, "--out", tmp_path / "s", *words)[0] == 0
    assert run(capsys, "convert", path, tmp_path / "a.h5", *words)[0] == 0
    prepared, converted = Session.load(tmp_path / "s" / "a.h5"), Session.load(tmp_path / "a.h5")
    assert prepared.fingerprint == converted.fingerprint
    assert prepared.segment.tolist() == [[0, 6], [6, 30]]
    assert prepared.depth.tolist() == [10, 20]


def test_the_same_recording_twice_is_told(tmp_path, capsys):
    for name in ("a", "b"):
        write_phy(tmp_path / "data" / name)
    status, _, error = run(capsys, "convert", tmp_path / "data", tmp_path / "out")
    assert (status, "warning: b holds the same activity as a." in error) == (0, True)
    for name in ("a", "b"):
        write_suite2p(tmp_path / "planes" / name)
        np.save(tmp_path / "planes" / name / "plane0" / "spks.npy", np.eye(5, 60))
    status, _, error = run(capsys, "prepare", "suite2p", tmp_path / "planes", "--out", tmp_path / "o")
    assert (status, "warning: b holds the same activity as a." in error) == (0, True)


def test_a_public_set_is_not_taken_for_arrays(tmp_path, capsys):
    write_bugeon(tmp_path / "b")
    _, _, error = run(capsys, "convert", tmp_path / "b", tmp_path / "out")
    assert f"try 'synapsnet prepare bugeon {tmp_path / 'b'} --out sessions'" in error


def test_a_missing_package_holds_up_its_own_recording_only(tmp_path, capsys, monkeypatch):
    write_phy(tmp_path / "data" / "a")
    (tmp_path / "data" / "b.smr").touch()

    def no_package(*_):
        raise ImportError("Expected sonpy to be installed")

    monkeypatch.setattr("synapsnet_pyg.readers.neo_files._segments", no_package)
    status, out, error = run(capsys, "convert", tmp_path / "data", tmp_path / "out")
    assert (status, "b is left out: Expected sonpy" in error, "1 session file(s)" in out) == (0, True, True)
    assert run(capsys, "inspect", tmp_path / "data")[0] == 0


def test_a_session_that_is_replaced_by_another_is_told(tmp_path, capsys):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).poisson(1.0, (4, 90)))
    convert = ("convert", tmp_path / "x.npy", tmp_path / "x.h5", "--axes", "neuron,bin", "--bin-size")
    assert run(capsys, *convert, "0.1")[2] == ""
    assert run(capsys, *convert, "0.1")[2] == ""  # the same once more
    status, _, error = run(capsys, *convert, "0.2")
    assert (status, "held another session (4 neurons, 90 bins of 0.1 s)" in error) == (0, True)
