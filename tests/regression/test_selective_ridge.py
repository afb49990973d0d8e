import pytest
import torch
from helpers import make_session

from synapsnet_pyg.regression.least_squares import moments
from synapsnet_pyg.regression.selective_ridge import masked_ridge, selective_ridge

SEGMENT = torch.tensor([[3, 60], [60, 61], [65, 130]])


@pytest.fixture
def session():
    made = make_session(N=4, T=130, K=2, segment=SEGMENT)
    made.activity[1, 1:] += 0.7 * made.activity[0, :-1] + made.behaviour[:-1, 1] + 2
    return made


def test_masked_ridge_solves_each_row_by_itself(session):
    seen = moments(session)
    allowed = torch.rand(4, 6) < 0.7
    penalty = 50 * torch.rand(4, 6)
    ours = masked_ridge(seen, allowed, penalty, start=torch.zeros(4, 6).double())
    for i in range(4):
        kept = allowed[i].nonzero()[:, 0]
        system = seen.covariance[kept][:, kept] + (penalty[i, kept].double() / seen.bins).diag()
        expected = torch.zeros(6, dtype=torch.float64)
        expected[kept] = torch.linalg.solve(system, seen.cross[i, kept])
        torch.testing.assert_close(ours[i], expected, atol=1e-3, rtol=1e-3)


def test_selective_ridge_takes_the_best_candidate(session):
    seen, held_out = moments(session.slice(0, 100)), moments(session.slice(100, 130))
    masks = {"allowed": torch.ones(4, 6, dtype=torch.bool), "penalised": torch.ones(4, 6, dtype=torch.bool)}
    found = selective_ridge(seen, held_out, **masks, exponents=range(10, 1, -1))
    each = [selective_ridge(seen, held_out, **masks, exponents=[e]).correlation for e in range(10, 1, -1)]
    assert found.correlation == pytest.approx(max(each), abs=1e-3)
    torch.testing.assert_close(found.coefficients, seen.solution(10 ** (found.exponent / 2))[0], atol=1e-3, rtol=0)
