"""Factors in the memory of their matrix, against torch's own and against the readable solution."""

import pytest
import torch
from helpers import make_session

from synapsnet_pyg.regression import ridge_factor
from synapsnet_pyg.regression.least_squares import moments, ridge_regression
from synapsnet_pyg.regression.ridge_factor import RidgeFactor


def covariance_of(size):
    """Covariance of as many inputs, of full rank."""
    x = torch.randn(size, 3 * size, dtype=torch.float64)
    return x @ x.t() / x.shape[1]


@pytest.mark.parametrize("block", [1, 3, 4, 100])
def test_blocks_solve_as_the_whole_matrix_does(monkeypatch, block):
    monkeypatch.setattr(ridge_factor, "_BLOCK", block)
    covariance, right = covariance_of(11), torch.randn(5, 11, dtype=torch.float64)
    factor = RidgeFactor(covariance.clone())
    for ridge in (0.0, 2.5, 0.1):  # one after another in the same memory
        whole = covariance + ridge * torch.eye(11)
        assert factor.decompose(ridge)
        torch.testing.assert_close(factor.solve(right.clone()), torch.linalg.solve(whole, right.t()).t())
    torch.testing.assert_close(factor.covariance(), covariance)


@pytest.mark.parametrize("block", [2, 100])
def test_a_matrix_that_has_no_factor_is_kept(monkeypatch, block):
    monkeypatch.setattr(ridge_factor, "_BLOCK", block)
    covariance = torch.eye(7, dtype=torch.float64)
    covariance[4, 4] = -1
    factor = RidgeFactor(covariance.clone())
    assert not factor.decompose(0.5)
    assert factor.covariance(0.5).equal(covariance + 0.5 * torch.eye(7))
    assert factor.decompose(1.5)


def test_the_memory_is_that_of_the_matrix():
    covariance = covariance_of(6)
    factor = RidgeFactor(covariance)
    factor.decompose(1.0)
    assert factor.covariance().data_ptr() == covariance.data_ptr()


@pytest.mark.parametrize("ridge", [0.0, 10.0])
def test_ridge_regression_is_the_solution_of_the_moments(monkeypatch, ridge):
    monkeypatch.setattr(ridge_factor, "_BLOCK", 4)
    session = make_session(N=4, T=130, K=2)
    if not ridge:
        session.behaviour = session.behaviour[:, :1].repeat(1, 2)  # dependent: the solution of least norm
    coefficients, intercept = moments(session, 3).solution(ridge)
    ours = ridge_regression(session, session, 3, ridges=[ridge])
    torch.testing.assert_close(ours.coefficients, coefficients)
    torch.testing.assert_close(ours.intercept, intercept)
