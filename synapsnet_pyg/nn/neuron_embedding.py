"""What the model knows of a neuron: one vector for each, found by the neuron's id."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor


class NeuronEmbedding(torch.nn.Module):
    r"""A learnable vector :math:`E_i \in \mathbb{R}^D` for each neuron (SynapsNet, section 2.2).

    A neuron is known by its id, so one that was recorded in several sessions has one embedding. The ids are saved
    with the weights, and loading checks them.

    Args:
        neuron_ids: All ids; repeats are the same neuron.
        embedding_dim: D.
        initial_scale: Deviation of the normal law that the entries start from; small, so that neurons start alike.

    Example:
        >>> embedding = NeuronEmbedding(["a", "b", "c"], embedding_dim=4)
        >>> embedding(embedding.rows(["c", "a"])).shape
        torch.Size([2, 4])
    """

    def __init__(self, neuron_ids: Iterable[str], embedding_dim: int = 32, initial_scale: float = 0.1) -> None:
        super().__init__()
        self._row = {neuron_id: row for row, neuron_id in enumerate(dict.fromkeys(neuron_ids))}
        self.initial_scale = initial_scale
        self.weight = torch.nn.Parameter(torch.empty(len(self._row), embedding_dim))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws the vectors anew."""
        torch.nn.init.normal_(self.weight, std=self.initial_scale)

    def rows(self, neuron_ids: Sequence[str]) -> Tensor:
        """Rows of the table (N) for these ids.

        Raises:
            KeyError: An id has no embedding.
        """
        return torch.tensor([self._row[neuron_id] for neuron_id in neuron_ids])

    def forward(self, rows: Tensor) -> Tensor:
        """Vectors [N, D] of the given rows [N]."""
        return self.weight[rows]

    def get_extra_state(self) -> list[str]:
        """The ids, in the order of the table's rows."""
        return list(self._row)

    def set_extra_state(self, state: list[str]) -> None:
        """Checks that the loaded weights belong to these neurons."""
        if list(state) != list(self._row):
            raise ValueError("Expected weights of the same neurons in the same order (the saved ids differ).")

    def extra_repr(self) -> str:
        """For ``repr(model)``."""
        return f"{self.weight.shape[0]} neurons, {self.weight.shape[1]} dimensions"
