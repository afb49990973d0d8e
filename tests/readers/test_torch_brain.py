import h5py
import numpy as np
import pytest

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.intake.notes import DataWarning
from synapsnet_pyg.intake.recording import Selection
from synapsnet_pyg.readers.torch_brain import TorchBrainReader

random = np.random.default_rng(0)
TIMES = np.sort(random.uniform(0.0, 10.0, 300))
UNIT = random.integers(0, 3, 300)
VELOCITY = random.standard_normal((200, 2))
TRACES = random.standard_normal((250, 3))


def group(file, path, kind, arrays, **attributes):
    """Writes an object as ``to_hdf5`` of temporaldata 0.1.6 does."""
    own = file.create_group(path)
    own.attrs["object"] = kind
    own.attrs["_unicode_keys"] = np.array([], dtype="S1")
    own.attrs.update(attributes)
    for name, values in arrays.items():
        values = np.asarray(values)
        own[name] = values.astype("S") if values.dtype.kind == "U" else values
    if kind.endswith("TimeSeries"):
        times = arrays.get("timestamps", [0.0, 10.0])
        group(own, "domain", "Interval", {"start": [float(times[0])], "end": [float(times[-1])]})
    return own


@pytest.fixture
def path(tmp_path):
    with h5py.File(tmp_path / "brain.h5", "w") as file:
        file.attrs.update(object="Data", absolute_start=0.0, subject="mouse")
        group(
            file,
            "spikes",
            "IrregularTimeSeries",
            {"timestamps": TIMES, "unit_index": UNIT, "timestamp_indices_1s": np.zeros(11, int)},
        )
        group(
            file,
            "units",
            "ArrayDict",
            {"id": ["a", "b", "c"], "quality": ["good", "mua", "good"], "depth": [1.0, 2.0, 3.0]},
        )
        group(file, "cursor", "IrregularTimeSeries", {"timestamps": np.arange(200) * 0.05, "vel": VELOCITY})
        series = group(file, "calcium", "RegularTimeSeries", {"df_over_f": TRACES}, sampling_rate=25.0)
        series["domain/start"][0], series["domain/end"][0] = 0.5, 10.5
        group(file, "trials", "Interval", {"start": [1.0, 5.0], "end": [4.0, 9.0]})
        group(file, "domain", "Interval", {"start": [0.0, 6.0], "end": [5.0, 10.0]})
        group(file, "train_domain", "Interval", {"start": [0.0], "end": [1.0]})
        nested = file.create_group("task")
        nested.attrs.update(object="Data", absolute_start=0.0)
        group(nested, "licks", "IrregularTimeSeries", {"timestamps": np.arange(10) + 0.5})
    return tmp_path / "brain.h5"


def read(path, **choices):
    selection = Selection(**choices)
    return Session.from_recording(TorchBrainReader().read(path, "brain", selection), selection)


def test_spikes_within_the_domain_against_a_loop(path):
    assert TorchBrainReader().recognises(path)
    session = read(path, bin_size=0.1)
    assert session.segment.tolist() == [[0, 50], [50, 90]]
    for row in range(3):
        own = TIMES[row == UNIT]
        expected = [((own >= k / 10) & (own < (k + 1) / 10)).sum() for k in [*range(50), *range(60, 100)]]
        assert session.activity[row].tolist() == pytest.approx(expected)
    assert session.neuron_id == ["brain/a", "brain/b", "brain/c"]
    assert session.quality == ["good", "mua", "good"]


def test_behaviours_events_trials_and_conditions(path):
    with pytest.warns(DataWarning, match="1 of 2 intervals reach beyond the recorded time"):
        session = read(
            path, bin_size=0.1, behaviour=["cursor/vel", "calcium"], events=["task.licks", "trials"],
            intervals="trials", where="quality==good", exclude=["2:3"],
        )  # fmt: skip
    assert session.segment.tolist() == [[0, 10], [10, 20], [20, 50]]
    at = np.concatenate([np.arange(1.05, 2, 0.1), np.arange(3.05, 4, 0.1), np.arange(6.05, 9, 0.1)])
    expected = np.interp(at, np.arange(200) * 0.05, VELOCITY[:, 1])
    np.testing.assert_allclose(session.behaviour[:, 1], expected, atol=1e-5)
    expected = np.interp(at, 0.5 + np.arange(250) / 25, TRACES[:, 2])
    np.testing.assert_allclose(session.behaviour[:, 4], expected, atol=1e-5)
    assert session.behaviour_name[-2:] == ["task.licks", "trials"]
    assert session.behaviour[:, 5].sum() == 5
    assert session.num_neurons == 2


@pytest.mark.parametrize("name", ["calcium", "calcium/df_over_f", "calcium.df_over_f"])
def test_traces_by_name(path, name):
    session = read(path, activity=name)
    np.testing.assert_allclose(session.activity, TRACES.T, rtol=1e-6)
    assert session.bin_size == pytest.approx(0.04)
    assert session.neuron_id == ["brain/a", "brain/b", "brain/c"]


def test_what_is_not_there_is_listed(path):
    with pytest.raises(ValueError, match=r"cursor/vel.*got 'cursor/speed'"):
        read(path, behaviour=["cursor/speed"])
    with pytest.raises(ValueError, match="Expected one of trials"):
        read(path, intervals="laps")
    with h5py.File(path, "a") as file:
        file["spikes/unit_index"][5] = 7
    with pytest.raises(ValueError, match=r"below the 3 units .*got 7"):
        read(path)


def test_other_files_are_not_recognised(path, tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = [1]
    (tmp_path / "text.h5").write_text("none")
    assert not any(TorchBrainReader().recognises(tmp_path / name) for name in ("other.h5", "text.h5", "gone.h5", "."))


def test_a_file_without_spikes_says_so(path):
    with h5py.File(path, "a") as file:
        del file["spikes"]
    with pytest.raises(ValueError, match=r"time series are calcium, cursor, task/licks\); name traces by --activity"):
        read(path)


def test_description(path):
    rows = TorchBrainReader().describe(path)
    assert ("units", "3 with depth, id, quality") in rows
    assert ("calcium", "df_over_f [250, 3] at 25 Hz") in rows
    assert rows[-1][1] == f"synapsnet convert {path} out.h5 --bin-size 0.0333"


def test_objects_without_their_arrays_are_named(path):
    with h5py.File(path, "a") as file:
        del file["trials/end"], file["cursor/timestamps"]
    with pytest.raises(ValueError, match=r"'end' in '/trials' of .*it has domain|'end' in '/trials' of .*it has start"):
        read(path, intervals="trials")
    with pytest.raises(ValueError, match="timestamps or a sampling rate of '/cursor'"):
        read(path, behaviour=["cursor/vel"])
    with h5py.File(path, "a") as file:
        del file["spikes/timestamps"]
    with pytest.raises(ValueError, match="'timestamps' in '/spikes'"):
        read(path)
    path.write_bytes(path.read_bytes()[:2000])
    assert not TorchBrainReader().recognises(path)
