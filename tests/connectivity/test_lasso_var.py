from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers import make_session

from synapsnet_pyg.connectivity.lasso_var import LassoVAR, lasso_solutions
from synapsnet_pyg.regression.least_squares import moments


def test_the_solution_is_where_no_coefficient_wants_to_move():
    session = make_session(N=5, T=300, K=2)
    session.activity[2, 1:] += session.activity[0, :-1] - 0.5 * session.activity[2, :-1] + session.behaviour[:-1, 1]
    seen, penalty = moments(session), 0.05
    (coefficients,) = lasso_solutions(seen, [penalty]).coefficients
    slope = (seen.cross - coefficients.double() @ seen.covariance).numpy()  # downhill, bin by bin on average
    weights, N = coefficients.double().numpy(), 5
    priced = np.zeros((N, N + 2), dtype=bool)
    priced[:, :N] = ~np.eye(N, dtype=bool)
    assert np.abs(slope[~priced]).max() < 1e-3
    kept = priced & (weights != 0)
    assert 1 <= kept.sum() < 20
    assert slope[kept] == pytest.approx(penalty * np.sign(weights[kept]), abs=1e-3)
    assert np.abs(slope[priced & ~kept]).max() < penalty + 1e-3


def test_the_path_begins_without_connections_and_nears_least_squares():
    session = make_session(N=4, T=200, K=1)
    seen = moments(session)
    first, *_, last = lasso_solutions(seen).coefficients
    assert int(first[:, :4].count_nonzero()) == 4
    assert bool((first[:, :4].diagonal() != 0).all())
    distance = [float((c.double() - seen.solution(0.0)[0]).norm()) for c in (first, last)]
    assert distance[1] < 0.1 * distance[0]
    (free,) = lasso_solutions(seen, [1e-9]).coefficients
    torch.testing.assert_close(free.double(), seen.solution(0.0)[0], atol=1e-3, rtol=0)


def test_the_penalty_is_the_best_on_validation():
    session = make_session(N=4, T=300).standardise()
    session.activity[3, 1:] += session.activity[1, :-1]
    train, validation, _ = session.split()
    penalties = [0.2, 0.05, 0.001]
    errors = []
    for coefficients in lasso_solutions(moments(train), penalties).coefficients.double():
        U = torch.cat([validation.activity[:, :-1], validation.behaviour[:-1].t()]).double()
        forecast = coefficients @ U + (moments(train).y - coefficients @ moments(train).u)[:, None]
        errors.append(float((forecast - validation.activity[:, 1:]).square().mean()))
    best = penalties[int(np.argmin(errors))]
    chosen, alone = (LassoVAR(penalties=given).fit(train, validation) for given in (penalties, [best]))
    assert torch.equal(chosen.connectivity_, alone.connectivity_)
    assert chosen.penalty_ == best


def test_the_bins_are_not_needed():
    seen = moments(make_session(N=3, T=100))
    (once,) = lasso_solutions(seen, [0.02]).coefficients
    (again,) = lasso_solutions(replace(seen, bins=10**9), [0.02]).coefficients
    assert torch.equal(once, again)


def test_refuses_what_is_no_penalty():
    with pytest.raises(ValueError, match="use ridge_var without this penalty"):
        LassoVAR(penalties=[0.1, 0.0])
