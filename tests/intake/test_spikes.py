import numpy as np
import pytest
from helpers import told
from hypothesis import given
from hypothesis import strategies as st

from synapsnet_pyg.intake import spikes as module
from synapsnet_pyg.intake.spikes import Spikes
from synapsnet_pyg.intake.time_bins import TimeBins

BINS = TimeBins([(0.0, 3.0), (5.0, 6.0)], 0.5)
trains = st.lists(st.lists(st.integers(-1000, 7000), max_size=30), min_size=1, max_size=5)


def loop(trains):
    edges = [0.5 * k for k in range(6)] + [5.0, 5.5]
    return [[sum(edge <= t / 1000 < edge + 0.5 for t in train) for edge in edges] for train in trains]


@given(trains=trains, piece=st.sampled_from([1, 7, 1 << 20]))
def test_all_forms_count_the_same(trains, piece):
    before, module._PIECE = module._PIECE, piece
    try:
        flat = np.array([t for train in trains for t in train]) / 1000
        neuron = np.array([i for i, train in enumerate(trains) for _ in train], dtype=int)
        order = np.random.default_rng(0).permutation(len(flat))
        forms = [
            Spikes.from_trains([np.array(train) / 1000 for train in trains]),
            Spikes.from_ends(flat, np.cumsum([len(train) for train in trains])),
            Spikes.from_neurons(flat[order], neuron[order], len(trains)),
            Spikes.from_trains([np.array(train, dtype=np.int32) for train in trains], rate=1000.0),
        ]
        for form in forms:
            assert form.counts(BINS).tolist() == loop(trains)
            assert form.survey().counts.tolist() == [len(train) for train in trains]
        rows = np.arange(len(trains))[::-2]
        assert forms[2].take(rows).counts(BINS).tolist() == [loop(trains)[row] for row in rows]
    finally:
        module._PIECE = before


def test_times_that_are_no_numbers_count_for_nothing():
    spikes = Spikes.from_trains([[0.1, np.nan, 0.2], [np.inf]])
    survey = spikes.survey()
    assert (survey.counts.tolist(), survey.first, survey.last) == ([2, 0], 0.1, 0.2)


def doubt(times, rate=None, neurons=1):
    times = np.asarray(times)
    return Spikes.from_neurons(times, np.arange(len(times)) % neurons, neurons, rate).survey().doubt()


def test_asks_about_clocks_that_are_not_in_seconds():
    random = np.random.default_rng(0)
    seconds = np.sort(random.uniform(0, 600, 20_000))
    assert doubt(seconds, neurons=10) == ""
    assert "milliseconds, or samples" in doubt((seconds * 1000).astype(int), neurons=10)
    assert "milliseconds, or samples" in doubt(np.floor(seconds * 30_000), neurons=10)
    assert "milliseconds?" in doubt(seconds[::40] * 1000, neurons=10)
    assert "minutes, hours or days" in doubt(seconds / 86_400, neurons=10)
    assert doubt((seconds * 1000).astype(int), rate=1000.0, neurons=10) == ""
    assert doubt(np.arange(30), rate=1.0) == ""
    assert doubt(seconds + 1.7e9, neurons=10) == ""
    assert doubt([3.0, 5.0]) == ""


def test_names_single_times_that_lie_far_off():
    times = np.sort(np.random.default_rng(0).uniform(0, 20, 240))
    times[-1] = 1.7e9
    assert "(1 of 240 lie far off" in doubt(times, neurons=4)
    assert "--start 0 --stop 20" in doubt(times, neurons=4)


def test_a_float32_clock_knows_its_rounding():
    survey = Spikes.from_trains([np.array([36_000.0, 36_000.5], np.float32)]).survey()
    assert survey.rounding == 0.5 * np.spacing(np.float32(36_000))


def test_says_what_is_wrong():
    with pytest.raises(ValueError, match=r"above 0 \(got 0\)"):
        Spikes.from_trains([[1]], rate=0)
    with pytest.raises(ValueError, match=r"above 0 \(got -30000\)"):
        Spikes.from_trains([[1]], rate=-30_000)
    for ends in ([2, 1, 3], [1, 2], [-1, 3], [1.5, 3]):
        with pytest.raises(ValueError, match="rising ends"):
            Spikes.from_ends(np.arange(3.0), np.array(ends))
    with pytest.raises(ValueError, match="a neuron for each of the 3 entries"):
        Spikes.from_neurons(np.arange(3.0), np.arange(2), 2)
    with pytest.raises(ValueError, match="real numbers in the spike times of neuron 0"):
        told(lambda: Spikes.from_trains([["a"]]))


def test_whole_milliseconds_in_float32_fall_into_their_bins():
    ticks = np.sort(np.random.default_rng(0).choice(14_000_000, 4_000, replace=False))
    spikes = Spikes.from_trains([(ticks / 1000).astype(np.float32)])
    bins = TimeBins([(0.0, 14_000.0)], 0.1)
    assert np.array_equal(spikes.counts(bins)[0], np.bincount(ticks // 100, minlength=140_000))


def test_times_that_are_texts_are_told():
    with pytest.raises(ValueError, match=r"real numbers in the spike times \(got texts\)"):
        Spikes.from_ends(np.array([b"a", b"b"]), np.array([1, 2])).survey()
