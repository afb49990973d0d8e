import numpy as np
import pytest
from helpers import told
from hypothesis import given
from hypothesis import strategies as st

from synapsnet_pyg.intake.behaviours import Events, Intervals, NotRecorded, OnFrames, Series, circular_mean
from synapsnet_pyg.intake.time_bins import TimeBins

GRID = TimeBins([(0.0, 10.0), (12.0, 15.0)], 0.25)
CLOCK = np.arange(0, 15.2, 0.1)


def on(behaviour, grid=GRID):
    return told(lambda: behaviour.on(grid))


@given(values=st.lists(st.floats(-50, 50), min_size=len(CLOCK), max_size=len(CLOCK)))
def test_numbers_are_those_of_numpy_interp(values):
    columns = Series("speed", np.array(values), CLOCK).on(GRID)
    assert columns.names == ["speed"]
    np.testing.assert_allclose(columns.values[:, 0], np.interp(GRID.centres, CLOCK, values))
    assert columns.recorded.all()


@pytest.mark.parametrize(("period", "low"), [(2 * np.pi, 0.0), (360.0, 0.0), (360.0, -180.0)])
@pytest.mark.parametrize("turns", [0.9, -0.7])
def test_angles_go_round_the_circle(period, low, turns):
    truth = lambda t: (turns * period * t) % period  # noqa: E731
    wrap = lambda a: (a - low) % period + low  # noqa: E731
    columns = Series("heading", wrap(truth(CLOCK)), CLOCK, period).on(GRID)
    error = (columns.values[:, 0] - truth(GRID.centres) + period / 2) % period - period / 2
    assert np.abs(error).max() < 1e-9 * period
    assert columns.values.min() >= low
    assert columns.values.max() < low + period


def test_two_columns_and_their_names():
    columns = Series("hand", np.stack([CLOCK, -CLOCK], axis=1), CLOCK).on(GRID)
    assert columns.names == ["hand 0", "hand 1"]
    np.testing.assert_allclose(columns.values[:, 1], -GRID.centres)


def test_what_was_not_recorded_is_marked():
    clock = np.concatenate([np.arange(2.0, 5.0, 0.1), np.arange(8.0, 14.0, 0.1)])
    columns, messages = on(Series("pupil", clock, clock))
    centres = GRID.centres
    inside = ((centres >= 1.9) & (centres <= 5.0)) | ((centres >= 7.9) & (centres <= 14.0))
    assert columns.recorded[:, 0].tolist() == inside.tolist()
    assert np.isfinite(columns.values).all()
    assert any("was not recorded in" in message for message in messages)


def test_short_gaps_are_filled_and_long_ones_marked():
    values = CLOCK.copy()
    values[20:24] = np.nan
    values[60:80] = np.nan
    columns, messages = on(Series("pupil", values, CLOCK))
    np.testing.assert_allclose(columns.values[:, 0], GRID.centres, atol=1e-9)
    assert (~columns.recorded[:, 0]).sum() == pytest.approx(2.0 / 0.25, abs=1)
    assert any("24 values that are not a number in 2 gaps" in message for message in messages)


def test_a_clock_that_is_set_back_marks_what_both_parts_claim():
    clock = np.concatenate([np.arange(0, 9, 0.1), np.arange(6, 15.2, 0.1)])
    columns, messages = on(Series("speed", clock, clock))
    twice = (GRID.centres > 6.1) & (GRID.centres < 8.8)
    assert not columns.recorded[twice].any()
    assert columns.recorded[(GRID.centres < 5.8) | (GRID.centres > 9.2)].all()
    assert any("falls back 1 times" in message for message in messages)


def test_jitter_is_sorted():
    clock = CLOCK.copy()
    clock[[30, 31]] = clock[[31, 30]]
    columns = Series("speed", clock, clock).on(GRID)
    np.testing.assert_allclose(columns.values[:, 0], GRID.centres)


def test_states_become_one_column_each():
    columns = Series("state", np.array(["run", "rest", "run"]), np.array([0.0, 5.0, 13.0])).on(GRID)
    assert columns.names == ["state rest", "state run"]
    run = (GRID.centres < 5) | (GRID.centres >= 13)
    np.testing.assert_array_equal(columns.values[:, 1], run)
    np.testing.assert_array_equal(columns.values.sum(1), 1)


def test_states_before_the_first_and_without_a_name_are_marked():
    columns, messages = on(Series("state", np.array(["run", "", "run"]), np.array([2.0, 5.0, 13.0])))
    unknown = (GRID.centres < 2) | ((GRID.centres >= 5) & (GRID.centres < 13))
    assert (~columns.recorded[:, 0]).tolist() == unknown.tolist()
    assert messages


def test_events_are_counted_and_intervals_are_shares():
    times = np.array([0.1, 0.2, 3.0, 11.0, 12.0, np.nan])
    assert Events("licks", times).on(GRID).values.sum() == 4
    assert Events("licks", times).on(GRID).values[[0, 12, 40], 0].tolist() == [2, 1, 1]
    columns = Intervals("light", [(1.0, 1.375), (1.3, 1.5), (20.0, 21.0)]).on(GRID)
    assert columns.values[:, 0].tolist()[4:7] == [1.0, 1.0, 0.0]
    assert columns.values.sum() == 2
    for behaviour in (Events("licks", np.array([99.0])), Intervals("light", [(50.0, 60.0)])):
        assert "lies within the recording" in on(behaviour)[1][0]


def test_a_behaviour_that_a_recording_lacks():
    columns = NotRecorded("pupil").on(GRID)
    assert not columns.recorded.any()
    assert not columns.values.any()


@pytest.mark.parametrize(
    ("values", "times", "wanted"),
    [
        (CLOCK, CLOCK + 1000, "samples within the recording, 0.125 to 14.875 s"),
        (CLOCK, CLOCK * 1000, "--behaviour-rate"),
        (CLOCK[:5], CLOCK, "as many times as values in 'x' .got 152 and 5"),
        (np.full(152, np.nan), CLOCK, "none of them a number"),
        (CLOCK * 1j, CLOCK, "complex numbers"),
        (np.array([f"word {i}" for i in range(152)]), CLOCK, "at most 20 states"),
        (CLOCK, np.full(152, np.nan), "none of 152 is a number"),
    ],
)
def test_says_what_is_wrong(values, times, wanted):
    with pytest.raises(ValueError, match=wanted):
        told(lambda: Series("x", values, times).on(GRID))


def frames(T, rebin):
    T = T // rebin * rebin
    return np.arange(T).reshape(-1, rebin)


def test_fills_stay_within_their_segment():
    values = np.array([0.0, 0, 0, 0, 0, np.nan, np.nan, 100, 100, np.nan])
    columns, messages = told(lambda: OnFrames("b", values).joined(frames(10, 1), np.array([[0, 5], [5, 10]])))
    assert columns.values[:, 0].tolist() == [0] * 5 + [100] * 5
    assert columns.recorded[:, 0].tolist() == [True] * 5 + [False, False, True, True, False]
    assert "3 NaN" in messages[0]


def test_joined_frames_average_numbers_along_the_line_and_angles_along_the_circle():
    frame, segment = frames(11, 2), np.array([[0, 5]])
    line = np.arange(11.0)
    np.testing.assert_allclose(
        OnFrames("b", line).joined(frame, segment).values[:, 0], line[:10].reshape(-1, 2).mean(1)
    )
    angle = np.array([350.0, 10, 340, 0, 90, 100, 10, 350, 180, 182, 7])
    joined = OnFrames("b", angle, 360.0).joined(frame, segment).values[:, 0]
    np.testing.assert_allclose((joined + 180) % 360 - 180, [0, -10, 95, 0, -179], atol=1e-9)
    state = np.array(["run", "run", "run", "rest", "", "rest", "", "", "run", "run", "run"])
    columns, _ = told(lambda: OnFrames("s", state).joined(frame, segment))
    assert columns.names == ["s rest", "s run"]
    assert columns.values[[0, 1, 4], 1].tolist() == [1.0, 0.5, 1.0]
    assert columns.recorded[:, 0].tolist() == [True, True, True, False, True]


def test_the_mean_of_angles_lies_on_the_circle():
    assert circular_mean(np.array([-170.0, 170.0]), 360.0) == pytest.approx(-180.0)
    assert circular_mean(np.array([0.1, 6.2]), 2 * np.pi) == pytest.approx(0.0084, abs=1e-3)


def test_a_column_without_a_number_is_marked():
    grid, times = TimeBins([(0.0, 2.0)], 0.5), np.arange(9) * 0.25
    values = np.stack([times, np.full(9, np.nan)], axis=1)
    columns, messages = on(Series("gaze", values, times), grid)
    np.testing.assert_allclose(columns.values, np.stack([grid.centres, np.zeros(4)], axis=1))
    assert columns.recorded.tolist() == [[True, False]] * 4
    assert messages == ["'gaze' holds no number in 1 of 2 columns, which are marked."]


def test_events_and_intervals_of_another_clock_are_told():
    grid = TimeBins([(0.0, 2.0)], 0.5)
    _, messages = on(Events("lick", np.array([1.0, 500, 900])), grid)
    assert messages[0].startswith("event of 'lick': only 1 of 3 lie within the recording, 0.25 to 1.75 s (they span 1 ")
    _, messages = on(Intervals("trials", [(0.0, 500.0), (900, 1500), (1800, 1900)]), grid)
    assert messages[0].startswith("interval of 'trials': only 1 of 3 lie within the recording")
