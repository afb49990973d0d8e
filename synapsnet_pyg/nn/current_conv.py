"""Input current of neurons, summed along the edges of the graph."""

import torch
from torch import Tensor
from torch_geometric.nn import MessagePassing


class CurrentConv(MessagePassing):
    r"""Input current of every neuron: the weighted sum of the activity of its senders.

    .. math::
        I_i(t) = \sum_{j \in \mathcal{N}(i)} w_{ij} \, a_j(t)

    (SynapsNet, section 2.2, "Inferred input current calculation").

    Edges given as a :class:`torch_geometric.EdgeIndex` sorted by receiver (``sort_order="col"``) are summed in one
    pass. Any other order is summed by scattering, more slowly. For a complete graph :func:`dense_current` gives equal
    results without a message for each pair. PyG sums by torch-scatter where it is installed (the extra ``scatter``),
    and by torch itself otherwise, with equal results.

    Shapes:
        - **activity:** :math:`(B, N, L)`
        - **edge_index:** :math:`(2, E)`, ``[0]`` sends, ``[1]`` receives; **edge_weight:** :math:`(E)`
        - **output:** :math:`(B, N, L)`

    Example:
        >>> chain = torch.tensor([[0], [1]])  # neuron 0 drives neuron 1
        >>> CurrentConv()(torch.tensor([[[3.0], [5.0]]]), chain, torch.tensor([2.0])).tolist()
        [[[0.0], [6.0]]]
    """

    def __init__(self) -> None:
        super().__init__(aggr="sum", flow="source_to_target", node_dim=-2)

    def forward(self, activity: Tensor, edge_index: Tensor, edge_weight: Tensor) -> Tensor:
        """Returns the input current [B, N, L] of activity [B, N, L] along the given edges."""
        return self.propagate(edge_index, activity=activity, edge_weight=edge_weight)

    def message(self, activity_j: Tensor, edge_weight: Tensor) -> Tensor:
        """Returns the message of each edge: the sender's activity times the weight."""
        return edge_weight[:, None] * activity_j


def dense_current(connectivity: Tensor, activity: Tensor) -> Tensor:
    r"""Computes the input current along all pairs, :math:`I(t) = A \, a(t)`: the dense twin of :class:`CurrentConv`.

    Args:
        connectivity: Weights A :math:`(N, N)`, ``[i, j]`` the effect of neuron j on neuron i.
        activity: Activity :math:`(B, N, L)`.

    Returns:
        Input current :math:`(B, N, L)`.
    """
    if len(activity) == 1:  # a single window, as in a closed loop
        return (connectivity @ activity[0])[None]
    # One product over all windows and bins; memory stays ordered [L, B, N], as the dynamics reads it.
    return (activity.permute(2, 0, 1) @ connectivity.t()).permute(1, 2, 0)


def edges_of(connectivity: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the nonzero entries of a matrix [N, N]: edge_index [2, E] sorted by receiver, and edge_weight [E]."""
    if connectivity.is_sparse:
        connectivity = connectivity.coalesce()
        some = connectivity.values() != 0
        return connectivity.indices().flip(0)[:, some], connectivity.values()[some]
    receiver, sender = connectivity.nonzero(as_tuple=True)
    return torch.stack([sender, receiver]), connectivity[receiver, sender]


def scaled_rows(connectivity: Tensor, factor: Tensor) -> Tensor:
    """Returns a matrix [N, N], sparse or not, with each row times a factor [N]."""
    if not connectivity.is_sparse:
        return factor[:, None] * connectivity
    connectivity = connectivity.coalesce()
    return sparse_like(connectivity, connectivity.values() * factor[connectivity.indices()[0]])


def sparse_like(connectivity: Tensor, values: Tensor) -> Tensor:
    """Returns a sparse matrix with other values at the same places."""
    return sparse_matrix(connectivity.indices().flip(0), values, len(connectivity), ordered=True)


def sparse_matrix(edge_index: Tensor, weight: Tensor, num_neurons: int, *, ordered: bool = False) -> Tensor:
    """Returns edges as a sparse matrix [N, N] (``torch.sparse_coo``, coalesced).

    Args:
        edge_index: Sender and receiver of each edge :math:`(2, E)`.
        weight: Weights :math:`(E)`; those of an edge that comes twice are added.
        num_neurons: Number of neurons N.
        ordered: Whether the edges are sorted by receiver, then by sender, and none comes twice.
    """
    size = (num_neurons, num_neurons)
    return torch.sparse_coo_tensor(
        edge_index.flip(0), weight, size, is_coalesced=ordered or None, check_invariants=False
    ).coalesce()


def values_at(matrix: Tensor, edge_index: Tensor) -> Tensor:
    """Returns the values of edges [E] in a matrix [N, N]; NaN where a sparse one has none, false of booleans.

    Args:
        matrix: Values of pairs :math:`(N, N)`, sparse or not.
        edge_index: Sender and receiver of each edge :math:`(2, E)`.
    """
    sender, receiver = edge_index
    if not matrix.is_sparse:
        return matrix[receiver, sender]
    matrix = matrix.coalesce()
    key = matrix.indices()[0] * matrix.shape[1] + matrix.indices()[1]
    wanted = receiver * matrix.shape[1] + sender
    place = torch.searchsorted(key, wanted).clamp_max(max(len(key) - 1, 0))
    values = matrix.values()
    absent = torch.tensor(False if values.dtype == torch.bool else torch.nan).to(values.device)
    if not len(key):
        return absent.expand(len(wanted)).clone()
    return torch.where(key[place] == wanted, values[place], absent)
