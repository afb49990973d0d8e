"""Standardisation of rows of a recording: mean zero and deviation one."""

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

if TYPE_CHECKING:
    from synapsnet_pyg.data.session import Session


class Statistics(NamedTuple):
    """Mean and population deviation of each row of a recording."""

    mean: Tensor
    """Mean of each row :math:`(R)`."""
    scale: Tensor
    """Deviation of each row :math:`(R)`, above zero; 1 where the row is constant."""
    constant: Tensor
    """True for rows that do not vary :math:`(R)`."""

    @classmethod
    def of(cls, rows: Tensor, segment: Tensor, recorded: Tensor | None = None) -> "Statistics":
        """Computes the statistics of rows :math:`(R, T)` over the bins of all segments :math:`(S, 2)`.

        Args:
            rows: Rows of a recording.
            segment: First bin and end of each segment.
            recorded: True for the values that count :math:`(R, T)`. None: all; a row without any is constant at zero.

        Example:
            >>> Statistics.of(torch.tensor([[1.0, 3.0, 9.0], [2.0, 2.0, 2.0]]), torch.tensor([[0, 2]]))
            Statistics(mean=tensor([2., 2.]), scale=tensor([1., 1.]), constant=tensor([False,  True]))
        """
        bins = torch.cat([torch.arange(int(a), int(b)) for a, b in segment])
        whole = len(bins) == rows.shape[1]
        # A row at a time, so that the largest recording needs no second copy of itself.
        each = [
            _mean_and_deviation(_chosen(row, None if whole else bins, None if recorded is None else recorded[i]))
            for i, row in enumerate(rows)
        ]
        deviation = rows.new_tensor([deviation for _, deviation in each])
        constant = deviation == 0
        return cls(rows.new_tensor([mean for mean, _ in each]), deviation.masked_fill(constant, 1.0), constant)

    def apply(self, rows: Tensor, inplace: bool = False) -> Tensor:
        """Returns rows :math:`(R, T)` minus their mean and divided by their scale; ``inplace`` overwrites the rows."""
        target = rows if inplace else rows.clone()
        return target.sub_(self.mean[:, None]).div_(self.scale[:, None])


def _chosen(row: Tensor, bins: Tensor | None, recorded: Tensor | None) -> Tensor:
    """Returns the recorded values of a row in some bins."""
    values = row if bins is None else row[bins]
    return values if recorded is None else values[recorded if bins is None else recorded[bins]]


def _mean_and_deviation(values: Tensor) -> tuple[float, float]:
    """Computes mean and population deviation; a deviation that is rounding error of a constant counts as zero."""
    if not len(values):
        return 0.0, 0.0
    values = values.double()
    mean, deviation = float(values.mean()), float(values.std(correction=0))
    return mean, deviation if deviation > 1e-7 * abs(mean) else 0.0


def in_recorded_units(session: "Session", behaviour: Tensor) -> Tensor:
    """Returns behaviour (T, K) of a session in the units of the recording, in float64; as recorded, it stays."""
    values = behaviour.double().cpu()
    if "behaviour_scale" in session:
        return values * session.behaviour_scale.double().cpu() + session.behaviour_mean.double().cpu()
    return values
