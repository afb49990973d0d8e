"""Input current along given edges as products of sparse matrices, the fast twin of CurrentConv."""

import warnings
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from synapsnet_pyg.nn.full_precision import full_precision


class SortedEdges(NamedTuple):
    """Edges sorted by receiver, then by sender, and the same edges in the order of their senders."""

    first: Tensor
    """Number of the first edge of each receiver, and the number of edges [N + 1]."""
    sender: Tensor
    """Sender of each edge [E]."""
    first_sent: Tensor
    """Number of the first edge of each sender in ``order``, and the number of edges [N + 1]."""
    receiver_sent: Tensor
    """Receiver of each edge of ``order`` [E]."""
    order: Tensor
    """Numbers of the edges, sorted by sender, then by receiver [E]."""


def sorted_edges(edge_index: Tensor, num_neurons: int) -> SortedEdges:
    """Returns edges in both orders.

    Args:
        edge_index: Edges :math:`(2, E)`, sorted by receiver, then by sender, each once.
        num_neurons: Number of neurons N.
    """
    sender, receiver = edge_index
    order = torch.argsort(sender, stable=True)
    starts = torch.arange(num_neurons + 1, device=edge_index.device)
    return SortedEdges(
        # 32 bits, as the library behind torch wants them: others would be converted in every product.
        first=torch.searchsorted(receiver.contiguous(), starts).int(),
        sender=sender.int(),
        first_sent=torch.searchsorted(sender[order], starts).int(),
        receiver_sent=receiver[order].int(),
        order=order,
    )


def sparse_current(edges: SortedEdges, edge_weight: Tensor, activity: Tensor) -> Tensor:
    r"""Computes the input current along given edges, :math:`I_i(t) = \sum_j w_{ij} a_j(t)`.

    Equals :class:`~synapsnet_pyg.nn.current_conv.CurrentConv`, but never holds a message for each edge and bin. The
    derivative by a weight is the product of two time series, computed for the edges alone.

    Args:
        edges: Edges in both orders.
        edge_weight: Weights :math:`(E)`.
        activity: Activity :math:`(B, N, L)`.

    Returns:
        Input current :math:`(B, N, L)`.
    """
    B, N, L = activity.shape
    values = activity.transpose(0, 1).reshape(N, B * L).to(edge_weight.dtype)
    with full_precision(activity.device):  # sparse matrices have no products in 16 bits
        current: Tensor = _SparseProduct.apply(edge_weight, values, *edges)
    return current.view(N, B, L).transpose(0, 1)


class _SparseProduct(torch.autograd.Function):
    """Product of a sparse matrix [N, N], given by its weights [E], and a matrix [N, C]."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, values: Tensor, *edges: Tensor) -> Tensor:
        """Returns the product [N, C]."""
        ctx.save_for_backward(weight, values, *edges)
        first, sender, *_ = edges
        return csr_matrix(first, sender, weight) @ values

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Returns the gradients of weights and values, as far as they are needed."""
        weight, values, *edges = ctx.saved_tensors
        first, sender, first_sent, receiver_sent, order = edges
        grad_weight = grad_values = None
        if ctx.needs_input_grad[0]:
            pattern = csr_matrix(first, sender, torch.zeros_like(weight))
            grad_weight = torch.sparse.sampled_addmm(pattern, grad.contiguous(), values.t(), beta=0.0).values()
        if ctx.needs_input_grad[1]:
            grad_values = csr_matrix(first_sent, receiver_sent, weight[order]) @ grad.contiguous()
        return grad_weight, grad_values, *(None for _ in edges)


def csr_matrix(first: Tensor, column: Tensor, values: Tensor) -> Tensor:
    """Returns a square sparse matrix from the first entry of each row, columns and values."""
    size = (len(first) - 1, len(first) - 1)
    with warnings.catch_warnings():
        for said_once in ("Sparse CSR tensor support is in beta", "Sparse invariant checks are implicitly disabled"):
            warnings.filterwarnings("ignore", said_once)
        return torch.sparse_csr_tensor(first, column, values, size, check_invariants=False)
