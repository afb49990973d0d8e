import numpy as np
import pytest
from helpers import told
from hypothesis import assume, given
from hypothesis import strategies as st

from synapsnet_pyg.intake.clocks import frames


@given(
    steps=st.lists(st.sampled_from([0.2, 0.2, 0.2, 0.21, 0.19, 0.0, 3.0, -4.0]), min_size=3, max_size=30),
    lost=st.lists(st.integers(0, 29), max_size=3),
)
def test_frames_keep_their_order_and_segments_end_at_gaps_and_falls(steps, lost):
    assume(steps.count(0.2) > len(steps) / 2)
    times = np.cumsum([1.0, *steps])
    times[[i for i in lost if i < len(times)]] = np.nan
    assume(np.isfinite(times).sum() > 3 and (np.diff(times[np.isfinite(times)]) > 0).sum() > 2)
    clock, _ = told(lambda: frames(times, "clock", 1.0))
    assert (np.diff(clock.frame) > 0).all()
    np.testing.assert_array_equal(times[clock.frame], clock.times)
    assert clock.segment.ravel()[0] == 0
    assert clock.segment[-1, 1] == len(clock.times)
    assert (clock.segment[1:, 0] == clock.segment[:-1, 1]).all()
    for start, stop in clock.segment.tolist():
        assert (np.diff(clock.times[start:stop]) > 0).all()


def test_a_restart_is_a_new_segment_and_never_sorted():
    times = np.concatenate([np.arange(7) * 0.1, np.arange(4) * 0.1])
    clock, messages = told(lambda: frames(times, "clock"))
    assert clock.frame.tolist() == list(range(11))
    assert clock.segment.tolist() == [[0, 7], [7, 11]]
    assert "falls back 1 times, by up to 0.6 s" in messages[0]


@pytest.mark.parametrize(("rate", "start"), [(30.0, 36_000.0), (15.0, 100_000.0), (1000.0, 50_000.0)])
def test_a_coarse_clock_has_even_steps_of_the_mean(rate, start):
    exact = start + np.arange(900) / rate
    clock, messages = told(lambda: frames(exact.astype(np.float32), "clock"))
    assert clock.bin_size == pytest.approx(1 / rate, rel=2e-3)
    assert len(clock.frame) == 900
    assert clock.segment.tolist() == [[0, 900]]
    assert np.abs(clock.times - exact).max() < np.spacing(np.float32(start))
    assert any("coarse" in message for message in messages)


def test_a_fine_float32_clock_is_taken_as_it_is():
    times = (np.arange(50) * 0.1).astype(np.float32)
    clock, messages = told(lambda: frames(times, "clock"))
    assert messages == []
    assert clock.bin_size == pytest.approx(0.1, rel=1e-6)


def test_jitter_of_a_clock_is_no_border():
    times = np.arange(50) * 0.1
    times[20] += 0.11
    clock, _ = told(lambda: frames(times, "clock"))
    assert (clock.segment[:, 1] - clock.segment[:, 0]).sum() == 50


@pytest.mark.parametrize(
    ("times", "wanted"),
    [
        (np.arange(100) * 33.3, "milliseconds or samples"),
        (np.arange(100) * 1000, "milliseconds or samples"),
        (np.arange(100) / 86_400 / 30, "minutes or days"),
        ([1.0, np.nan, 1.0], "two different times"),
        ([1.0], "two different times"),
        (["a", "b", "c"], "real numbers"),
    ],
)
def test_asks_about_clocks_that_are_not_in_seconds(times, wanted):
    with pytest.raises(ValueError, match=wanted):
        told(lambda: frames(np.array(times), "clock"))


def test_ticks_are_believed():
    assert frames(np.arange(0, 3330, 33), "clock", 1000.0).bin_size == pytest.approx(0.033)
    assert frames(np.arange(0, 300, 10), "clock", 1.0).bin_size == 10
    assert frames(np.arange(0, 30_000, 1000, dtype=np.uint64), "clock", 30_000.0).bin_size == pytest.approx(1 / 30)


def test_a_clock_that_only_falls_is_told():
    with pytest.raises(ValueError, match="rising times in a clock"):
        frames(np.arange(5.0)[::-1], "a clock")


@pytest.mark.parametrize(("rate", "place"), [(30.0, 1), (30.0, 0), (400.0, 2)])
def test_a_rounded_clock_keeps_its_frames(rate, place):
    clock, messages = told(lambda: frames(np.round(1.7e3 + np.arange(1200) / rate, place), "clock"))
    assert len(clock.frame) == 1200
    assert clock.bin_size == pytest.approx(1 / rate, rel=0.05)
    assert any("coarse" in message for message in messages)
