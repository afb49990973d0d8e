import pytest
import torch
from helpers import make_session

from synapsnet_pyg.regression import low_rank
from synapsnet_pyg.regression.low_rank import LowRankProblem, best_of_path, low_rank_path


def errors(session, solution):
    """Errors of the forecasts of all bins with enough bins before them, one by one."""
    a, b, p = session.activity.double(), session.behaviour.double(), len(solution.own)
    for begin, end in session.segment.tolist():
        for t in range(begin + p, end):
            forecast = 0
            for lag in range(p):
                past = a[:, t - 1 - lag]
                forecast = forecast + solution.own[lag] * past + solution.inputs[lag] @ b[t - 1 - lag]
                forecast = forecast + solution.low_rank[lag] @ (solution.components.t() @ past)
            yield a[:, t] - forecast


def objective(session, solution, penalty):
    square = torch.stack(list(errors(session, solution))).square().sum(1).mean()
    return float(square / 2 + penalty * torch.linalg.matrix_norm(solution.low_rank, "nuc").sum())


@pytest.mark.parametrize("K", [0, 2])
def test_squared_error_from_sums(K, monkeypatch):
    monkeypatch.setattr(low_rank, "COMPONENTS", 3)
    session = make_session(N=5, T=40, K=K, segment=torch.tensor([[0, 17], [20, 40]]))
    problem = LowRankProblem.of(session, lags=2)
    other = LowRankProblem.of(make_session(N=5, T=30, K=K), 2, components=problem.components)
    solution = list(low_rank_path(problem))[4]
    assert solution.low_rank.shape == (2, 5, 3)
    assert solution.inputs.shape == (2, 5, K)
    for part, seen in ((session, problem), (make_session(N=5, T=30, K=K), other)):
        expected = torch.stack(list(errors(part, solution))).square().sum(1).mean()
        assert seen.squared_error(solution) == pytest.approx(float(expected), rel=1e-6)


def test_solutions_are_the_minimum():
    """At every penalty no change of a weight lowers the objective; at the largest the low-rank part is zero."""
    session = make_session(N=4, T=60, K=1)
    problem = LowRankProblem.of(session, lags=2)
    path = list(low_rank_path(problem, tolerance=1e-7, steps=3000))
    assert path[0].low_rank.abs().max() < 1e-6
    ranks = [int((torch.linalg.matrix_rank(s.low_rank, atol=1e-4)).sum()) for s in path]
    assert ranks[0] == 0 < ranks[2] < 8
    rest = problem.target_common - torch.einsum(
        "nf,nfe->ne", torch.cat([path[0].own.t(), *path[0].inputs], 1), problem.mixed
    )
    largest = max(float(torch.linalg.matrix_norm(part, 2)) for part in rest.split(4, dim=1))
    random = torch.Generator().manual_seed(0)
    for strength, solution in list(zip(low_rank.STRENGTHS, path, strict=True))[1:8:3]:
        least = objective(session, solution, strength * largest)
        for key in ("own", "low_rank", "inputs"):
            weight = getattr(solution, key)
            for _ in range(3):
                change = torch.randn(weight.shape, generator=random, dtype=weight.dtype)
                moved = solution._replace(**{key: weight + 0.01 * change})
                assert objective(session, moved, strength * largest) > least


def test_penalty_is_chosen_on_other_bins():
    train, validation = make_session(N=4, T=60, K=1), make_session(N=4, T=50, K=1)
    problem = LowRankProblem.of(train, 2)
    held_out = LowRankProblem.of(validation, 2, components=problem.components)
    first = [held_out.squared_error(solution) for solution in low_rank_path(problem)][:3]
    assert held_out.squared_error(best_of_path(problem, held_out)) <= min(first)
