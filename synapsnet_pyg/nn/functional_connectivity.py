"""The learnable weights of one session's graph, and penalties on them."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch_geometric import EdgeIndex

from synapsnet_pyg.nn.current_conv import CurrentConv, dense_current


class FunctionalConnectivity(torch.nn.Module):
    r"""Learnable weight of every edge of one session, and the input current they give.

    Without ``edge_index`` the graph is complete and the weights are a matrix :math:`A \in \mathbb{R}^{N \times N}`
    (SynapsNet, section 2.2). With it, only the given edges exist and each has one weight; memory and time then grow
    with :math:`E` instead of :math:`N^2`.

    Args:
        num_neurons: N.
        edge_index: The edges that may carry a weight :math:`(2, E)`, or None for all pairs.
        self_connections: Whether a neuron may drive itself. The paper's equation allows it; by default it does not,
            since the dynamics sees each neuron's own activity already and the two would explain each other away.
        initial_scale: Weights start from :math:`\mathcal{N}(0, (s / \sqrt{N})^2)`, so that the first input current
            of standardised activity has a deviation near :math:`s`. The paper leaves the law open. Zero would keep the
            dynamics from learning what to do with the current at first.

    Raises:
        ValueError: An edge lies outside the population.
    """

    mask: Tensor | None
    edges: Tensor | None
    unit: Tensor
    price: Tensor

    def __init__(
        self,
        num_neurons: int,
        edge_index: Tensor | None = None,
        self_connections: bool = False,
        initial_scale: float = 0.1,
    ) -> None:
        super().__init__()
        self.num_neurons, self.initial_scale = num_neurons, initial_scale
        if edge_index is None:
            self.register_buffer("mask", None if self_connections else torch.eye(num_neurons, dtype=torch.bool), False)
            self.register_buffer("edges", None)
            self.weight = torch.nn.Parameter(torch.empty(num_neurons, num_neurons))
        else:
            if edge_index.numel() and (int(edge_index.min()) < 0 or int(edge_index.max()) >= num_neurons):
                raise ValueError(
                    f"Expected edges among neurons 0..{num_neurons - 1} "
                    f"(got {int(edge_index.min())}..{int(edge_index.max())})."
                )
            self.register_buffer("mask", None)
            self.register_buffer("edges", _sorted_by_receiver(edge_index, self_connections, num_neurons))
            self.weight = torch.nn.Parameter(torch.empty(self.edges.shape[1]))  # type: ignore[union-attr]
            self.conv = CurrentConv()
        self.register_buffer("unit", torch.tensor(1.0))
        self.register_buffer("price", torch.ones_like(self.weight))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws the weights anew."""
        torch.nn.init.normal_(self.weight, std=self.initial_scale / self.num_neurons**0.5)

    def forward(self, activity: Tensor) -> Tensor:
        """Input current [B, N, L] of activity [B, N, L]."""
        if self.edges is None:
            return dense_current(self.edge_weight(), activity)
        N = self.num_neurons
        edge_index = EdgeIndex(self.edges, sparse_size=(N, N), sort_order="col")
        current: Tensor = self.conv(activity, edge_index, self.edge_weight())
        return current

    def edge_weight(self) -> Tensor:
        """The weights that are in force: [N, N] for a complete graph, [E] for given edges."""
        weight = self.unit * self.weight
        return weight if self.mask is None else weight.masked_fill(self.mask, 0.0)

    def matrix(self) -> Tensor:
        """The weights as [N, N], ``[i, j]`` from j to i, whichever way they are stored."""
        if self.edges is None:
            return self.edge_weight()
        matrix = self.weight.new_zeros(self.num_neurons, self.num_neurons)
        return matrix.index_put((self.edges[1], self.edges[0]), self.edge_weight())

    def allowed(self) -> Tensor:
        """Which weights there are [N, N]."""
        if self.edges is None:
            return torch.ones_like(self.weight, dtype=torch.bool) if self.mask is None else ~self.mask
        allowed = torch.zeros(self.num_neurons, self.num_neurons, dtype=torch.bool, device=self.weight.device)
        allowed[self.edges[1], self.edges[0]] = True
        return allowed

    @torch.no_grad()
    def set_matrix(self, matrix: Tensor, price: Tensor) -> None:
        """Takes the weights, and by what the penalty of each is multiplied, from matrices [N, N].

        What is not allowed is left out.

        Adam moves every parameter by about the learning rate a step, however small the parameter: weights of a
        hundredth would be noise after ten steps. So the parameters are kept in units of five times the typical weight,
        in which a step is small.
        """
        weight, price = (m if self.edges is None else m[self.edges[1], self.edges[0]] for m in (matrix, price))
        self.price.copy_(price)
        self.unit.copy_((5 * weight.square().mean().sqrt()).clamp(1e-6, 1))
        self.weight.copy_(weight / self.unit)

    def extra_repr(self) -> str:
        """For ``repr(model)``."""
        return f"{self.num_neurons} neurons, {self.weight.numel()} weights"


def _sorted_by_receiver(edge_index: Tensor, self_connections: bool, num_neurons: int) -> Tensor:
    """Each edge once, those of one receiver together."""
    if not self_connections:
        edge_index = edge_index[:, edge_index[0] != edge_index[1]]
    order = torch.unique(edge_index[1] * num_neurons + edge_index[0])
    return torch.stack([order % num_neurons, order // num_neurons])


def frobenius(weight: Tensor) -> Tensor:
    r"""The Frobenius norm :math:`\|A\|_2`, the paper's penalty read literally (section 2.2, "Training")."""
    return weight.norm()


def frobenius_squared(weight: Tensor) -> Tensor:
    r""":math:`\|A\|_2^2`, weight decay: the other reading of the paper's penalty."""
    return weight.square().sum()


def absolute_sum(weight: Tensor) -> Tensor:
    r""":math:`\sum_{ij} |A_{ij}|`, the L1 norm: prefers few edges to many weak ones."""
    return weight.abs().sum()


PENALTIES: dict[str, Callable[[Tensor], Tensor]] = {
    "frobenius": frobenius,
    "frobenius_squared": frobenius_squared,
    "absolute_sum": absolute_sum,
}
