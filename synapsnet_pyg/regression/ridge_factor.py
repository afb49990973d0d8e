"""Cholesky factors of one covariance matrix with several ridges, in the memory of that matrix."""

import torch
from torch import Tensor

_BLOCK = 256
"""Rows and columns of a block."""


class RidgeFactor:
    r"""Covariance matrix of inputs whose upper blocks keep it and whose lower blocks hold a factor of it.

    .. math::
        L L^\top = C + \lambda

    A symmetric matrix needs half of its memory. The Cholesky factor L needs the other half, so that regressions with
    many inputs and several candidates for the ridge :math:`\lambda` take no second matrix.

    Args:
        covariance: Covariance C of the inputs :math:`(U, U)`, symmetric; its memory is used up.

    Example:
        >>> factor = RidgeFactor(torch.tensor([[1.0, 0.5], [0.5, 3.0]]))
        >>> factor.decompose(ridge=1.0), factor.solve(torch.tensor([[2.0, 0.5]])).round(decimals=3)
        (True, tensor([[1., 0.]]))
    """

    def __init__(self, covariance: Tensor) -> None:
        self._matrix = covariance
        self._blocks = [(k, min(k + _BLOCK, len(covariance))) for k in range(0, len(covariance), _BLOCK)]
        self._diagonal = [covariance[begin:end, begin:end].clone() for begin, end in self._blocks]

    def covariance(self, ridge: float = 0.0) -> Tensor:
        """Returns the covariance with a ridge in its own memory; a factor is lost.

        Args:
            ridge: Value added to the diagonal.
        """
        for (begin, end), diagonal in zip(self._blocks, self._diagonal, strict=True):
            self._matrix[begin:end, :begin] = self._matrix[:begin, begin:end].t()
            self._matrix[begin:end, begin:end] = diagonal
        self._matrix.diagonal().add_(ridge)
        return self._matrix

    def decompose(self, ridge: float) -> bool:
        """Computes the factor; returns False if the matrix is not positive definite.

        Args:
            ridge: Value added to the diagonal.
        """
        matrix = self.covariance(ridge)
        for k, (begin, end) in enumerate(self._blocks):
            square, failed = torch.linalg.cholesky_ex(matrix[begin:end, begin:end])
            if int(failed):
                return False
            matrix[begin:end, begin:end] = square
            if end == len(matrix):
                break
            below = torch.linalg.solve_triangular(square.t(), matrix[end:, begin:end], upper=True, left=False)
            matrix[end:, begin:end] = below
            for first, last in self._blocks[k + 1 :]:
                matrix[first:, first:last].addmm_(below[first - end :], below[first - end : last - end].t(), alpha=-1)
        return True

    def solve(self, right: Tensor) -> Tensor:
        r"""Returns :math:`B\, (C + \lambda)^{-1}`, a few rows at a time, with the ridge of :meth:`decompose`.

        Args:
            right: Right-hand sides B :math:`(n, U)`; their memory holds the result.
        """
        for rows in right.split(_BLOCK):
            half = torch.linalg.solve_triangular(self._matrix, rows.t(), upper=False)
            rows.copy_(torch.linalg.solve_triangular(self._matrix.t(), half, upper=True).t())
        return right
