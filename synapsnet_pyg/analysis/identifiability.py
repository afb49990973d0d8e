"""Limits of a recording: how well its edges can be distinguished."""

from dataclasses import dataclass

import torch
from torch import Tensor

from synapsnet_pyg.analysis.significance import EdgeSignificance
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.nn.functional_connectivity import MOST_DENSE
from synapsnet_pyg.regression.symmetric_inverse import symmetric_inverse


@dataclass(frozen=True)
class Identifiability:
    """Limits of a recording: how well its edges can be distinguished.

    Attributes:
        variance_inflation: Factor [N] by which shared activity increases the squared standard error of each sender's
            weights; 1 if no other sender shares its activity. None for more neurons than the matrix of all correlations
            allows.
        largest_correlation: Largest absolute correlation of two senders.
        bins_per_sender: Number of bins over the number of inputs of a receiver.
        latents: Number of shared signals that no recorded neuron explains; None if edges were not tested.
        null_deviation: Standard deviation of the effects of pairs without an edge, in standard errors
            (:class:`~synapsnet_pyg.analysis.significance.EdgeSignificance`); None if edges were not tested.
    """

    variance_inflation: Tensor | None
    largest_correlation: float
    bins_per_sender: float
    latents: int | None = None
    null_deviation: float | None = None

    @property
    def message(self) -> str:
        """Sentences with these numbers."""
        lines = [
            f"There are {self.bins_per_sender:.{0 if self.bins_per_sender >= 1 else 1}f} bins for each weight of a "
            "receiver" + (", too few to estimate weights separately." if self.bins_per_sender < 10 else ".")
        ]
        if (inflation := self.variance_inflation) is None:
            lines.append(f"The two senders most alike correlate at {self.largest_correlation:.2f}.")
        else:
            median, inflated = float(inflation.median()), int((inflation > 5).sum())
            lines.append(
                f"Senders share activity with others: a typical error is {median**0.5:.2f} times as large as it would "
                f"be without; {inflated} of {len(inflation)} neurons have errors more than 2.2 times as large, and the "
                f"two most alike correlate at {self.largest_correlation:.2f}. Which of two alike drives a third is "
                "hard to decide."
            )
        if self.latents is not None and self.null_deviation is not None:
            signals = "1 shared signal was" if self.latents == 1 else f"{self.latents} shared signals were"
            hint = ", a sign of neurons that were not recorded." if self.null_deviation > 1.05 else "."
            lines.append(
                f"Beyond the model, {signals} detected that no recorded neuron explains, and removed. Effects of pairs "
                f"without an edge spread {self.null_deviation:.2f} times as wide as chance predicts{hint}"
            )
        lines.append(
            "How many neurons were not recorded is unknown: an edge is an effect on the forecast given the recorded "
            "neurons, not a synapse."
        )
        return " ".join(lines)


def identifiability(session: Session, significance: EdgeSignificance | None = None) -> Identifiability:
    """Computes correlations among the senders of a recording, and signs of unrecorded neurons.

    Args:
        session: Training part.
        significance: Result of the significance test of the edges; None: not tested.
    """
    activity, behaviour = session.activity, session.behaviour.t()
    varying = [rows.amax(1) > rows.amin(1) for rows in (activity, behaviour)]
    N, inputs = int(varying[0].sum()), int(varying[0].sum() + varying[1].sum())
    inflation = None
    if session.num_neurons <= MOST_DENSE:
        correlation = _correlations(activity, behaviour, torch.cat(varying))
        inflation = symmetric_inverse(correlation).diagonal()[:N].float()
        largest = float(correlation[:N, :N].abs().fill_diagonal_(0).max()) if N > 1 else 0.0
    else:
        largest = _largest_correlation(activity[varying[0]])
    return Identifiability(
        variance_inflation=inflation,
        largest_correlation=largest,
        bins_per_sender=session.num_bins / inputs,
        latents=None if significance is None else significance.latents,
        null_deviation=None if significance is None else significance.null_deviation,
    )


def _correlations(activity: Tensor, behaviour: Tensor, kept: Tensor) -> Tensor:
    """Returns the correlations of the kept rows of activity [N, T] and behaviour [K, T], in float64."""
    length = activity.shape[1]
    mean = torch.cat([rows.double().mean(1, keepdim=True) for rows in (*activity.split(64), behaviour)])[kept]
    covariance = activity.new_zeros(len(mean), len(mean), dtype=torch.float64)
    for start in range(0, length, 1024):
        bins = slice(start, start + 1024)
        centred = torch.cat([activity[:, bins], behaviour[:, bins]])[kept] - mean
        covariance.addmm_(centred, centred.t())
    scale = covariance.diagonal().rsqrt()
    return (covariance * torch.outer(scale, scale)).clamp_(-1, 1)


def _largest_correlation(rows: Tensor) -> float:
    """Returns the largest absolute correlation of two rows [N, T], in blocks of rows."""
    scaled = rows - rows.mean(1, keepdim=True)
    scaled /= scaled.norm(dim=1, keepdim=True)
    largest = 0.0
    for block in torch.arange(len(rows)).split(512):
        found = (scaled[block] @ scaled.t()).abs_()
        found[torch.arange(len(block)), block] = 0
        largest = max(largest, float(found.max()))
    return largest
