import numpy as np
import pytest
import torch
from helpers import make_session

from synapsnet_pyg.connectivity.ridge_var import RidgeVAR


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


@pytest.fixture
def session():
    segment = torch.tensor([[0, 50], [55, 90], [90, 110], [111, 130]])
    made = make_session(N=4, T=130, segment=segment)
    made.activity[1, 1:] += made.activity[0, :-1]
    return made.standardise()


def test_is_ridge_regression_within_segments(session):
    train, validation, _ = session.split()
    expected, _ = regress(train, 7.0)
    assert RidgeVAR(ridges=[7.0]).fit(train, validation).connectivity_.numpy() == pytest.approx(
        expected[:, :4], abs=1e-5
    )
