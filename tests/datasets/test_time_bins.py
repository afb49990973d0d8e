import numpy as np
import pytest
from helpers import told
from hypothesis import assume, given
from hypothesis import strategies as st

from synapsnet_pyg.datasets.time_bins import TimeBins, frames, onto

seconds = st.floats(-50, 50).map(lambda x: round(x, 3))
odd = st.one_of(seconds, st.sampled_from([np.nan, np.inf, -np.inf]))


@given(
    spikes=st.lists(odd, max_size=40),
    ends=st.lists(seconds, min_size=2, max_size=8, unique=True).map(sorted),
    size=st.sampled_from([0.1, 1 / 3, 1.0, 7.0]),
)
def test_counts_are_those_of_a_loop(spikes, ends, size):
    blocks = list(zip(ends[::2], ends[1::2], strict=False))
    lengths = [int(np.floor((b - a) / size + 1e-6)) for a, b in blocks]
    assume(sum(lengths))
    bins = TimeBins(blocks, size)
    times = np.array(spikes)
    expected = [
        int(sum(start + size * k <= t < start + size * (k + 1) for t in times))
        for (start, _), n in zip(blocks, lengths, strict=True)
        for k in range(n)
    ]
    assert bins.count(times).tolist() == expected
    assert len(bins) == sum(lengths)
    assert (bins.segment[:, 1] - bins.segment[:, 0]).tolist() == [n for n in lengths if n]
    centres = [a + size * (k + 0.5) for (a, _), n in zip(blocks, lengths, strict=True) for k in range(n)]
    np.testing.assert_allclose(bins.centres, centres, atol=1e-12)


@given(samples=st.lists(st.tuples(odd, odd), min_size=1, max_size=30))
def test_a_course_is_numpy_interp_of_what_is_sound(samples):
    times, values = np.array(samples).T
    at = np.linspace(-60, 60, 13)
    sound = {}
    for t, v in samples:  # the first of each time counts, numbers only
        if np.isfinite(t):
            sound.setdefault(t, v)
    kept = sorted((t, v) for t, v in sound.items() if np.isfinite(v))
    if not kept:
        with pytest.raises(ValueError, match="numbers in wheel"):
            told(lambda: onto(at, times, values, "wheel"))
        return
    course, messages = told(lambda: onto(at, times, values, "wheel"))
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(course, np.interp(at, *zip(*kept, strict=True)))
    mended = len(kept) < len(samples) or times.tolist() != sorted(times.tolist())
    assert not mended or any("wheel" in one for one in messages)


@given(
    steps=st.lists(st.sampled_from([0.2, 0.2, 0.2, 0.21, 0.19, 0.0, 3.0]), min_size=3, max_size=30),
    lost=st.lists(st.integers(0, 29), max_size=3),
    shuffle=st.randoms(use_true_random=False),
)
def test_frames_are_in_order_and_without_gaps(steps, lost, shuffle):
    times = np.cumsum([1.0, *steps])
    order = list(range(len(times)))
    shuffle.shuffle(order)
    times = times[order]
    times[[i for i in lost if i < len(times)]] = np.nan
    assume(len(np.unique(times[np.isfinite(times)])) >= 2)
    clock, _ = told(lambda: frames(times, "clock"))
    assert (np.diff(clock.times) > 0).all()
    np.testing.assert_array_equal(times[clock.order], clock.times)
    assert set(clock.times) == set(times[np.isfinite(times)])
    assert clock.segment[0, 0] == 0
    assert clock.segment[-1, 1] == len(clock.times)
    for (_, stop), (start, _) in zip(clock.segment, clock.segment[1:], strict=False):
        assert stop == start
        assert clock.times[start] - clock.times[stop - 1] > 1.5 * clock.bin_size


def test_what_was_mended_is_told():
    values = np.array([1.0, 2.0, np.nan, 4.0, 5.0])
    for times, wanted in (
        ([0, 1, 2, 3, 4], "1 values that are not a number in 1 gaps"),
        ([0, 2, 1, 3, 4], "out of order"),
        ([0, 1, 1, 3, 4], "1 repeated times"),
        ([0, np.nan, 2, 3, 4], "1 times that are not a number"),
        ([0, 1, 2, 3, 3.5], "covers only"),
    ):
        _, messages = told(lambda times=times: onto(np.arange(5), np.array(times), values, "pupil"))
        assert any(wanted in one and "pupil" in one for one in messages), messages
    assert told(lambda: onto(np.arange(5), np.arange(5), np.arange(5), "pupil"))[1] == []
    with pytest.raises(ValueError, match=r"pupil to have samples within the recording.*same clock"):
        onto(np.arange(5), np.arange(5) + 1000, np.arange(5), "pupil")
    with pytest.raises(ValueError, match=r"as many times as values in pupil \(got 3 and 2\)"):
        onto(np.arange(5), np.arange(3), np.arange(2), "pupil")


def test_refuses_blocks_that_are_none():
    for blocks in ([(2, 1)], [(0, 5), (4, 6)], [(0, np.nan)]):
        with pytest.raises(ValueError, match="in order and apart"):
            TimeBins(blocks, 0.1)
    with pytest.raises(ValueError, match="at least one bin"):
        TimeBins([(0, 0.05)], 0.1)
    with pytest.raises(ValueError, match="at least one bin"):
        TimeBins([], 0.1)
    with pytest.raises(ValueError, match="are all times in seconds"):
        TimeBins([(0, 1e9)], 0.03)
    with pytest.raises(ValueError, match="above 0"):
        TimeBins([(0, 1)], 0)
    with pytest.raises(ValueError, match="two different times"):
        told(lambda: frames(np.array([1.0, np.nan, 1.0]), "clock"))
