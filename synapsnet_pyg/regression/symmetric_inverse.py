"""Inverse of a symmetric matrix."""

import torch
from torch import Tensor

_SMALLEST = 1e-6
"""Smallest ratio of two diagonal entries of a Cholesky factor that is no rounding error of a singular matrix."""


def symmetric_inverse(matrix: Tensor) -> Tensor:
    """Returns the inverse of a symmetric positive definite matrix, or the pseudo-inverse of one that is singular.

    A Cholesky factor gives the inverse in a tenth of the time of the eigenvectors of a pseudo-inverse.

    Args:
        matrix: Matrix :math:`(n, n)` in float64, without negative eigenvalues but for rounding.

    Example:
        >>> symmetric_inverse(torch.tensor([[2.0, 1.0], [1.0, 1.0]]).double()).round(decimals=3).tolist()
        [[1.0, -1.0], [-1.0, 2.0]]
        >>> symmetric_inverse(torch.ones(2, 2).double()).round(decimals=3).tolist()
        [[0.25, 0.25], [0.25, 0.25]]
    """
    factor, failed = torch.linalg.cholesky_ex(matrix)
    pivots = factor.diagonal()
    if len(matrix) and (int(failed) or float(pivots.min()) < _SMALLEST * float(pivots.max())):
        return torch.linalg.pinv(matrix, hermitian=True)
    return torch.cholesky_inverse(factor)
