import numpy as np
import pytest
import torch
from helpers import make_session

from synapsnet_pyg.regression.own_past import contexts_and_futures, own_past_moments, own_past_regression


def pairs(session, C, H):
    """Contexts [R, C] and futures [R, H] of all neurons and bins, one by one."""
    rows = [
        (row[t - C : t], row[t : t + H])
        for a, b in session.segment.tolist()
        for row in session.activity.double().numpy()
        for t in range(a + C, b - H + 1)
    ]
    return (np.stack(part) for part in zip(*rows, strict=True))


@pytest.mark.parametrize("from_newest", [False, True])
def test_is_ridge_regression_on_all_pairs_within_segments(from_newest):
    one = make_session(N=3, T=50, segment=torch.tensor([[0, 20], [22, 28], [30, 50]]))
    two = make_session(N=2, T=31, name="two")
    U, Y = (np.concatenate(part) for part in zip(*(pairs(s, 4, 3) for s in (one, two)), strict=True))
    if from_newest:
        U, Y = U - U[:, -1:], Y - U[:, -1:]
    solution = own_past_regression([one, two], [one], context=4, horizon=3, from_newest=from_newest, ridges=[2.5])
    expected = np.linalg.solve(U.T @ U + 2.5 * np.eye(4), U.T @ Y).T
    np.testing.assert_allclose(solution.coefficients, expected, atol=1e-6)
    assert solution.intercept.abs().max() == 0
    error = np.square(Y - U @ expected.T).sum(1).mean()
    seen = own_past_moments([one, two], 4, 3, from_newest=from_newest)
    assert seen.squared_error(solution.coefficients, solution.intercept) == pytest.approx(error, rel=1e-6)


def test_ridge_is_the_best_on_validation():
    train, validation = make_session(N=2, T=12), make_session(N=3, T=60)
    U, Y = pairs(validation, 4, 3)

    def solve(ridges):
        return own_past_regression([train], [validation], context=4, horizon=3, ridges=ridges)

    ridges = [0.01, 1.0, 100.0]
    errors = [np.square(Y - U @ solve([ridge]).coefficients.numpy().T).mean() for ridge in ridges]
    assert solve(ridges).ridge == ridges[int(np.argmin(errors))]


def test_refuses_segments_that_are_too_short():
    session = make_session(T=12, segment=torch.tensor([[0, 6], [6, 12]]))
    assert sum(past.shape[1] for past, _ in contexts_and_futures(session, 4, 2)) == 2
    with pytest.raises(ValueError, match="at least 7 bins"):
        own_past_moments([session], 4, 3)
