import numpy as np
import pytest

from synapsnet_pyg.datasets.bugeon_runs import AtFrames, Run, behaviour_of, of_one_rate, read_run, states_of
from synapsnet_pyg.intake.clocks import frames
from synapsnet_pyg.intake.notes import DataWarning


def write(folder, **arrays):
    folder.mkdir(parents=True, exist_ok=True)
    for stem, array in arrays.items():
        np.save(
            folder / f"{stem.replace('_', '.')}.npy",
            np.asarray(array, dtype=float)[:, None] if np.ndim(array) == 1 else array,
        )
    return folder


def run(folder, step=0.25, T=8):
    return Run(folder, np.zeros((3, T), dtype=np.float32), frames(np.arange(T) * step, "it"), T)


def test_frames_of_a_run(tmp_path):
    activity = np.arange(24.0).reshape(8, 3)
    folder = write(tmp_path, frame_neuralActivity=activity, frame_times=np.arange(8) * 0.25)
    found = read_run(folder, 3)
    assert found.activity.tolist() == activity.T.tolist()
    assert found.clock.bin_size == 0.25
    with pytest.warns(DataWarning, match="it has 3 neurons, the session 4"):
        assert read_run(folder, 4) is None
    with pytest.warns(DataWarning, match=r"axes \[neuron, frame\]"):
        np.testing.assert_array_equal(
            read_run(write(tmp_path, frame_neuralActivity=activity.T), 3).activity, activity.T
        )
    with pytest.raises(ValueError, match=r"a time in 'frame\.times\.npy' for each of the 8 frames"):
        read_run(write(tmp_path, frame_neuralActivity=activity, frame_times=np.arange(7)), 3)


def test_the_rate_of_most_frames_is_kept(tmp_path):
    runs = [run(tmp_path / "a", 0.1, 9), run(tmp_path / "b", 0.25, 30), run(tmp_path / "c", 0.2501, 5)]
    with pytest.warns(DataWarning, match=r"a' is left out: it has 10 frames a second, other runs 4"):
        assert [own.folder.name for own in of_one_rate(runs)] == ["b", "c"]
    assert of_one_rate(runs[1:]) == runs[1:]


def test_behaviour_is_brought_onto_the_frames_of_each_run(tmp_path):
    clock = np.arange(0, 2, 0.05)
    first = run(write(tmp_path / "a", running_speed=clock * 3, running_times=clock))
    second = run(tmp_path / "b")
    with pytest.warns(DataWarning, match=r"b' has no running speed"):
        found = behaviour_of([first, second], "running speed")
    np.testing.assert_allclose(found.values, [*(np.arange(8) * 0.75), *[0] * 8])
    assert found.recorded.tolist() == [True] * 8 + [False] * 8
    with pytest.raises(ValueError, match=r"as many times in .*running\.times\.npy' as values in 'running\.speed\.npy'"):
        behaviour_of([run(write(tmp_path / "a", running_times=clock[1:]))], "running speed")
    empty = run(write(tmp_path / "a", running_speed=clock * np.nan, running_times=clock))
    with pytest.warns(DataWarning, match="holds no number; running speed is marked as not recorded"):
        assert not behaviour_of([empty], "running speed").recorded.any()


def test_states_of_runs(tmp_path):
    states = [0, 1, 1, np.nan, 0, 1, 1.0, 0]
    found = states_of([run(write(tmp_path, frame_states=states))], ["rest", "run"])
    assert [own.name for own in found] == ["rest", "run"]
    assert found[1].values.tolist() == [0, 1, 1, 0, 0, 1, 1, 0]
    assert found[1].recorded.tolist() == [code == code for code in states]
    with pytest.warns(DataWarning, match="has no states"):
        assert not states_of([run(tmp_path / "none")], ["rest"])[0].recorded.any()
    with pytest.raises(ValueError, match="a state for each of the 9 frames"):
        states_of([run(tmp_path, T=9)], ["rest"])


def test_joined_frames_are_averaged_and_recorded_if_any_is():
    behaviour = AtFrames("x", np.arange(6.0), recorded=np.array([True, False, False, False, True, True]))
    columns = behaviour.joined(np.arange(6).reshape(3, 2), np.array([[0, 3]]))
    assert columns.values.tolist() == [[0.5], [2.5], [4.5]]
    assert columns.recorded.tolist() == [[True], [False], [True]]


def test_a_clock_in_milliseconds_gets_no_hint_of_an_option_that_is_not_there(tmp_path):
    folder = write(tmp_path, frame_neuralActivity=np.ones((8, 3)), frame_times=np.arange(8) * 230.0)
    with pytest.raises(ValueError, match=r"in seconds \(their usual step is 230: milliseconds or samples\?\)\.$"):
        read_run(folder, 3)
