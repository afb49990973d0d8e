import warnings

import numpy as np
import pytest

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.intake.notes import DataWarning
from synapsnet_pyg.intake.recording import Selection
from synapsnet_pyg.readers.pynapple_files import PynappleReader

pynapple = pytest.importorskip("pynapple")

random = np.random.default_rng(0)
TRAINS = {3: np.sort(random.uniform(0, 9, 40)), 7: np.zeros(0), 11: np.sort(random.uniform(0, 9, 25))}
CLOCK = np.arange(100) * 0.1
TRACES = random.standard_normal((100, 4))


@pytest.fixture
def folder(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pynapple warns of empty groups
        support = pynapple.IntervalSet([0.0, 5.0], [4.0, 9.0])
        spikes = pynapple.TsGroup(
            {key: pynapple.Ts(train) for key, train in TRAINS.items()},
            time_support=support,
            metadata={"area": list("xyz")},
        )
        spikes.save(str(tmp_path / "spikes.npz"))
        pynapple.Tsd(t=CLOCK, d=CLOCK**2).save(str(tmp_path / "speed.npz"))
        pynapple.TsdFrame(t=CLOCK, d=TRACES[:, :2]).save(str(tmp_path / "position.npz"))
        pynapple.Ts(np.array([1.05, 1.06, 6.2])).save(str(tmp_path / "licks.npz"))
        pynapple.IntervalSet([1.0, 6.0], [3.0, 8.0]).save(str(tmp_path / "trials.npz"))
    return tmp_path


def read(path, **choices):
    selection = Selection(**choices)
    return Session.from_recording(PynappleReader().read(path, "nap", selection), selection)


def test_groups_of_spikes_within_their_support(folder):
    with pytest.warns(DataWarning, match=r"rows 1\) are silent"):
        session = read(folder / "spikes.npz", bin_size=0.5)
    assert session.segment.tolist() == [[0, 8], [8, 16]]
    assert session.neuron_id == ["nap/3", "nap/7", "nap/11"]
    edges = [k / 2 for k in [*range(8), *range(10, 18)]]
    for row, train in enumerate(TRAINS.values()):
        expected = [((train >= edge) & (train < edge + 0.5)).sum() for edge in edges]
        assert session.activity[row].tolist() == pytest.approx(expected)
    assert any("pickled, which is never read (--neuron-table" in note for note in session.notes)


def test_behaviours_events_and_intervals_are_files_beside_it(folder):
    with pytest.warns(DataWarning, match="silent"):
        session = read(
            folder / "spikes.npz", bin_size=0.5, behaviour=["speed", "position"], events=["licks", "trials"],
            intervals="trials", exclude=["2:2.5"],
        )  # fmt: skip
    assert session.segment.tolist() == [[0, 2], [2, 3], [3, 7]]
    at = np.array([1.25, 1.75, 2.75, 6.25, 6.75, 7.25, 7.75])
    np.testing.assert_allclose(session.behaviour[:, 0], np.interp(at, CLOCK, CLOCK**2), rtol=1e-5)
    np.testing.assert_allclose(session.behaviour[:, 2], np.interp(at, CLOCK, TRACES[:, 1]), atol=1e-5)
    assert session.behaviour[:, 3].tolist() == [2, 0, 0, 1, 0, 0, 0]
    assert session.behaviour[:, 4].tolist() == pytest.approx([1] * 7)
    with pytest.raises(ValueError, match=r"Tsd or TsdFrame or TsdTensor beside .* among position, speed \(got 'x'\)"):
        read(folder / "spikes.npz", behaviour=["x"])
    with pytest.raises(ValueError, match=r"IntervalSet beside .* among trials \(got 'speed'\)"):
        read(folder / "spikes.npz", intervals="speed")


@pytest.mark.parametrize("columns", [None, [4, 5, 8, 20], ["a", "b", "c", "d"]])
def test_frames_of_traces_with_the_last_one(tmp_path, columns):
    pynapple.TsdFrame(t=CLOCK, d=TRACES, columns=columns).save(str(tmp_path / "dff.npz"))
    assert PynappleReader().recognises(tmp_path / "dff.npz")
    session = read(tmp_path / "dff.npz")
    np.testing.assert_allclose(session.activity, TRACES.T, rtol=1e-6)
    labels = columns if columns and isinstance(columns[0], int) else range(4)
    assert session.neuron_id == [f"nap/{label}" for label in labels]
    assert any("names of the columns are absent, or pickled" in note for note in session.notes) == (
        columns == ["a", "b", "c", "d"]
    )


def test_what_is_recognised_and_described(folder, tmp_path):
    reader = PynappleReader()
    found = [path.stem for path in sorted(folder.glob("*.npz")) if reader.recognises(path)]
    assert found == ["spikes"]
    np.savez(tmp_path / "other.npz", type=np.array(["mouse"]))
    (tmp_path / "broken.npz").write_bytes(b"PK no archive")
    assert not reader.recognises(tmp_path / "other.npz")
    assert not reader.recognises(tmp_path / "broken.npz")
    rows = dict(reader.describe(folder / "spikes.npz"))
    assert rows["spikes"].startswith("TsGroup: keys [3], start [2], t [")
    assert rows["trials"] == "IntervalSet: start [2]"
    assert rows["next"].startswith("synapsnet convert")
