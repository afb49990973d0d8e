"""Lasso regression of the next bin on all neurons: few connections, chosen by the data."""

from collections.abc import Sequence

import numpy as np
import torch
from sklearn.linear_model import lasso_path
from torch import Tensor

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.regression.least_squares import Moments, moments


def lasso_var(session: Session, *, penalties: Sequence[float] | None = None) -> Tensor:
    r"""Regresses every neuron's next bin on all neurons and the behaviour, with a price on each connection.

    .. math::
        \min_{C, D, c} \tfrac{1}{2 T} \sum_t \big\| a(t + 1) - C\, a(t) - D\, b(t) - c \big\|^2
        + \lambda \sum_{i \neq j} |C_{ij}|

    Connections alone have a price: a neuron's own past and the behaviour are free, so that no connection stands in for
    them. :math:`\lambda` is one for all neurons, the one of the smallest squared error on the validation part. The
    solver (coordinate descent of scikit-learn) sees sums over bins only, never the bins.

    Args:
        session: A recording.
        penalties: Candidates for :math:`\lambda`, above 0. None: twenty from the largest that matters, at which the
            first connection shows, down to a hundredth of it.

    Returns:
        :math:`(N, N)`: standardised activity of the receiver per standardised activity of the sender.

    Raises:
        ValueError: A part has no segment of two bins, or a penalty is not above 0.

    References:
        Tibshirani, "Regression shrinkage and selection via the lasso", 1996.
        Friedman, Hastie and Tibshirani, "Regularization paths for generalized linear models via coordinate descent",
        2010.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> drives = torch.randn(1000)
        >>> session = Session(torch.stack([drives, drives.roll(1), torch.randn(1000)]), bin_size=0.1)
        >>> lasso_var(session).round(decimals=1).abs()
        tensor([[0., 0., 0.],
                [1., 0., 0.],
                [0., 0., 0.]])
    """
    if penalties is not None and (len(penalties) == 0 or min(penalties) <= 0):
        raise ValueError(f"Expected penalties above 0 (got {list(penalties)}); ridge_var is what has none.")
    split = session.standardise().split()
    seen, held_out = moments(split.train), moments(split.validation)
    solutions = lasso_solutions(seen, penalties)
    errors = [held_out.squared_error(c, seen.y - c @ seen.u) for c in solutions.double()]
    return solutions[int(torch.tensor(errors).argmin()), :, : session.num_neurons].clone()


def lasso_solutions(seen: Moments, penalties: Sequence[float] | None = None) -> Tensor:
    """Coefficients of neurons and behaviour for each penalty, largest first: [penalties, N, N + K] in float32.

    Args:
        seen: Of the bins to fit, with one lag.
        penalties: As above.
    """
    N = len(seen.y)
    covariance, cross = seen.covariance.cpu(), seen.cross.cpu()
    # What is free is taken out of both sides first; the rest is a plain lasso (Frisch, Waugh and Lovell).
    by_behaviour = torch.linalg.pinv(covariance[N:, N:], hermitian=True) @ covariance[N:]
    gram = (covariance[:N] - covariance[:N, N:] @ by_behaviour)[:, :N].numpy()
    target = (cross - cross[:, N:] @ by_behaviour)[:, :N].numpy()
    power = (seen.yy - seen.y.square()).cpu().numpy()
    variance = gram.diagonal()
    inverse = np.divide(1, variance, out=np.zeros(N), where=variance > 1e-12)
    own = target.diagonal() * inverse
    target = target - own[:, None] * gram
    if penalties is None:
        penalties = max(np.abs(target[~np.eye(N, dtype=bool)]).max(initial=0), 1e-12) * np.geomspace(1, 0.01, 20)

    solutions = torch.zeros(len(penalties), N, N + len(by_behaviour))
    for i in range(N):
        others = gram - np.outer(gram[i] * inverse[i], gram[i])
        others[i], others[:, i], target[i, i] = 0, 0, 0
        _, path, _ = lasso_path(
            # Of these two only the shape and the length are read, beside a Gram matrix: one row stands for all bins.
            np.zeros((1, N), order="F"),
            np.sqrt(power[i : i + 1]),
            alphas=penalties,
            precompute=others,
            Xy=target[i],
            check_input=False,
            tol=1e-6,
            max_iter=10_000,
        )
        solutions[:, i, :N] = torch.from_numpy(path.T)
        solutions[:, i, i] = torch.from_numpy(own[i] - inverse[i] * (gram[i] @ path))
    left = cross[:, N:].float() - solutions[:, :, :N] @ covariance[:N, N:].float()
    solutions[:, :, N:] = left @ torch.linalg.pinv(covariance[N:, N:], hermitian=True).float()
    return solutions
