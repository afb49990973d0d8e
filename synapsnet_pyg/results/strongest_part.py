"""The neurons of a large population with the strongest edges, which a figure can show."""

from typing import Any, NamedTuple

import torch
from torch import Tensor

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.nn.current_conv import edges_of
from synapsnet_pyg.results.graphs import strongest, values_at

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
        fields: dict[str, Any] = {
            name: values[neurons] if isinstance(values, Tensor) else [values[i] for i in neurons.tolist()]
            for name, values in session.neuron_fields.items()
        }
        part = Session(
            session.activity[neurons],
            session.behaviour,
            bin_size=session.bin_size,
            name=session.name,
            segment=session.segment,
            segment_part=session.segment_part,
            segment_context=session.segment_context,
            neuron_id=[session.neuron_id[i] for i in neurons.tolist()],
            behaviour_name=list(session.behaviour_name),
            **fields,
        )
        return cls(part, neurons, N)

    def matrix(self, values: Tensor, fill: float = 0.0) -> Tensor:
        """Returns the values of these neurons' pairs [M, M] in a sparse matrix [N, N], ``fill`` where it has none."""
        M = len(self.neurons)
        pairs = torch.stack([self.neurons.repeat(M), self.neurons.repeat_interleave(M)])
        return values_at(values, pairs).nan_to_num(fill).view(M, M)

    def truth(self, session: Session) -> Tensor | None:
        """Returns the true weights of these neurons' pairs [M, M]; None if the whole session knows none."""
        if "edge_index" not in session:
            return None
        place = torch.full((self.whole,), -1)
        place[self.neurons] = torch.arange(len(self.neurons))
        sender, receiver = place[session.edge_index]
        inside = (sender >= 0) & (receiver >= 0)
        truth = torch.zeros(len(self.neurons), len(self.neurons))
        truth[receiver[inside], sender[inside]] = session.edge_weight[inside]
        return truth

    @property
    def sentence(self) -> str:
        """Sentence that says what is shown."""
        return f"Of {self.whole} neurons the {len(self.neurons)} with the strongest edges are shown."
