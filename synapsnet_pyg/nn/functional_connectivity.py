"""Learnable weights of one session's graph, and penalties on them."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch_geometric import EdgeIndex

from synapsnet_pyg.nn.current_conv import CurrentConv, dense_current, sparse_matrix
from synapsnet_pyg.nn.sparse_current import SortedEdges, sorted_edges, sparse_current

MOST_DENSE = 2500
"""Largest number of neurons that are treated as matrices of all pairs: a complete graph by default, tests of all pairs,
results as full matrices. Of more they take many minutes and gigabytes."""


class FunctionalConnectivity(torch.nn.Module):
    r"""Learnable weights of the edges of one session, and the input current along them.

    Without ``edge_index`` the graph is complete and the weights are a matrix :math:`A \in \mathbb{R}^{N \times N}`
    (SynapsNet, section 2.2). With it, the given edges alone exist and each has one weight. Memory and time then grow
    with :math:`E` instead of :math:`N^2`, by :func:`~synapsnet_pyg.nn.sparse_current.sparse_current`; ``fast = False``
    switches to :class:`~synapsnet_pyg.nn.current_conv.CurrentConv`, which gives equal numbers.

    A weight is ``scale`` times its parameter. ``penalty_scale`` holds a factor for each weight, with which the weight
    enters the penalty; all factors start at one.

    Args:
        num_neurons: Number of neurons N.
        edge_index: Edges :math:`(2, E)` that may carry a weight, or None for all pairs.
        self_connections: Whether a neuron may drive itself. The paper's equation allows it. The default is False,
            since the dynamics sees each neuron's own activity already and the two would explain each other away.
        initial_scale: Scale s of the first weights, drawn from :math:`\mathcal{N}(0, (s / \sqrt{N})^2)`. The first
            input current of standardised activity then has a standard deviation near s. The paper leaves the
            distribution open. At zero the dynamics could not learn to use the current at first.

    Shapes:
        - **activity:** :math:`(B, N, L)`
        - **output:** :math:`(B, N, L)`

    Raises:
        ValueError: An edge lies outside the population.

    Example:
        >>> chain = FunctionalConnectivity(3, torch.tensor([[0, 1], [1, 2]]))  # 0 drives 1, 1 drives 2
        >>> chain.matrix().nonzero().tolist()
        [[1, 0], [2, 1]]
    """

    mask: Tensor | None
    edges: Tensor | None
    scale: Tensor
    penalty_scale: Tensor

    def __init__(
        self,
        num_neurons: int,
        edge_index: Tensor | None = None,
        *,
        self_connections: bool = False,
        initial_scale: float = 0.1,
    ) -> None:
        super().__init__()
        self.num_neurons, self.initial_scale, self.fast = num_neurons, initial_scale, True
        if edge_index is None:  # not `eye`, nor `ones_like` below: with bounded memory they import sympy, 35 MB
            diagonal = torch.zeros(num_neurons, num_neurons, dtype=torch.bool).fill_diagonal_(True)
            self.register_buffer("mask", None if self_connections else diagonal, False)
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
            assert self.edges is not None
            self.weight = torch.nn.Parameter(torch.empty(self.edges.shape[1]))
            self.conv = CurrentConv()
            for name, values in sorted_edges(self.edges, num_neurons)._asdict().items():
                self.register_buffer(f"sorted_{name}", values, persistent=False)
        self.register_buffer("scale", torch.tensor(1.0))
        self.register_buffer("penalty_scale", torch.ones(self.weight.shape))
        self._kept: tuple[tuple[int, ...], Tensor] | None = None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws new weights."""
        torch.nn.init.normal_(self.weight, std=self.initial_scale / self.num_neurons**0.5)

    def forward(self, activity: Tensor) -> Tensor:
        """Returns the input current [B, N, L] of activity [B, N, L]."""
        if self.edges is None:
            return dense_current(self.edge_weight(), activity)
        N = self.num_neurons
        if self.fast:
            edges = SortedEdges(*(self.get_buffer(f"sorted_{name}") for name in SortedEdges._fields))
            return sparse_current(edges, self.edge_weight(), activity)
        edge_index = EdgeIndex(self.edges, sparse_size=(N, N), sort_order="col")
        current: Tensor = self.conv(activity, edge_index, self.edge_weight())
        return current

    def edge_weight(self) -> Tensor:
        """Returns the weights: [N, N] for a complete graph, [E] for given edges.

        In inference mode they are kept until a parameter changes, since a forecast of one bin takes less time than
        they do.
        """
        if not torch.is_inference_mode_enabled():
            return self._scaled_weight()
        state = (self.weight.data_ptr(), self.weight._version, self.scale.data_ptr(), self.scale._version)
        if self._kept is None or self._kept[0] != state:
            self._kept = state, self._scaled_weight()
        return self._kept[1]

    def _scaled_weight(self) -> Tensor:
        """Returns scale times parameters, zero where a pair has no weight."""
        weight = self.scale * self.weight
        return weight if self.mask is None else weight.masked_fill(self.mask, 0.0)

    def matrix(self) -> Tensor:
        """Returns the weights as [N, N], ``[i, j]`` from j to i, for complete graphs and given edges alike.

        Of given edges among more than :data:`MOST_DENSE` neurons it is a sparse matrix (``torch.sparse_coo``).
        """
        if self.edges is None:
            return self.edge_weight()
        if self.num_neurons > MOST_DENSE:
            return sparse_matrix(self.edges, self.edge_weight(), self.num_neurons, ordered=True)
        matrix = self.weight.new_zeros(self.num_neurons, self.num_neurons)
        return matrix.index_put((self.edges[1], self.edges[0]), self.edge_weight())

    def allowed(self) -> Tensor:
        """Returns a mask [N, N] of the pairs that have a weight."""
        if self.edges is None:
            return torch.ones_like(self.weight, dtype=torch.bool) if self.mask is None else ~self.mask
        allowed = torch.zeros(self.num_neurons, self.num_neurons, dtype=torch.bool, device=self.weight.device)
        allowed[self.edges[1], self.edges[0]] = True
        return allowed

    @torch.no_grad()
    def set_weights(self, weight: Tensor, penalty_scale: Tensor) -> None:
        """Sets the weights and their factors in the penalty.

        Adam moves every parameter by about the learning rate in a step, however small the parameter. Weights near 0.01
        would be noise after ten steps. The parameters are therefore the weights divided by five times the typical
        weight, so that a step is small in comparison.

        Args:
            weight: Weights, :math:`(N, N)` for a complete graph, :math:`(E)` for given edges.
            penalty_scale: Factor of each weight in the penalty, of the same shape.
        """
        self.penalty_scale.copy_(penalty_scale)
        self.scale.copy_((5 * weight.square().mean().sqrt()).clamp(1e-6, 1))
        self.weight.copy_(weight / self.scale)

    def extra_repr(self) -> str:
        """Returns the sizes for ``repr(model)``."""
        return f"{self.num_neurons} neurons, {self.weight.numel()} weights"


def _sorted_by_receiver(edge_index: Tensor, self_connections: bool, num_neurons: int) -> Tensor:
    """Returns every edge once, sorted by receiver, then by sender."""
    if not self_connections:
        edge_index = edge_index[:, edge_index[0] != edge_index[1]]
    order = torch.unique(edge_index[1] * num_neurons + edge_index[0])
    return torch.stack([order % num_neurons, order // num_neurons])


def frobenius(weight: Tensor) -> Tensor:
    r"""Returns the Frobenius norm :math:`\|A\|_2`, the literal penalty of the paper (section 2.2, "Training")."""
    return weight.norm()


def frobenius_squared(weight: Tensor) -> Tensor:
    r"""Returns :math:`\|A\|_2^2`, the penalty of weight decay."""
    return weight.square().sum()


def absolute_sum(weight: Tensor) -> Tensor:
    r"""Returns :math:`\sum_{ij} |A_{ij}|`, the L1 norm, which prefers few edges to many weak ones."""
    return weight.abs().sum()


PENALTIES: dict[str, Callable[[Tensor], Tensor]] = {
    "frobenius": frobenius,
    "frobenius_squared": frobenius_squared,
    "absolute_sum": absolute_sum,
}
"""Name -> norm of the weights."""
