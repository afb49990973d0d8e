"""Standardisation of rows of a recording: mean zero and deviation one."""

from typing import NamedTuple

import torch
from torch import Tensor


class Statistics(NamedTuple):
    """Mean and population deviation of each row of a recording."""

    mean: Tensor
    """Mean of each row :math:`(R)`."""
    scale: Tensor
    """Deviation of each row :math:`(R)`, above zero; 1 where the row is constant."""
    constant: Tensor
    """True for rows that do not vary :math:`(R)`."""

    @classmethod
    def of(cls, rows: Tensor, segment: Tensor) -> "Statistics":
        """Computes the statistics of rows :math:`(R, T)` over the bins of all segments :math:`(S, 2)`.

        Example:
            >>> Statistics.of(torch.tensor([[1.0, 3.0, 9.0], [2.0, 2.0, 2.0]]), torch.tensor([[0, 2]]))
            Statistics(mean=tensor([2., 2.]), scale=tensor([1., 1.]), constant=tensor([False,  True]))
        """
        bins = torch.cat([torch.arange(int(a), int(b)) for a, b in segment])
        whole = len(bins) == rows.shape[1]
        # A row at a time, so that the largest recording needs no second copy of itself.
        each = [_mean_and_deviation(row if whole else row[bins]) for row in rows]
        deviation = rows.new_tensor([deviation for _, deviation in each])
        constant = deviation == 0
        return cls(rows.new_tensor([mean for mean, _ in each]), deviation.masked_fill(constant, 1.0), constant)

    def apply(self, rows: Tensor, inplace: bool = False) -> Tensor:
        """Returns rows :math:`(R, T)` minus their mean and divided by their scale; ``inplace`` overwrites the rows."""
        target = rows if inplace else rows.clone()
        return target.sub_(self.mean[:, None]).div_(self.scale[:, None])


def _mean_and_deviation(values: Tensor) -> tuple[float, float]:
    """Computes mean and population deviation; a deviation that is rounding error of a constant counts as zero."""
    values = values.double()
    mean, deviation = float(values.mean()), float(values.std(correction=0))
    return mean, deviation if deviation > 1e-7 * abs(mean) else 0.0
