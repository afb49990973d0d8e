"""The neurons of a large population with the strongest edges, which a figure can show."""

from typing import NamedTuple

import torch
from torch import Tensor

from synapsnet_pyg.data.protocols import with_neurons
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.nn.current_conv import edges_of, values_at
from synapsnet_pyg.results.graphs import strongest

MOST_SHOWN = 1000
"""Largest number of neurons of a large population whose connectivity is drawn."""


class StrongestPart(NamedTuple):
    """Neurons of a large population with the strongest edges.

    Example:
        >>> session = Session(torch.zeros(3, 9), bin_size=0.1, neuron_id=["a", "b", "c"])
        >>> weights = torch.tensor([[0, 0, 0], [0, 0, 0.1], [-2.0, 0, 0]]).to_sparse_coo()
        >>> part = StrongestPart.of(session, weights, most=2)
        >>> part.session.neuron_id, part.matrix(weights).tolist()
        (['a', 'c'], [[0.0, 0.0], [-2.0, 0.0]])
    """

    session: Session
    """Session of these neurons alone."""
    neurons: Tensor
    """Their rows in the whole session, ascending [M]."""
    whole: int
    """Number of neurons of the whole session N."""

    @classmethod
    def of(cls, session: Session, connectivity: Tensor, most: int = MOST_SHOWN) -> "StrongestPart":
        """Chooses the neurons with the largest sums of absolute weights, sent and received.

        Args:
            session: Session of the N neurons.
            connectivity: Sparse weights :math:`(N, N)`.
            most: Largest number of neurons.
        """
        edge_index, weight = edges_of(strongest(connectivity))
        N = session.num_neurons
        strength = torch.zeros(N, dtype=torch.float64)
        for ends in edge_index:
            strength.index_add_(0, ends, weight.abs().double())
        neurons = strength.topk(min(most, N)).indices.sort().values
        chosen = torch.zeros(N, dtype=torch.bool)
        chosen[neurons] = True
        part = with_neurons(session, chosen)
        return cls(part, neurons, N)

    def matrix(self, values: Tensor, fill: float = 0.0) -> Tensor:
        """Returns the values of these neurons' pairs [M, M] in a sparse matrix [N, N], ``fill`` where it has none."""
        M = len(self.neurons)
        pairs = torch.stack([self.neurons.repeat(M), self.neurons.repeat_interleave(M)])
        return values_at(values, pairs).nan_to_num(fill).view(M, M)

    @property
    def sentence(self) -> str:
        """Sentence that says what is shown."""
        return f"Of {self.whole} neurons the {len(self.neurons)} with the strongest edges are shown."
