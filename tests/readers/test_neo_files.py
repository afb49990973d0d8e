import sys
import warnings

import numpy as np
import pytest
import scipy.io

from synapsnet_pyg import Session
from synapsnet_pyg.intake.recording import Selection
from synapsnet_pyg.readers.neo_files import NeoReader

BIN = 0.5


def trains(segment):
    random = np.random.default_rng(segment)
    return [np.sort(random.uniform(1.0, 9.0, count)) for count in (12, 25, 30)]


def write_neo(path, segments=1, shift=0.0):
    """A block as neo's own writer of MATLAB files leaves it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        neo, pq = pytest.importorskip("neo"), pytest.importorskip("quantities")
        block = neo.Block()
        for i in range(segments):
            segment = neo.Segment()
            start = i * shift
            for row, train in enumerate(trains(i)):
                times = (train + start) * 1000 if row == 1 else train + start
                segment.spiketrains.append(
                    neo.SpikeTrain(
                        times,
                        units="ms" if row == 1 else "s",
                        t_start=start * pq.s,
                        t_stop=(start + 10) * pq.s,
                        name=f"unit{row}",
                        depth=row * 2.5,
                    )
                )
            segment.events.append(
                neo.Event((np.array([2.0, 2.1, 7.0]) + start) * pq.s, labels=["a", "b", "c"], name="lick")
            )
            segment.epochs.append(
                neo.Epoch(
                    (np.array([1.0, 6.0]) + start) * pq.s, durations=[2, 3] * pq.s, labels=["x", "y"], name="trial"
                )
            )
            segment.analogsignals.append(
                neo.AnalogSignal(
                    np.arange(100.0)[:, None] * pq.V, sampling_rate=10 * pq.Hz, t_start=start * pq.s, name="speed"
                )
            )
            block.segments.append(segment)
        neo.io.NeoMatlabIO(str(path)).write_block(block)


def read(path, **choices):
    selection = Selection(bin_size=BIN, **choices)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        return Session.from_recording(NeoReader().read(path, "s", selection), selection)


def counted(segment, bins=20):
    return [[sum(a * BIN <= time < (a + 1) * BIN for time in train) for a in range(bins)] for train in trains(segment)]


def test_spike_trains_of_a_block(tmp_path):
    path = tmp_path / "block.mat"
    write_neo(path)
    assert NeoReader().recognises(path)
    session = read(path)
    np.testing.assert_array_equal(session.activity, counted(0))  # from t_start to t_stop
    assert session.neuron_id == ["s/unit0", "s/unit1", "s/unit2"]
    assert session.depth.tolist() == [0, 2.5, 5]
    rows = dict(NeoReader().describe(path))
    assert rows["neo"] == "1 segments, up to 3 spike trains"
    assert (rows["events"], rows["epochs"], rows["signals"]) == ("lick", "trial", "speed")


def test_events_epochs_and_signals_by_name(tmp_path):
    path = tmp_path / "block.mat"
    write_neo(path)
    session = read(path, events=["lick", "trial"], behaviour=["speed"])
    assert session.behaviour_name == ["speed", "lick", "trial"]
    centres = BIN * (np.arange(20) + 0.5)
    np.testing.assert_allclose(session.behaviour[:, 0], np.interp(centres, np.arange(100) / 10, np.arange(100.0)))
    assert session.behaviour[:, 1].nonzero().ravel().tolist() == [4, 14]
    assert session.behaviour[:, 2].nonzero().ravel().tolist() == [2, 3, 4, 5, 12, 13, 14, 15, 16, 17]
    assert read(path, intervals="trial").segment.tolist() == [[0, 4], [4, 10]]
    assert read(path, exclude=["trial"]).segment.tolist() == [[0, 2], [2, 8], [8, 10]]


@pytest.mark.parametrize("shift", [0.0, 12.0])
def test_segments_keep_their_times_or_follow_each_other(tmp_path, shift):
    path = tmp_path / "block.mat"
    write_neo(path, segments=2, shift=shift)
    session = read(path, events=["lick"])
    assert session.segment.tolist() == [[0, 20], [20, 40]]
    np.testing.assert_array_equal(session.activity, np.concatenate([counted(0), counted(1)], axis=1))
    assert session.behaviour[:, 0].nonzero().ravel().tolist() == [4, 14, 24, 34]
    assert any("2 segments, one after the other" in note for note in session.notes) == (shift == 0)


def test_other_files_and_missing_packages(tmp_path, monkeypatch):
    scipy.io.savemat(tmp_path / "arrays.mat", {"x": np.zeros(3)})
    (tmp_path / "pickled.pkl").write_bytes(b"")
    for name in ("arrays.mat", "pickled.pkl", "none.mat"):
        assert not NeoReader().recognises(tmp_path / name)
    (tmp_path / "broken.plx").write_bytes(b"no plexon")
    assert NeoReader().recognises(tmp_path / "broken.plx")
    pytest.importorskip("neo")
    with pytest.raises(ValueError, match=r"neo can open at .*broken\.plx"):
        read(tmp_path / "broken.plx")
    path = tmp_path / "block.mat"
    write_neo(path)
    with pytest.raises(ValueError, match=r"events among lick in .* \(got 'reward'\)"):
        read(path, events=["reward"])
    with pytest.raises(ValueError, match="no --activity"):
        read(path, activity="x")
    monkeypatch.setitem(sys.modules, "neo.io", None)
    with pytest.raises(ImportError, match="pip install neo"):
        read(path)
