import numpy as np
import pytest

from synapsnet_pyg.runs.interval_tracker import LEVELS, IntervalTracker

N, WARM, T = 25, 150, 400


def covered(tracker: IntervalTracker, activity: np.ndarray, forecast: np.ndarray) -> np.ndarray:
    """Coverage [L, H] after WARM bins; the forecast [T, N] holds for all horizons."""
    L, H = len(tracker.levels), tracker.horizon
    below = np.zeros((H, 2 * L))
    for t in range(T - H):
        given = tracker.intervals(np.repeat(forecast[t][None], H, 0))
        tracker.observe(activity[t])
        if t >= WARM:
            truth = activity[t : t + H, :, None]
            share = 0.5 if given.share is None else given.share
            below += np.where(truth == given.values, share, truth < given.values).mean(1)
    below /= T - H - WARM
    return (below[:, L:] - below[:, L - 1 :: -1]).T


def worlds() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Activity and forecast [T, N] of populations that are stationary, or drift away."""
    random = np.random.default_rng(3)
    noise, time = random.standard_normal((T, N)), np.linspace(0, 1, T)[:, None]
    burst = 1 + 2 * (np.sin(np.arange(T) / 20)[:, None] > 0)
    rate = 0.05 + 0.2 * random.random((T, N))
    zero = np.zeros((T, N))
    return {
        "stationary": (noise, zero),
        "heavy tails": (random.standard_t(3, (T, N)), zero),
        "heteroscedastic": (noise * burst, zero),
        "drifting variance": (noise * (1 + 3 * time), zero),
        "drifting mean": (noise + 6 * time**2, zero),
        "few counts": (random.poisson(rate).astype(float), rate),
        "bursting counts": (random.negative_binomial(0.5, 0.3, (T, N)).astype(float), zero + 0.4),
    }


@pytest.mark.parametrize("world", worlds())
def test_coverage_is_within_two_points(world):
    activity, forecast = worlds()[world]
    tracker = IntervalTracker(activity[:WARM].mean(0), activity[:WARM].std(0), 2, counts="counts" in world)
    error = covered(tracker, activity, forecast) - np.array(LEVELS)[:, None]
    assert np.abs(error).max() < 0.02


def test_intervals_depend_on_the_past_alone():
    activity, forecast = worlds()["stationary"]
    changed = activity.copy()
    changed[200:] += 9
    ends = []
    for recording in (activity, changed):
        tracker = IntervalTracker(np.zeros(N), np.ones(N), 3)
        ends.append([])
        for t in range(210):
            ends[-1].append(tracker.intervals(np.repeat(forecast[t][None], 3, 0)).values)
            tracker.observe(recording[t])
    assert np.array_equal(ends[0][:201], ends[1][:201])
    assert not np.array_equal(ends[0][201], ends[1][201])


def test_nothing_is_learned_across_the_border_of_a_segment():
    tracker = IntervalTracker(np.zeros(N), np.ones(N), 2)
    tracker.intervals(np.zeros((2, N)))
    tracker.reset()
    before = tracker.score.copy()
    tracker.observe(np.full(N, 99.0))
    assert np.array_equal(tracker.score, before)


def test_a_narrow_interval_lies_within_a_wide_one():
    activity, forecast = worlds()["heavy tails"]
    tracker = IntervalTracker(np.zeros(N), np.ones(N), levels=(0.9, 0.2))
    for t in range(100):
        given = tracker.intervals(forecast[t][None])
        tracker.observe(activity[t])
    assert (np.diff(given.values) >= 0).all()


def test_rare_events_keep_their_coverage():
    """Most truths lie in a narrow gap between quantiles, so that quantiles cross again and again."""
    random = np.random.default_rng(4)
    activity = random.exponential(3.0, (3000, 10)) * (random.random((3000, 10)) < 0.2)
    forecast = 0.3 * random.random((3000, 10))
    tracker = IntervalTracker(activity[:500].mean(0), activity[:500].std(0), levels=(0.5, 0.8, 0.95))
    ends = []
    for t in range(3000):
        ends.append(tracker.intervals(forecast[t][None]).values[0])
        tracker.observe(activity[t])
    lower, upper = np.stack(ends)[:, :, 0], np.stack(ends)[:, :, -1]
    inside = (lower < activity) & (activity <= upper)
    assert inside[500:].mean() == pytest.approx(0.95, abs=0.02)
    assert upper.max() < 40 > -lower.min()


@pytest.mark.parametrize("wrong", [{"levels": (1.0,)}, {"levels": ()}, {"horizon": 0}])
def test_wrong_arguments(wrong):
    with pytest.raises(ValueError, match="levels between 0 and 1"):
        IntervalTracker(np.zeros(2), np.ones(2), **wrong)
