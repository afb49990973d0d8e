"""Learned vectors of neurons, identified by the neurons' ids."""

from collections.abc import Sequence

import torch
from torch import Tensor


class NeuronEmbedding(torch.nn.Module):
    r"""Learnable vector :math:`E_i \in \mathbb{R}^D` for each neuron (SynapsNet, section 2.2).

    A neuron is identified by its id, so a neuron that was recorded in several sessions has one embedding. The ids are
    saved with the weights, and loading checks them.

    Args:
        neuron_ids: Ids of each session's neurons; equal ids are one neuron.
        embedding_dim: Size of the embeddings D.
        initial_scale: Standard deviation of the first entries, drawn from a normal distribution; small, so that
            neurons start with similar vectors.
        orthogonal: Whether the vectors start orthogonal to each other (the dimensions, if these are fewer). All
            products of two neurons' vectors are then learned equally fast.

    Example:
        >>> embedding = NeuronEmbedding([["a", "b", "c"], ["c", "d"]], embedding_dim=3)
        >>> embedding(1).shape
        torch.Size([2, 3])
    """

    def __init__(
        self,
        neuron_ids: Sequence[Sequence[str]],
        embedding_dim: int = 32,
        *,
        initial_scale: float = 0.1,
        orthogonal: bool = False,
    ) -> None:
        super().__init__()
        known = dict.fromkeys(neuron_id for session in neuron_ids for neuron_id in session)
        self._row = {neuron_id: row for row, neuron_id in enumerate(known)}
        for s, session in enumerate(neuron_ids):
            self.register_buffer(
                f"rows_{s}", torch.tensor([self._row[neuron_id] for neuron_id in session]), persistent=False
            )
        self.initial_scale, self.orthogonal = initial_scale, orthogonal
        self.weight = torch.nn.Parameter(torch.empty(len(self._row), embedding_dim))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws new vectors."""
        if self.orthogonal:
            orthogonal_(self.weight, self.initial_scale)
        else:
            torch.nn.init.normal_(self.weight, std=self.initial_scale)

    def forward(self, session: int) -> Tensor:
        """Returns the vectors [N, D] of the neurons of a session, given by its index."""
        return self.weight[self.get_buffer(f"rows_{session}")]

    @torch.no_grad()
    def adopt(self, other: "NeuronEmbedding") -> None:
        """Copies the vectors of all neurons that another table has too."""
        for neuron_id in self._row.keys() & other._row.keys():
            self.weight[self._row[neuron_id]] = other.weight[other._row[neuron_id]]

    def get_extra_state(self) -> list[str]:
        """Returns the ids, in the order of the table's rows."""
        return list(self._row)

    def set_extra_state(self, state: list[str]) -> None:
        """Raises an error if the loaded weights belong to other neurons.

        Raises:
            ValueError: The saved ids or their order differ.
        """
        if list(state) != list(self._row):
            raise ValueError("Expected weights of the same neurons in the same order (the saved ids differ).")

    def extra_repr(self) -> str:
        """Returns the sizes for ``repr(model)``."""
        return f"{self.weight.shape[0]} neurons, {self.weight.shape[1]} dimensions"


def orthogonal_(table: Tensor, scale: float) -> Tensor:
    """Fills a table [n, D] with orthogonal rows, or columns if these are fewer, of entries with deviation ``scale``."""
    return torch.nn.init.orthogonal_(table, gain=scale * max(table.shape) ** 0.5) if table.numel() else table
