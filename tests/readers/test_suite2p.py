import numpy as np
import pytest
from helpers import told
from on_disk import write_suite2p

from synapsnet_pyg import Session
from synapsnet_pyg.datasets.suite2p import Suite2p
from synapsnet_pyg.intake.notes import DataWarning
from synapsnet_pyg.intake.recording import Selection
from synapsnet_pyg.readers.suite2p import Suite2pReader


def load(*arguments, **given):
    return told(lambda: Suite2p(*arguments, frame_rate=6.0, **given))


def read(path, **choices):
    selection = Selection(**choices)
    return Session.from_recording(Suite2pReader().read(path, "m", selection), selection)


def write_plane(folder, level, cells=3, frames=40, **files):
    folder.mkdir(parents=True)
    values = np.random.default_rng(level).normal(size=(cells, frames)).astype(np.float32) + 100 * level
    np.save(folder / "F.npy", values)
    np.save(folder / "iscell.npy", np.column_stack([np.ones(cells), np.linspace(0.1, 0.9, cells)]))
    for stem, array in files.items():
        np.save(folder / f"{stem}.npy", array, allow_pickle=True)
    return values


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "mouse1" / "suite2p"
    return path, write_suite2p(path)


def cells(made, stem):
    return np.concatenate([made[f"{stem}{p}"][made[f"iscell{p}"][:, 0] > 0.5][:, :89] for p in (0, 1)])


def test_cells_of_all_planes(folder):
    path, made = folder
    dataset, messages = load(path)
    session = dataset[0]
    assert any("planes have 90, 89 frames; the first 89 are kept" in message for message in messages)
    np.testing.assert_array_equal(session.activity, cells(made, "spks"))
    assert session.bin_size == pytest.approx(1 / 6)
    assert session.name == "mouse1"
    kept = [np.flatnonzero(made[f"iscell{p}"][:, 0] > 0.5) for p in (0, 1)]
    assert session.neuron_id == [f"mouse1/plane{p}/{row}" for p in (0, 1) for row in kept[p]]
    assert session.plane.tolist() == [p for p in (0, 1) for _ in kept[p]]
    corrected = load(path, activity="corrected", neuropil=0.5)[0][0]
    np.testing.assert_allclose(corrected.activity, cells(made, "F") - 0.5 * cells(made, "Fneu"), rtol=1e-5, atol=1e-4)


def test_cells_by_probability(folder):
    path, made = folder
    session = load(path, probability=0.4)[0][0]
    assert session.num_neurons == sum(int((made[f"iscell{p}"][:, 1] >= 0.4).sum()) for p in (0, 1))
    assert bool((session.cell_probability >= 0.4).all())


def test_found_from_above_or_within(folder):
    path, _ = folder
    for root in (path.parent.parent, path.parent, path, path / "plane0"):
        assert load(root)[0].names == ["mouse1"]
    write_suite2p(path.parent.parent / "mouse2" / "day3" / "suite2p")
    assert load(path.parent.parent)[0].names == ["mouse1", "mouse2-day3"]


def test_transposed_arrays_are_transposed_back(folder):
    path, made = folder
    np.save(path / "plane0" / "spks.npy", made["spks0"].T)
    dataset, messages = load(path)
    np.testing.assert_array_equal(dataset[0].activity, cells(made, "spks"))
    assert any("has axes [frame, cell] and was transposed" in message for message in messages)


def test_planes_are_numbered_by_their_names(tmp_path):
    made = {p: write_plane(tmp_path / "suite2p" / f"plane{p}", p) for p in (0, 1, 2, 9, 10, 11)}
    write_plane(tmp_path / "suite2p" / "combined", 50, 18)
    session = read(tmp_path / "suite2p", frame_rate=3.0)
    assert session.plane.tolist() == [p for p in made for _ in range(3)]
    assert session.neuron_id == [f"m/plane{p}/{i}" for p in made for i in range(3)]
    np.testing.assert_array_equal(session.activity, np.concatenate([*made.values()]))
    assert "6 planes, plane0 to plane11" in session.notes
    assert "activity F" in session.notes


def test_combined_is_read_where_the_planes_are_absent(tmp_path):
    values = write_plane(tmp_path / "suite2p" / "combined", 0, 6)
    (tmp_path / "suite2p" / "plane0").mkdir()  # the movie only
    for path in (tmp_path / "suite2p", tmp_path / "suite2p" / "combined"):
        assert Suite2pReader().recognises(path)
        session = read(path, frame_rate=3.0)
        np.testing.assert_array_equal(session.activity, values)
        assert session.neuron_id == [f"m/{i}" for i in range(6)]
        assert "plane" not in session


def test_iscell_is_the_usual_choice_and_where_replaces_it(folder):
    path, made = folder
    with pytest.warns(DataWarning, match="planes have"):
        session = read(path)
    total = sum(len(made[f"iscell{p}"]) for p in (0, 1))
    assert any(f"kept {session.num_neurons} of {total}" in note and "--where" in note for note in session.notes)
    assert any("6 frames a second by ops.npy" in note for note in session.notes)
    assert any("also there: F, Fneu, corrected" in note for note in session.notes)
    with pytest.warns(DataWarning, match="planes have"):
        every = read(path, where="iscell==0|1", activity="F")
    np.testing.assert_array_equal(every.activity, np.concatenate([made["F0"][:, :89], made["F1"]]))
    with pytest.warns(DataWarning, match="planes have"):
        few = read(path, where="cell_probability>0.5 and plane==1", activity="F")
    assert few.num_neurons == int((made["iscell1"][:, 1] > 0.5).sum())


def test_the_frame_rate_is_asked_for_where_no_file_states_it(tmp_path):
    write_plane(tmp_path / "plane0", 1)
    with pytest.raises(ValueError, match=r"not stated in ops.npy, a pickle .* never loaded.*--frame-rate"):
        read(tmp_path)
    assert read(tmp_path, bin_size=0.25).bin_size == 0.25
    rows = dict(Suite2pReader().describe(tmp_path))
    assert [rows[key] for key in ("cells", "frames", "activity")] == ["3", "40", "F"]
    assert rows["next"].endswith("--frame-rate 30")
    assert rows["replace"].startswith("the 30 by your frames a second")


def test_missing_and_short_files(tmp_path):
    write_plane(tmp_path / "plane0", 1, redcell=np.column_stack([[1, 0, 1], [0.9, 0.1, 0.8]]))
    assert read(tmp_path, frame_rate=3.0).redcell.tolist() == [1, 0, 1]
    np.save(tmp_path / "plane0" / "iscell.npy", np.ones(3, dtype=bool))
    assert read(tmp_path, frame_rate=3.0).iscell.tolist() == [1, 1, 1]
    np.save(tmp_path / "plane0" / "iscell.npy", np.zeros((3, 2)))
    with pytest.raises(ValueError, match=r"all 3 go out: 3 are no cells by iscell\.npy \(--where 'iscell==0\|1'"):
        read(tmp_path, frame_rate=3.0)
    (tmp_path / "plane0" / "iscell.npy").unlink()
    assert Suite2pReader().recognises(tmp_path)  # by the name of its folder
    session = read(tmp_path, frame_rate=3.0)
    assert session.num_neurons == 3
    assert "plane0 has no iscell.npy; all its 3 regions are taken" in session.notes
    (tmp_path / "plane0").rename(tmp_path / "other")
    assert not Suite2pReader().recognises(tmp_path / "other")


def test_activities_are_those_of_every_plane(tmp_path):
    first = write_plane(tmp_path / "plane0", 1, spks=np.ones((3, 40), dtype=np.float32), Fneu=np.zeros((3, 40)))
    second = write_plane(tmp_path / "plane1", 2, cells=1)
    np.save(tmp_path / "plane1" / "F.npy", second[0])  # one cell, one axis
    session = read(tmp_path, frame_rate=3.0)
    np.testing.assert_array_equal(session.activity, np.concatenate([first, second]))
    assert "activity F" in session.notes


def test_choices_that_all_formats_have(folder):
    path, made = folder
    dataset, _ = told(lambda: Suite2p(path, activity="F", where="plane==1, iscell==1", rebin=2))
    kept = made["F1"][made["iscell1"][:, 0] > 0.5]
    np.testing.assert_allclose(dataset[0].activity, kept[:, :88].reshape(len(kept), 44, 2).mean(2), rtol=1e-6)
    assert dataset[0].bin_size == pytest.approx(2 / 6)
    assert dataset.arguments["rebin"] == 2


def test_says_what_is_wrong(folder, tmp_path):
    path, made = folder
    with pytest.raises(FileNotFoundError, match="no file or folder"):
        load(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="found none"):
        load(tmp_path / "empty")
    for name in ("dff", "stat"):
        with pytest.raises(ValueError, match=f"--activity among F, Fneu, spks, corrected .*got '{name}'"):
            load(path, activity=name)
    with pytest.raises(ValueError, match="frame-rate above 0"):
        Suite2p(path, frame_rate=0)
    with pytest.raises(ValueError, match="holds none"):
        read(path, events=["lick"])
    np.save(path / "plane0" / "spks.npy", made["spks0"][:3])
    with pytest.raises(ValueError, match=r"traces of 6 cells in .*spks\.npy"):
        load(path)


def test_a_real_folder(recording):
    folder = recording("mouse-v1-2p-spontaneous")
    with pytest.warns(DataWarning, match="was transposed"):
        session = read(folder, frame_rate=6.0)
    np.testing.assert_array_equal(session.activity, np.load(folder / "spks.npy").T)
