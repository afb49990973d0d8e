"""Limits of a recording: how well its edges can be distinguished."""

from dataclasses import dataclass

import torch
from torch import Tensor

from synapsnet_pyg.analysis.significance import EdgeSignificance
from synapsnet_pyg.data.session import Session


@dataclass(frozen=True)
class Identifiability:
    """Limits of a recording: how well its edges can be distinguished.

    Attributes:
        variance_inflation: Factor [N] by which shared activity increases the squared standard error of each sender's
            weights; 1 if no other sender shares its activity.
        largest_correlation: Largest absolute correlation of two senders.
        bins_per_sender: Number of bins over the number of inputs of a receiver.
        latents: Number of shared signals that no recorded neuron explains; None if edges were not tested.
        null_deviation: Standard deviation of the effects of pairs without an edge, in standard errors
            (:class:`~synapsnet_pyg.analysis.significance.EdgeSignificance`); None if edges were not tested.
    """

    variance_inflation: Tensor
    largest_correlation: float
    bins_per_sender: float
    latents: int | None = None
    null_deviation: float | None = None

    @property
    def message(self) -> str:
        """Sentences with these numbers."""
        inflation = self.variance_inflation
        median, inflated = float(inflation.median()), int((inflation > 5).sum())
        lines = [
            f"There are {self.bins_per_sender:.0f} bins for each weight of a receiver"
            + (", too few to estimate weights separately." if self.bins_per_sender < 10 else "."),
            f"Senders share activity with others: a typical error is {median**0.5:.2f} times as large as it would be "
            f"without; {inflated} of {len(inflation)} neurons have errors more than 2.2 times as large, and the two "
            f"most alike correlate at {self.largest_correlation:.2f}. Which of two alike drives a third is hard to "
            "decide.",
        ]
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
    varying = [rows[rows.amax(1) > rows.amin(1)] for rows in (session.activity, session.behaviour.t())]
    known, inputs = varying[0], torch.cat(varying).double()
    correlation = torch.corrcoef(inputs)
    inverse = torch.linalg.pinv(correlation, hermitian=True)
    N = len(known)
    off = correlation[:N, :N].abs().fill_diagonal_(0)
    return Identifiability(
        variance_inflation=inverse.diagonal()[:N].float(),
        largest_correlation=float(off.max()) if N > 1 else 0.0,
        bins_per_sender=session.num_bins / len(inputs),
        latents=None if significance is None else significance.latents,
        null_deviation=None if significance is None else significance.null_deviation,
    )
