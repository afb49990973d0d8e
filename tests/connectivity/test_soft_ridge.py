import numpy as np
import pytest
import torch
from helpers import make_session

from synapsnet_pyg.connectivity.soft_ridge import SoftRidge


def design(part):
    """Inputs and targets of all segments, bin by bin."""
    inputs, targets = [], []
    for start, stop in part.segment.tolist():
        for t in range(start, stop - 1):
            inputs.append(torch.cat([part.activity[:, t], part.behaviour[t]]))
            targets.append(part.activity[:, t + 1])
    return torch.stack(inputs).double().numpy(), torch.stack(targets).double().numpy()


def regress(part, ridge):
    U, Y = design(part)
    u, y = U - U.mean(0), Y - Y.mean(0)
    coefficients = np.linalg.solve(u.T @ u + ridge * np.eye(u.shape[1]), u.T @ y).T
    return coefficients, Y.mean(0) - coefficients @ U.mean(0)


def mean_error(part, coefficients, intercept):
    U, Y = design(part)
    return np.square(Y - U @ coefficients.T - intercept).mean()


@pytest.fixture
def session():
    segment = torch.tensor([[0, 50], [55, 90], [90, 110], [111, 130]])
    made = make_session(N=4, T=130, segment=segment)
    made.activity[1, 1:] += made.activity[0, :-1]
    return made.standardise()


def test_soft_ridge_is_the_best_on_validation(session):
    train, validation, _ = session.split()
    ridges, shares = [1.0, 30.0], [0, 0.5, 0.75, 1]
    candidates = {}
    for ridge in ridges:
        coefficients, _ = regress(train, ridge)
        sizes = np.sort(np.abs(coefficients[:, :4][~np.eye(4, dtype=bool)]))
        for share in shares:
            threshold = sizes[round(share * 12) - 1] if share else 0
            shrunk = np.sign(coefficients) * np.maximum(np.abs(coefficients) - threshold, 0)
            shrunk[:, 4:] = coefficients[:, 4:]
            np.fill_diagonal(shrunk[:, :4], coefficients.diagonal())
            U, Y = design(train)
            error = mean_error(validation, shrunk, Y.mean(0) - shrunk @ U.mean(0))
            candidates[ridge, share] = error, shrunk[:, :4]
    best = min(candidates, key=lambda key: candidates[key][0])
    assert best[1] > 0
    ours = SoftRidge(ridges=ridges, shares=shares).fit(train, validation)
    assert (ours.penalty_, ours.details_["share"]) == best
    assert ours.connectivity_.numpy() == pytest.approx(candidates[best][1], abs=1e-5)
