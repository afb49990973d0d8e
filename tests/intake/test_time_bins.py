from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from synapsnet_pyg.intake.time_bins import TimeBins

milliseconds = st.integers(-50_000, 50_000)
SIZES = {0.001: Fraction(1, 1000), 0.1: Fraction(1, 10), 1 / 3: Fraction(1, 3), 1 / 30: Fraction(1, 30), 7.0: 7}


@given(
    spikes=st.lists(milliseconds, max_size=40),
    ends=st.lists(milliseconds, min_size=2, max_size=8, unique=True).map(sorted),
    size=st.sampled_from(sorted(SIZES)[1:]),
)
def test_counts_are_those_of_exact_fractions(spikes, ends, size):
    blocks = list(zip(ends[::2], ends[1::2], strict=False))
    exact = SIZES[size]
    lengths = [int(Fraction(b - a, 1000) / exact) for a, b in blocks]
    assume(0 < sum(lengths) < 5000)
    bins = TimeBins([(a / 1000, b / 1000) for a, b in blocks], size)
    expected = [
        sum(start + 1000 * exact * k <= t < start + 1000 * exact * (k + 1) for t in spikes)
        for (start, _), n in zip(blocks, lengths, strict=True)
        for k in range(n)
    ]
    assert bins.count(np.array(spikes) / 1000).tolist() == expected
    assert (bins.segment[:, 1] - bins.segment[:, 0]).tolist() == [n for n in lengths if n]
    centres = [a / 1000 + size * (k + 0.5) for (a, _), n in zip(blocks, lengths, strict=True) for k in range(n)]
    np.testing.assert_allclose(bins.centres, centres, atol=1e-9)


@pytest.mark.parametrize("offset", [0.0, 36_000.0, 1.7e9])
@pytest.mark.parametrize(("size", "per_bin"), [(0.001, 1), (0.02, 20), (0.1, 100)])
def test_whole_milliseconds_fall_into_their_bin_on_any_clock(offset, size, per_bin):
    k = np.arange(5_000)
    bins = TimeBins([(offset, offset + 5.0)], size)
    assert bins.slots(k / 1000 + offset).tolist() == (k // per_bin).tolist()


def test_samples_fall_into_their_bin():
    k = np.random.default_rng(0).integers(0, 30_000 * 60, 4_000)
    bins = TimeBins([(0.0, 60.0)], 1 / 30)
    assert bins.slots(k / 30_000).tolist() == (k // 1000).tolist()


def test_a_float32_clock_is_given_its_rounding():
    k = np.arange(0, 20_000)
    stored = (k / 1000).astype(np.float32)
    slots = TimeBins([(0.0, 20.0)], 0.01).slots(stored.astype(float), float(np.spacing(stored.max())))
    assert slots.tolist() == (k // 10).tolist()


def test_times_that_are_no_numbers_and_other_times_lie_in_no_bin():
    bins = TimeBins([(0.0, 1.0), (1.0, 1.5), (2.0, 2.25)], 0.25)
    times = np.array([np.nan, -0.1, 0.0, 0.99, 1.0, 1.49, 1.5, 2.2, 2.25, np.inf])
    assert bins.slots(times).tolist() == [-1, -1, 0, 3, 4, 5, -1, 6, -1, -1]
    assert bins.slots(np.array([np.nan])).tolist() == [-1]
    assert bins.slots(np.array([])).tolist() == []


@given(ends=st.lists(st.integers(0, 60), max_size=8, unique=True).map(sorted))
def test_covered_share_is_that_of_a_fine_grid(ends):
    blocks = np.array(list(zip(ends[::2], ends[1::2], strict=False)), dtype=float).reshape(-1, 2) / 10
    bins = TimeBins([(0.05, 2.05), (3.05, 5.55)], 0.5)
    fine = np.concatenate([np.arange(0.05, 2.05, 0.01), np.arange(3.05, 5.55, 0.01)]) + 0.005
    inside = np.any([(a <= fine) & (fine < b) for a, b in blocks], axis=0) if len(blocks) else np.zeros(len(fine))
    expected = inside.reshape(-1, 50).mean(1)
    np.testing.assert_allclose(bins.covered(blocks[:, 0], blocks[:, 1]), expected, atol=0.021)


def test_refuses_blocks_that_are_none():
    for blocks in ([(2, 1)], [(0, 5), (4, 6)], [(0, np.nan)]):
        with pytest.raises(ValueError, match="in order and apart"):
            TimeBins(blocks, 0.1)
    for blocks in ([(0, 0.05)], []):
        with pytest.raises(ValueError, match="at least one bin"):
            TimeBins(blocks, 0.1)
    with pytest.raises(ValueError, match="are all times in seconds"):
        TimeBins([(0, 1e9)], 0.03)
    with pytest.raises(ValueError, match="above 0"):
        TimeBins([(0, 1)], 0)
