import pytest
import torch

from synapsnet_pyg.analysis.condition_pairs import ConditionPair
from synapsnet_pyg.analysis.refit import refit
from synapsnet_pyg.data.session import Session


def coupled(T=3000, N=5, K=2, **fields) -> Session:
    """Neurons that drive each other, and are driven by behaviours."""
    random = torch.Generator().manual_seed(T)
    weight = 0.3 * torch.randn(N, N, generator=random) / N**0.5
    load, behaviour = torch.randn(N, K, generator=random), torch.randn(T, K, generator=random)
    activity = torch.randn(N, T, generator=random)
    for t in range(1, T):
        activity[:, t] += weight @ activity[:, t - 1] + load @ behaviour[t - 1]
    return Session(activity, behaviour, bin_size=0.1, **fields).standardise()


def runs_of_states(T, length=20):
    return torch.randint(-1, 2, (T // length + 1,)).repeat_interleave(length)[:T]


def least_squares_alone(pair, lags=1, behaviours=(0, 1)):
    """Fits each condition by itself, bin by bin."""
    session, condition, _, _ = pair
    effects = []
    for s in (0, 1):
        rows, targets = [], []
        for start, stop in session.segment.tolist():
            for t in range(start + lags - 1, stop - 1):
                if condition[t] == condition[t + 1] == s:
                    past = [session.activity[:, t - lag] for lag in range(lags)]
                    rows.append(torch.cat([*past, session.behaviour[t, list(behaviours)], torch.ones(1)]))
                    targets.append(session.activity[:, t + 1])
        solution = torch.linalg.lstsq(torch.stack(rows).double(), torch.stack(targets).double()).solution
        effects.append(solution[: session.num_neurons].t())
    return torch.stack(effects), len(rows)


def test_equals_least_squares_in_each_condition():
    session = coupled(segment=torch.tensor([[0, 1400], [1405, 1407], [1500, 3000]]))
    pair = ConditionPair(session, runs_of_states(3000), ("a", "b"))
    fitted = refit(pair)
    expected, bins = least_squares_alone(pair, lags=3)
    assert fitted.bins[1] == bins
    torch.testing.assert_close(fitted.effect, expected, atol=0.003, rtol=0)
    difference = (fitted.errors * fitted.weight) @ fitted.own_unique(slice(None)).t()
    torch.testing.assert_close(difference.double(), fitted.effect[0] - fitted.effect[1], atol=1e-4, rtol=0)


def test_few_bins_allow_one_lag_and_shrink_differences_towards_zero():
    session = coupled(500, N=9)
    pair = ConditionPair(session, (torch.arange(500) >= 250).long(), ("a", "b"))
    fitted, (expected, _) = refit(pair), least_squares_alone(pair)
    difference, unshrunk = fitted.effect[0] - fitted.effect[1], expected[0] - expected[1]
    assert float(torch.corrcoef(torch.stack([difference.flatten(), unshrunk.flatten()]))[0, 1]) > 0.95
    assert difference.norm() < unshrunk.norm()


def test_behaviours_that_define_the_conditions_are_no_inputs():
    session = coupled()
    pair = ConditionPair(session, runs_of_states(3000), ("a", "b"), without=("behaviour 1",))
    expected, _ = least_squares_alone(pair, lags=3, behaviours=(0,))
    torch.testing.assert_close(refit(pair).effect, expected, atol=0.003, rtol=0)


def test_trials_of_equal_length_are_known():
    segment = torch.stack([torch.arange(0, 3000, 30), torch.arange(30, 3001, 30)], 1)
    session = coupled(segment=segment)
    condition = torch.randint(0, 2, (100,)).repeat_interleave(30)
    fitted = refit(ConditionPair(session, condition, ("a", "b")))
    assert fitted.trial == 27  # three bins before each target, which is the bin that follows
    assert sum(fitted.bins) == 2700
    assert fitted.changes == int((condition[::30].diff() != 0).sum())
    assert refit(ConditionPair(session, runs_of_states(3000), ("a", "b"))).trial == 1


def test_silent_neurons_are_known():
    session = coupled()
    session.activity[3, :1500] = 0.7
    fitted = refit(ConditionPair(session, (torch.arange(3000) >= 1500).long(), ("a", "b")))
    assert fitted.silent.sum() == 9
    assert fitted.silent[3].all()
    assert fitted.effect.isfinite().all()


def test_refuses_a_condition_of_few_bins():
    condition = (torch.arange(3000) >= 2900).long()
    with pytest.raises(ValueError, match=r"at least 100 bins in 'drug' .*session 'session' has 99"):
        refit(ConditionPair(coupled(), condition, ("before", "drug")))
