"""Objects as the packages themselves make them; where a package is absent, its test is skipped."""

import numpy as np
import pandas as pd
import pytest
from helpers import told

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.intake.objects import spikes_of, traces_of
from synapsnet_pyg.intake.recording import Selection

RANDOM = np.random.default_rng(7)
TRAINS = {key: np.sort(RANDOM.uniform(0, 12, n)) for key, n in ((3, 40), (5, 25), (11, 60))}
COUNTS = np.stack([np.histogram(train, np.arange(0, 12.01, 0.5))[0] for train in TRAINS.values()])
CHOSEN = {"bin_size": 0.5, "name": "demo", "selection": Selection(start=0, stop=12)}


def test_a_mapping_a_list_and_a_frame():
    by_key = Session.from_spikes(TRAINS, **CHOSEN, area=["CA1", "CA3", "DG"])
    np.testing.assert_array_equal(by_key.activity, COUNTS)
    assert by_key.neuron_id == ["demo/3", "demo/5", "demo/11"]
    assert by_key.area == ["CA1", "CA3", "DG"]
    listed = Session.from_spikes(list(TRAINS.values()), **CHOSEN, neuron_id=["a", "b", "c"])
    np.testing.assert_array_equal(listed.activity, COUNTS)
    assert listed.neuron_id == ["a", "b", "c"]
    frame = pd.DataFrame([(t, key) for key, train in TRAINS.items() for t in train], columns=["time", "unit"])
    np.testing.assert_array_equal(Session.from_spikes(frame.sample(frac=1, random_state=0), **CHOSEN).activity, COUNTS)


def test_intervals_exclude_and_behaviour():
    clock = np.arange(0, 12.1, 0.1)
    session = Session.from_spikes(
        TRAINS,
        {"speed": (clock, clock**2), "place": pd.Series(clock, index=clock)},
        **CHOSEN,
        intervals=np.array([[0, 4], [6, 12]]),
        exclude=[[8, 9]],
    )
    assert session.segment.tolist() == [[0, 8], [8, 12], [12, 18]]
    centres = np.array([*np.arange(0.25, 4, 0.5), *np.arange(6.25, 8, 0.5), *np.arange(9.25, 12, 0.5)])
    np.testing.assert_allclose(session.behaviour[:, 0], np.interp(centres, clock, clock**2), rtol=1e-5)
    np.testing.assert_allclose(session.behaviour[:, 1], centres, rtol=1e-5)


def test_pynapple():
    nap = pytest.importorskip("pynapple")
    group = nap.TsGroup(
        {key: nap.Ts(train) for key, train in TRAINS.items()},
        time_support=nap.IntervalSet([0, 7], [5, 12]),
        metadata={"area": ["CA1", "CA3", "DG"]},
    )
    clock = np.arange(0, 12.1, 0.05)
    behaviour = {
        "hd": nap.Tsd(clock, (2 * clock) % (2 * np.pi)),
        "lick": nap.Ts(np.array([0.1, 0.2, 8.0])),
        "run": nap.IntervalSet([1.0], [2.0]),
    }
    session = Session.from_spikes(
        group, behaviour, bin_size=0.5, name="demo", selection=Selection(circular={"hd": 2 * np.pi})
    )
    assert session.segment.tolist() == [[0, 10], [10, 20]]
    np.testing.assert_array_equal(session.activity, COUNTS[:, [*range(10), *range(14, 24)]])
    assert session.area == ["CA1", "CA3", "DG"]
    assert session.neuron_id == ["demo/3", "demo/5", "demo/11"]
    centres = np.array([*np.arange(0.25, 5, 0.5), *np.arange(7.25, 12, 0.5)])
    error = (session.behaviour[:, 0].numpy() - 2 * centres + np.pi) % (2 * np.pi) - np.pi
    assert np.abs(error).max() < 1e-4
    assert session.behaviour[:, 1].nonzero().ravel().tolist() == [0, 12]
    assert session.behaviour[:, 2].tolist() == [0, 0, 1, 1] + [0] * 16

    values = RANDOM.normal(size=(200, 3))
    frame = nap.TsdFrame(t=np.arange(200) * 0.1, d=values, columns=["a", "b", "c"])
    traced = Session.from_traces(frame, {"hd": behaviour["hd"]}, name="demo", selection=Selection(stop=12))
    np.testing.assert_allclose(traced.activity, values[:120].T, rtol=1e-6)
    assert traced.bin_size == pytest.approx(0.1)
    assert traced.neuron_id == ["demo/a", "demo/b", "demo/c"]


def test_spikeinterface():
    core = pytest.importorskip("spikeinterface.core")
    samples = [{key: np.round(train * 30_000).astype(int) for key, train in TRAINS.items()} for _ in range(2)]
    sorting = core.NumpySorting.from_unit_dict(samples, 30_000.0)
    sorting.set_property("quality", ["good", "mua", "good"])
    session, _ = told(lambda: Session.from_spikes(sorting, bin_size=0.5, name="demo"))
    first = min(train.min() for train in samples[0].values()) / 30_000
    edges = np.arange(first, 12.01, 0.5)
    expected = np.stack([np.histogram(train / 30_000, edges - 1e-9)[0] for train in samples[0].values()])
    assert session.segment.tolist() == [[0, expected.shape[1]], [expected.shape[1], 2 * expected.shape[1]]]
    for a, b in session.segment.tolist():  # the clocks of both segments start at zero
        np.testing.assert_array_equal(session.activity[:, a:b], expected)
    assert session.quality == ["good", "mua", "good"]
    assert session.neuron_id == ["demo/3", "demo/5", "demo/11"]


def test_neo():
    neo = pytest.importorskip("neo")
    quantities = pytest.importorskip("quantities")
    trains = [
        neo.SpikeTrain(train * 1000, units="ms", t_stop=12_000, name=f"unit{key}", depth=key)
        for key, train in TRAINS.items()
    ]
    signal = neo.AnalogSignal(np.arange(130.0)[:, None], units="m/s", sampling_rate=10 * quantities.Hz)
    session = Session.from_spikes(trains, {"speed": signal}, bin_size=0.5, name="demo")
    np.testing.assert_array_equal(session.activity, COUNTS)
    assert session.neuron_id == ["demo/unit3", "demo/unit5", "demo/unit11"]
    assert session.depth.tolist() == [3, 5, 11]
    np.testing.assert_allclose(session.behaviour[:, 0], 10 * np.arange(0.25, 12, 0.5), rtol=1e-6)
    traced = Session.from_traces(
        neo.AnalogSignal(RANDOM.normal(size=(50, 2)), units="V", sampling_rate=20 * quantities.Hz), name="demo"
    )
    assert (traced.num_neurons, traced.num_bins, traced.bin_size) == (2, 50, pytest.approx(0.05))


def test_xarray_and_pandas():
    xarray = pytest.importorskip("xarray")
    values = RANDOM.normal(size=(40, 3))
    array = xarray.DataArray(
        values,
        dims=("time", "unit"),
        coords={"time": np.arange(40) * 0.2, "unit": [4, 5, 6], "area": ("unit", ["a", "b", "c"])},
    )
    session = Session.from_traces(array, name="demo")
    np.testing.assert_allclose(session.activity, values.T, rtol=1e-6)
    assert (session.area, session.neuron_id) == (["a", "b", "c"], ["demo/4", "demo/5", "demo/6"])
    assert session.bin_size == pytest.approx(0.2)
    frame = pd.DataFrame(values, columns=["x", "y", "z"], index=pd.to_timedelta(np.arange(40) * 0.2, unit="s"))
    np.testing.assert_array_equal(Session.from_traces(frame, name="demo").activity, session.activity)
    assert Session.from_traces(frame.reset_index(drop=True), bin_size=0.2, name="demo").num_bins == 40
    with pytest.raises(ValueError, match="it numbers the rows"):
        Session.from_traces(frame.reset_index(drop=True))
    with pytest.raises(ValueError, match="one of them 'time'"):
        traces_of(array.rename(time="depth"))


def test_behaviour_with_a_sample_for_each_frame():
    traces, speed = RANDOM.normal(size=(2, 30)), np.arange(30.0)
    session = Session.from_traces(traces, {"speed": speed}, bin_size=0.1, selection=Selection(rebin=3))
    np.testing.assert_allclose(session.behaviour[:, 0], speed.reshape(-1, 3).mean(1))
    assert Session.from_traces({"a": traces[0], "b": traces[1]}, bin_size=0.1).neuron_id == ["session/a", "session/b"]


@pytest.mark.parametrize("source", [7, "spikes.mat", object()])
def test_says_what_is_wrong(source):
    with pytest.raises(ValueError, match=f"got {type(source).__name__}"):
        spikes_of(source)
    with pytest.raises(ValueError, match=r"column of times \('time'\).*got a, b"):
        spikes_of(pd.DataFrame({"a": [1], "b": [2]}))
    with pytest.raises(ValueError, match="neurons first"):
        traces_of(np.zeros(5))


def test_what_objects_lack_is_told_plainly():
    for wrong in ({}, {"a": [1.0, 2.0], "b": [1.0]}):
        with pytest.raises(ValueError, match="traces of one length"):
            traces_of(wrong, 0.1)
    with pytest.raises(ValueError, match="mapping of name to behaviour"):
        Session.from_spikes(TRAINS, [1, 2], **CHOSEN)
    for size in ("1/30", [0.05]):
        with pytest.raises(ValueError, match="Expected bin_size"):
            Session.from_spikes(TRAINS, bin_size=size)


def test_spikes_without_a_neuron_and_frames_that_number_their_rows():
    frame = pd.DataFrame({"time": [0.1, 0.2, 0.3, 0.4], "unit": pd.array([10, None, 2, 10], dtype="Int64")})
    found, warnings = told(lambda: spikes_of(frame))
    assert found.neurons.labels.tolist() == [2, 10]
    assert found.spikes.survey().counts.tolist() == [1, 2]
    assert any("1 of 4 spikes have no neuron" in text for text in warnings)
    session = Session.from_traces(COUNTS, {"place": pd.DataFrame(np.ones((24, 2)))}, bin_size=0.5)
    assert session.behaviour_name == ["place 0", "place 1"]
