"""Sums over bins against the bins themselves, one by one, and against numpy and scikit-learn."""

import numpy as np
import pytest
import torch
from helpers import make_session
from sklearn.linear_model import Ridge

from synapsnet_pyg.data.windows import windows_of
from synapsnet_pyg.regression.least_squares import moments, newest_bins, ridge_regression

SEGMENT = torch.tensor([[3, 60], [60, 61], [65, 130]])


def pairs(session, lags=1):
    """Inputs and targets of all segments, bin by bin."""
    inputs, targets = [], []
    for start, stop in session.segment.tolist():
        for t in range(start + lags, stop):
            past = [session.activity[:, t - lag] for lag in range(1, lags + 1)]
            inputs.append(torch.cat([*past, session.behaviour[t - 1]]))
            targets.append(session.activity[:, t])
    return torch.stack(inputs).double().numpy(), torch.stack(targets).double().numpy()


@pytest.fixture
def session():
    made = make_session(N=4, T=130, K=2, segment=SEGMENT)
    made.activity[1, 1:] += 0.7 * made.activity[0, :-1] + made.behaviour[:-1, 1] + 2
    return made


@pytest.mark.parametrize("lags", [1, 3])
@pytest.mark.parametrize("chunk", [7, 4096])
def test_moments_are_means_over_pairs_of_bins(session, lags, chunk):
    U, Y = pairs(session, lags)
    seen = moments(session, lags, chunk=chunk)
    assert seen.bins == len(U)
    for ours, expected in (
        (seen.u, U.mean(0)),
        (seen.y, Y.mean(0)),
        (seen.uu, U.T @ U / len(U)),
        (seen.yu, Y.T @ U / len(U)),
        (seen.yy, (Y**2).mean(0)),
        (seen.covariance, np.cov(U.T, bias=True)),
        (seen.cross, np.cov(Y.T, U.T, bias=True)[:4, 4:]),
    ):
        assert ours.numpy() == pytest.approx(expected, abs=1e-10)


def test_a_kernel_sums_the_last_bins(session):
    """Near the start of a segment the bins that exist are weighted up to the same sum."""
    kernel = torch.tensor([0.1, 0.3, 0.6])
    rows = []
    for start, stop in session.segment.tolist():
        for t in range(start + 1, stop):
            weights = kernel[-min(3, t - start) :]
            past = session.activity[:, max(start, t - 3) : t]
            rows.append(torch.cat([past @ weights / weights.sum(), session.behaviour[t - 1]]))
    U = torch.stack(rows).double()
    for chunk in (5, 4096):
        seen = moments(session, kernel=kernel, chunk=chunk)
        torch.testing.assert_close(seen.uu, U.t() @ U / len(U), atol=1e-6, rtol=1e-6)


def test_scores_of_a_solution_from_moments_alone(session):
    U, Y = pairs(session)
    seen = moments(session)
    coefficients, intercept = torch.randn(4, 6).double(), torch.randn(4).double()
    forecast = U @ coefficients.numpy().T + intercept.numpy()
    assert seen.squared_error(coefficients, intercept) == pytest.approx(((Y - forecast) ** 2).mean(0).sum())
    expected = [np.corrcoef(forecast[:, i], Y[:, i])[0, 1] for i in range(4)]
    assert seen.correlation(coefficients).numpy() == pytest.approx(expected)
    best = seen.intercept(coefficients)
    assert seen.squared_error(coefficients, best) < seen.squared_error(coefficients, intercept)


def test_the_standard_error_is_that_of_least_squares(session):
    U, Y = pairs(session)
    seen = moments(session)
    coefficients, _ = seen.solution(0.0)
    centred = U - U.mean(0)
    residual = Y - Y.mean(0) - centred @ coefficients.numpy().T
    spread = np.diag(np.linalg.inv(centred.T @ centred))
    expected = np.sqrt(np.outer((residual**2).mean(0), spread))
    assert seen.standard_error(coefficients, 0.0).numpy() == pytest.approx(expected, rel=1e-5)


def test_dependent_inputs_have_a_solution_of_least_norm(session):
    session.behaviour = session.behaviour[:, :1].repeat(1, 2)
    coefficients, _ = moments(session).solution(0.0)
    torch.testing.assert_close(coefficients[:, 4], coefficients[:, 5], atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("lags", [1, 2])
def test_the_ridge_is_the_best_on_validation(session, lags):
    train, validation = session.slice(0, 100), session.slice(100, 130)
    ridges = [1.0, 30.0, 1000.0, 1e5]
    (U, Y), (held_U, held_Y) = pairs(train, lags), pairs(validation, lags)
    theirs = [Ridge(alpha=ridge).fit(U, Y) for ridge in ridges]
    best = int(np.argmin([((one.predict(held_U) - held_Y) ** 2).mean() for one in theirs]))
    ours = ridge_regression(train, validation, lags, ridges=ridges)
    assert ours.ridge == ridges[best]
    assert ours.coefficients.numpy() == pytest.approx(theirs[best].coef_, abs=1e-8)
    assert ours.intercept.numpy() == pytest.approx(theirs[best].intercept_, abs=1e-8)


@pytest.mark.parametrize("bins", [4, 8, 30])
def test_the_ridge_is_the_best_on_few_bins_too(bins):
    session = make_session(N=9, T=240, K=2)
    train, validation = session.slice(0, 200), session.slice(200, 200 + bins)
    ridges = [0.1, 30.0, 1e4]
    (U, Y), (held_U, held_Y) = pairs(train), pairs(validation)
    theirs = [Ridge(alpha=ridge).fit(U, Y) for ridge in ridges]
    best = int(np.argmin([((one.predict(held_U) - held_Y) ** 2).mean() for one in theirs]))
    ours = ridge_regression(train, validation, ridges=ridges)
    assert ours.ridge == ridges[best]
    assert ours.coefficients.numpy() == pytest.approx(theirs[best].coef_, abs=1e-8)


def test_inputs_of_windows_are_those_of_the_moments(session):
    U, _ = pairs(session.slice(65, 130), lags=3)
    window = windows_of(session.slice(65, 130), 3, 4)[0].gather(torch.tensor([0, 2]))
    lagged, behaviour = newest_bins(window, 3)
    inputs = torch.cat([*lagged, behaviour], dim=1)
    assert inputs.shape == (2, 14, 4)
    expected = torch.from_numpy(U[[*range(4), *range(8, 12)]]).float().view(2, 4, 14).transpose(1, 2)
    assert torch.equal(inputs, expected)
    with pytest.raises(ValueError, match=r"at least 4 past bins \(got 3\)"):
        newest_bins(window, 4)


def test_refuses_segments_without_pairs(session):
    with pytest.raises(ValueError, match="more than 1 bins in session 'demo'"):
        moments(session.slice(60, 61))
