"""How far a recording can tell its edges apart."""

from typing import NamedTuple

import torch
from torch import Tensor

from synapsnet_pyg.analysis.significance import EdgeSignificance
from synapsnet_pyg.data.session import Session


class Identifiability(NamedTuple):
    """How far a recording can tell its edges apart."""

    variance_inflation: Tensor
    """Of each sender [N]: by what its error's variance grows because others share its activity; 1: nobody does."""
    largest_correlation: float
    """Of two senders, absolute."""
    bins_per_sender: float
    """T over the number of inputs of a receiver."""
    latents: int | None = None
    """Shared signals that no recorded neuron explains; None where no significance was worked out."""
    null_deviation: float | None = None
    """See :class:`EdgeSignificance`."""

    @property
    def text(self) -> str:
        """All of it in plain sentences."""
        inflation = self.variance_inflation
        half, many = float(inflation.median()), int((inflation > 5).sum())
        lines = [
            f"There are {self.bins_per_sender:.0f} bins for each weight of a receiver"
            + (", too few to tell weights apart well." if self.bins_per_sender < 10 else "."),
            f"Senders share activity with others: a typical error is {half**0.5:.2f} times as large as it would be "
            f"without; {many} of {len(inflation)} neurons have errors more than 2.2 times as large, and the two most "
            f"alike correlate at {self.largest_correlation:.2f}. Which of two alike drives a third is hard to tell.",
        ]
        if self.latents is not None and self.null_deviation is not None:
            signals = "1 shared signal was" if self.latents == 1 else f"{self.latents} shared signals were"
            hint = ", a sign of neurons that were not recorded." if self.null_deviation > 1.05 else "."
            lines.append(
                f"Beyond the model, {signals} found that no recorded neuron explains, and taken out; effects of pairs "
                f"without an edge spread {self.null_deviation:.2f} times as wide as chance would have it{hint}"
            )
        lines.append(
            "How many neurons were not recorded the recording cannot tell: an edge is an effect on the forecast given "
            "those that were, not a synapse."
        )
        return " ".join(lines)


def identifiability(session: Session, significance: EdgeSignificance | None = None) -> Identifiability:
    """How correlated the senders are, and what hints at neurons nobody recorded.

    Args:
        session: The training part.
        significance: Of its edges, if it was worked out.
    """
    varying = [rows[rows.amax(1) > rows.amin(1)] for rows in (session.activity, session.behaviour.t())]
    known, inputs = varying[0], torch.cat(varying).double()
    correlation = torch.corrcoef(inputs)
    inverse = torch.linalg.pinv(correlation, hermitian=True)
    N = len(known)
    off = correlation[:N, :N].abs().fill_diagonal_(0)
    return Identifiability(
        inverse.diagonal()[:N].float(),
        float(off.max()) if N > 1 else 0.0,
        session.num_bins / len(inputs),
        None if significance is None else significance.latents,
        None if significance is None else significance.null_deviation,
    )
