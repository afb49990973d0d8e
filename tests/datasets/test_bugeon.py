import shutil

import numpy as np
import pytest
from helpers import told
from on_disk import STEP, write_bugeon

from synapsnet_pyg.datasets.bugeon import Bugeon
from synapsnet_pyg.intake.notes import DataWarning


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    root = tmp_path_factory.mktemp("bugeon")
    return root, write_bugeon(root)


def load(root, *arguments, **given):
    return told(lambda: Bugeon(root, *arguments, **given))[0]


def interpolated(run, stem):
    clock, samples = run.behaviour[stem]
    good = np.isfinite(samples)
    return np.interp(run.times, clock[good], samples[good])


def test_every_value_put_in_comes_out(written):
    root, sessions = written
    dataset = load(root, "spontaneous", behaviour=("running speed", "pupil size", "gaze x", "gaze y"), states=True)
    assert dataset.names == sorted(sessions)
    for session in dataset:
        put = sessions[session.name]
        run = put.runs["Blank/01"]
        np.testing.assert_array_equal(session.activity, run.activity.T.astype(np.float32))
        for k, stem in enumerate(("running.speed", "eye.size", "eye.xPos", "eye.yPos")):
            np.testing.assert_allclose(session.behaviour[:, k], interpolated(run, stem), rtol=1e-6)
        np.testing.assert_array_equal(session.behaviour[:, 4:], np.eye(3)[run.states.astype(int)])
        assert session.behaviour_name[4:] == ["running", "desynchronised", "synchronised"]
        assert session.bin_size == pytest.approx(STEP, rel=0.05)
        assert session.cell_type == put.types
        assert session.subclass == [one.split("-")[0] for one in put.types]
        assert session.ei == ["E" if one == "EC" else "I" for one in put.types]
        folder = root / put.mouse / put.date
        np.testing.assert_allclose(session.position[:, :2], np.load(folder / "neuron.stackPosCorrected.npy")[:, :2])
        np.testing.assert_allclose(session.position[:, 2:], np.load(folder / "neuron.depth.npy"))
        np.testing.assert_allclose(session.depth[:, None], np.load(folder / "neuron.depth.npy"))


def test_a_neuron_is_one_in_all_sessions_of_its_mouse_and_in_no_other(written):
    root, _ = written
    ids = {session.name: session.neuron_id for session in load(root, "spontaneous")}
    first, second, other, new = (ids[name] for name in sorted(ids))
    assert set(first) & set(second) == {"SB025/17", "SB025/3"}
    assert first.index("SB025/17") == 2
    assert second.index("SB025/17") == 1
    assert not set(other) & (set(first) | set(second))
    assert new == [f"SB030-2020-01-10/{row}" for row in range(7)]


def test_runs_are_segments_and_one_of_other_cells_is_left_out(written):
    root, sessions = written
    dataset, messages = told(lambda: Bugeon(root, "natural scenes", sessions=["SB025-2019-10-04"]))
    assert any("Natural Scenes/02' is left out: it has 7 neurons, the session 6" in one for one in messages)
    runs = sessions["SB025-2019-10-04"].runs
    (session,) = dataset
    assert session.segment.tolist() == [[0, 60], [60, 90]]
    both = np.concatenate([runs["Natural Scenes/01"].activity, runs["Natural Scenes/03"].activity])
    np.testing.assert_array_equal(session.activity, both.T.astype(np.float32))


def test_only_sessions_with_the_stimulus_are_items(written):
    root, _ = written
    assert load(root, "natural scenes").names == ["SB025-2019-10-04", "SB025-2019-10-07", "SB030-2020-01-08"]
    both = load(root, ["natural scenes", "spontaneous"], sessions=["SB025-2019-10-07"])
    assert both[0].segment.tolist() == [[0, 60], [60, 120]]


def test_behaviour_that_a_run_lacks_is_marked(written):
    root, _ = written
    dataset, messages = told(lambda: Bugeon(root, "drifting gratings", sessions=["SB030-*"]))
    assert any("Drifting Gratings/01' has no pupil size (eye.size.npy, eye.times.npy)" in text for text in messages)
    assert dataset[0].behaviour_recorded[:, 0].all()
    assert not dataset[0].behaviour_recorded[:, 1].any()
    both = load(root, ["spontaneous", "drifting gratings"], sessions=["SB030-2020-01-08"])[0]
    assert both.behaviour_recorded[:, 1].tolist() == [False] * 2 + [True] * 58 + [False] * 60  # it starts later
    _, messages = told(lambda: Bugeon(root, "drifting gratings", sessions=["SB025-2019-10-07"]))
    assert any("eye.size.npy' holds 27 values that are not a number in 3 gaps" in text for text in messages)
    # Warnings of reading the files are repeated when they are not read again.
    assert told(lambda: Bugeon(root, "drifting gratings", sessions=["SB025-2019-10-07"]))[1] == messages


def test_gene_counts_on_request(written):
    root, _ = written
    session = load(root, "spontaneous", gene_counts=True, sessions=["SB030-2020-01-08"])[0]
    np.testing.assert_allclose(session.gene_count, np.load(root / "SB030/2020-01-08/neuron.gene_count.npy"))
    assert "gene_count" not in load(root, "spontaneous")[0]


def test_says_what_is_wrong(written, tmp_path):
    root, _ = written
    with pytest.raises(FileNotFoundError, match="synapsnet download bugeon"):
        Bugeon(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="sessions of Bugeon"):
        Bugeon(tmp_path)
    with pytest.raises(ValueError, match="stimuli among natural scenes"):
        Bugeon(root, "movies")
    with pytest.raises(ValueError, match="sessions among SB025-2019-10-04"):
        Bugeon(root, sessions=["SB999-*"])


def damage(path, kind):
    if kind == "missing":
        path.unlink()
    elif kind == "truncated":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif kind == "pickle":
        np.save(path, np.array([{}], dtype=object), allow_pickle=True)
    elif kind == "text":
        np.save(path, np.array(["a", "b"]))
    elif kind == "short":
        np.save(path, np.load(path)[:-1])
    elif kind == "nan":
        np.save(path, np.full_like(np.load(path), np.nan))


ARRAYS = ["neuron.UniqueID", "neuron.depth"]
ARRAYS += [f"Blank/01/{stem}" for stem in ("frame.neuralActivity", "frame.times", "running.speed", "eye.times")]
DAMAGED = [
    (f"{stem}.npy", kind) for stem in ARRAYS for kind in ("missing", "truncated", "pickle", "text", "short", "nan")
]


@pytest.mark.parametrize(
    ("file", "kind"), [("neuron.ttype.txt", "missing"), ("neuron.ttype.txt", "truncated"), *DAMAGED]
)
def test_a_damaged_file_is_named_or_mended(tmp_path, file, kind):
    write_bugeon(tmp_path)
    name = "SB025-2019-10-07"
    damage(tmp_path / name.replace("-", "/", 1) / file, kind)

    def read():
        try:
            return Bugeon(tmp_path, "spontaneous", sessions=[name])[0]
        except (ValueError, FileNotFoundError) as error:
            return str(error)

    outcome, messages = told(read)
    if isinstance(outcome, str):
        assert len(outcome.splitlines()) == 1
        assert any(
            file.rsplit("/", 1)[-1] in one or "it has no" in one or "sessions among" in one
            for one in [outcome, *messages]
        )
    else:
        assert bool(outcome.activity.isfinite().all())
        assert bool(outcome.behaviour.isfinite().all())
        # Of what a session can do without: missing files and numbers that are no numbers.
        assert kind in ("missing", "nan")
        assert messages or file == "neuron.depth.npy"


def test_swapped_axes_are_turned_with_a_warning(tmp_path):
    put = write_bugeon(tmp_path)["SB025-2019-10-04"]
    path = tmp_path / "SB025/2019-10-04/Blank/01/frame.neuralActivity.npy"
    np.save(path, np.load(path).T)
    dataset, messages = told(lambda: Bugeon(tmp_path, "spontaneous", sessions=["SB025-2019-10-04"]))
    assert any("turned" in one for one in messages)
    session = dataset[0]
    np.testing.assert_array_equal(session.activity, put.runs["Blank/01"].activity.T.astype(np.float32))


def test_one_neuron_and_no_frames(tmp_path):
    write_bugeon(tmp_path)
    folder = tmp_path / "SB025/2019-10-04"
    (folder / "neuron.ttype.txt").write_text("EC\r\n")
    for path in [*folder.glob("neuron.*.npy")]:
        np.save(path, np.load(path)[:1])
    activity = folder / "Blank/01/frame.neuralActivity.npy"
    np.save(activity, np.load(activity)[:, :1])
    session = load(tmp_path, "spontaneous", sessions=["SB025-2019-10-04"])[0]
    assert (session.num_neurons, session.num_bins, session.cell_type) == (1, 60, ["EC"])
    np.save(activity, np.zeros((0, 1)))
    np.save(activity.with_name("frame.times.npy"), np.zeros((0, 1)))
    _, messages = told(lambda: Bugeon(tmp_path, "spontaneous", sessions=["SB025-*"]))
    assert any("left out: it has 0 frames" in one for one in messages)


def test_a_clock_that_falls_back_ends_a_segment(tmp_path):
    put = write_bugeon(tmp_path)["SB025-2019-10-04"].runs["Blank/01"]
    folder = tmp_path / "SB025/2019-10-04/Blank/01"
    times = np.load(folder / "frame.times.npy")
    times[40:] -= times[40] - 0.2
    np.save(folder / "frame.times.npy", times)
    dataset, messages = told(lambda: Bugeon(tmp_path, "spontaneous", states=True, sessions=["SB025-2019-10-04"]))
    assert any("frame.times.npy' falls back 1 times" in text for text in messages)
    assert dataset[0].segment.tolist() == [[0, 40], [40, 60]]
    np.testing.assert_array_equal(dataset[0].activity, put.activity.T.astype(np.float32))
    np.testing.assert_array_equal(dataset[0].behaviour[:, 2:], np.eye(3)[put.states.astype(int)])


def test_states_beyond_the_names_are_columns_of_their_own(tmp_path):
    write_bugeon(tmp_path)
    path = tmp_path / "SB025/2019-10-04/Blank/01/frame.states.npy"
    states = np.load(path).ravel()
    states[[3, 10]], states[20], states[[30, 31]] = 5, -1, np.nan
    np.save(path, states)
    dataset, messages = told(lambda: Bugeon(tmp_path, "spontaneous", states=True, sessions=["SB025-2019-10-04"]))
    session = dataset[0]
    assert any("states -1, 5 have no name among running, desynchronised, synchronised" in text for text in messages)
    assert session.behaviour_name[2:] == ["running", "desynchronised", "synchronised", "state -1", "state 5"]
    for k, code in enumerate((0, 1, 2, -1, 5)):
        assert session.behaviour[:, 2 + k].nonzero().ravel().tolist() == np.flatnonzero(states == code).tolist()
        assert (~session.behaviour_recorded[:, 2 + k]).nonzero().ravel().tolist() == [30, 31]
    (tmp_path / "states.names.txt").write_text("running\ndesynchronised\nsynchronised\nasleep\ndrowsy\ngrooming\n")
    dataset, messages = told(lambda: Bugeon(tmp_path, "spontaneous", states=True, sessions=["SB025-2019-10-04"]))
    assert any("states -1 have no name" in text for text in messages)
    assert dataset[0].behaviour_name[2:] == [
        "running", "desynchronised", "synchronised", "asleep", "drowsy", "grooming", "state -1",
    ]  # fmt: skip


def test_runs_at_another_frame_rate_are_left_out(tmp_path):
    put = write_bugeon(tmp_path)["SB025-2019-10-04"]
    path = tmp_path / "SB025/2019-10-04/Natural Scenes/03/frame.times.npy"
    np.save(path, np.load(path) / 7)
    dataset, messages = told(
        lambda: Bugeon(tmp_path, ["spontaneous", "natural scenes"], behaviour=[], sessions=["SB025-2019-10-04"])
    )
    assert any("Natural Scenes/03' is left out: it has 30" in t and "other runs 4.3" in t for t in messages)
    both = np.concatenate([put.runs["Blank/01"].activity, put.runs["Natural Scenes/01"].activity])
    np.testing.assert_array_equal(dataset[0].activity, both.T.astype(np.float32))
    assert dataset[0].bin_size == pytest.approx(STEP, rel=0.05)


def test_a_mouse_or_a_session_may_be_the_root(tmp_path, monkeypatch):
    write_bugeon(tmp_path)
    assert load(tmp_path / "SB025", "spontaneous").names == ["SB025-2019-10-04", "SB025-2019-10-07"]
    for root in (tmp_path / "SB025/2019-10-04", tmp_path / "SB025/2019-10-04/Blank", "."):
        monkeypatch.chdir(tmp_path / "SB025/2019-10-04")
        dataset = load(root, "spontaneous", states=True)
        assert dataset.names == ["SB025-2019-10-04"]
        assert dataset[0].neuron_id[0] == "SB025/3"
        assert dataset[0].behaviour_name[2:] == ["running", "desynchronised", "synchronised"]


def test_links_are_followed_and_links_to_nothing_are_named(tmp_path):
    write_bugeon(tmp_path / "annex")
    (tmp_path / "set" / "SB025").mkdir(parents=True)
    (tmp_path / "set" / "SB025" / "2019-10-04").symlink_to(tmp_path / "annex/SB025/2019-10-04")
    (tmp_path / "set" / "SB025" / "._2019-10-04").write_text("")
    assert load(tmp_path / "set", "spontaneous").names == ["SB025-2019-10-04"]
    for name in ("frame.neuralActivity.npy", "frame.times.npy"):
        path = tmp_path / "annex/SB025/2019-10-07/Blank/01" / name
        path.rename(path.with_suffix(".kept"))
        path.symlink_to("../../.git/annex/objects/MD5-s12")
        dataset, messages = told(lambda: Bugeon(tmp_path / "annex", "spontaneous", sessions=["SB025-*"]))
        assert dataset.names == ["SB025-2019-10-04"]
        assert any(f"{name}' (it is a link to '../../.git/annex/objects/MD5-s12'" in text for text in messages)
        path.unlink()
        path.with_suffix(".kept").rename(path)
    (tmp_path / "annex/SB025/2019-10-07/Blank/01/frame.times.npy").write_text("/annex/objects/MD5-s12\n")
    _, messages = told(lambda: Bugeon(tmp_path / "annex", "spontaneous", sessions=["SB025-*"]))
    assert any("frame.times.npy' (it holds the name of a file that was not fetched" in text for text in messages)


@pytest.mark.parametrize("tail", ["\n", "", "\n\n\n"])
def test_empty_types_are_unknown_and_no_types_of_their_own(tmp_path, tail):
    write_bugeon(tmp_path)
    path = tmp_path / "SB025/2019-10-04/neuron.ttype.txt"
    path.write_bytes(b"\xef\xbb\xbfEC\r\n\r\nSst-Chodl\r\nnan\r\nIN\r\n" + tail.encode())
    session = load(tmp_path, "spontaneous", sessions=["SB025-2019-10-04"])[0]
    assert session.cell_type == ["EC", "", "Sst-Chodl", "", "IN", ""]
    assert session.subclass == ["EC", "", "Sst", "", "IN", ""]
    assert session.ei == ["E", "", "I", "", "I", ""]


def test_ids_below_zero_or_twice_are_none(tmp_path):
    write_bugeon(tmp_path)
    path = tmp_path / "SB025/2019-10-04/neuron.UniqueID.npy"
    np.save(path, np.array([3, -1, 17, 17, np.nan, 5.0])[:, None])
    dataset, messages = told(lambda: Bugeon(tmp_path, "spontaneous", sessions=["SB025-2019-10-04"]))
    name = "SB025-2019-10-04"
    assert dataset[0].neuron_id == ["SB025/3", f"{name}/1", f"{name}/2", f"{name}/3", f"{name}/4", "SB025/5"]
    assert any("'SB025/17' come more than once" in text for text in messages)


def test_lost_frames_cost_no_session(tmp_path):
    write_bugeon(tmp_path)
    path = tmp_path / "SB025/2019-10-04/Blank/01/frame.neuralActivity.npy"
    activity = np.load(path)
    activity[20:23] = np.nan
    np.save(path, activity)
    dataset, messages = told(lambda: Bugeon(tmp_path, "spontaneous", sessions=["SB025-2019-10-04"]))
    assert any("3 frames hold NaN in every neuron" in text for text in messages)
    assert dataset[0].segment.tolist() == [[0, 20], [20, 57]]
    np.testing.assert_array_equal(dataset[0].activity, np.delete(activity, [20, 21, 22], axis=0).T.astype(np.float32))


def test_the_same_session_in_two_folders_is_told(tmp_path):
    write_bugeon(tmp_path / "a")
    shutil.copytree(tmp_path / "a" / "SB025" / "2019-10-04", tmp_path / "b" / "SB025" / "2019-10-04")
    with pytest.warns(DataWarning, match="b/SB025/2019-10-04' is left out: .*a/SB025/2019-10-04' is session"):
        assert len(Bugeon.find(tmp_path)) == 4
