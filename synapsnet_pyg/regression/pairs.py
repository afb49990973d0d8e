"""Values of pairs of neurons: of all pairs as a matrix, or of some pairs of a population too large for it."""

from abc import ABC, abstractmethod
from typing import NamedTuple

import torch
from torch import Tensor

from synapsnet_pyg.nn.sparse_current import csr_matrix

Index = Tensor | tuple[Tensor, Tensor]


class Pairs(ABC):
    """Pairs of neurons whose values are held, each an effect of a sender on a receiver.

    Attributes:
        num_neurons: Number of neurons N.
        weight: Number of pairs for which each held pair stands [E]; None: one.
    """

    num_neurons: int
    weight: Tensor | None = None

    @property
    def count(self) -> int:
        """Number of all ordered pairs of different neurons."""
        return self.num_neurons * (self.num_neurons - 1)

    @abstractmethod
    def outer(self, receiver: Tensor, sender: Tensor) -> Tensor:
        """Returns for each pair the product of a number of its receiver [N] and one of its sender [N]."""

    @abstractmethod
    def product(self, receivers: Tensor, senders: Tensor) -> Tensor:
        """Returns the values of a matrix of low rank, ``receivers`` [N, k] times ``senders`` [k, N]."""

    @abstractmethod
    def transposed(self, values: Tensor) -> Tensor:
        """Returns for each pair the value of the pair with sender and receiver exchanged."""

    @abstractmethod
    def once(self) -> tuple[Index, Index]:
        """Returns two indices of values: of one direction of each pair of neurons, and of the other direction."""

    @abstractmethod
    def flat(self, values: Tensor) -> tuple[Tensor, Tensor | None]:
        """Returns the values of pairs of different neurons [M], and how many pairs each stands for; None: one."""

    @abstractmethod
    def clear(self, values: Tensor) -> Tensor:
        """Sets the values of pairs of a neuron with itself to zero, in place, and returns them."""

    @abstractmethod
    def of_receivers(self, first: int, stop: int) -> slice:
        """Returns the places of the pairs whose receivers are ``first`` to ``stop - 1``, in the first dimension."""

    @abstractmethod
    def of_rows(self, rows: Tensor, receivers: Tensor) -> Tensor:
        """Returns the values of the pairs of some consecutive receivers from their rows [n, N] of a matrix."""

    @abstractmethod
    def times(self, values: Tensor, vectors: Tensor) -> Tensor:
        """Returns the matrix of these values, zero elsewhere, times vectors [N, k]."""


class AllPairs(Pairs):
    """Every pair; values are matrices [N, N], ``[i, j]`` of the effect of j on i, with a diagonal of no meaning."""

    def __init__(self, num_neurons: int) -> None:
        self.num_neurons = num_neurons

    def outer(self, receiver: Tensor, sender: Tensor) -> Tensor:
        """Returns products of a number of each receiver and one of each sender."""
        return torch.outer(receiver, sender)

    def product(self, receivers: Tensor, senders: Tensor) -> Tensor:
        """Returns the values of a matrix of low rank."""
        return receivers @ senders

    def transposed(self, values: Tensor) -> Tensor:
        """Returns the values of the exchanged pairs."""
        return values.t()

    def once(self) -> tuple[Index, Index]:
        """Returns the indices of the upper triangle and of the lower."""
        first, second = torch.triu_indices(self.num_neurons, self.num_neurons, 1)
        return (first, second), (second, first)

    def flat(self, values: Tensor) -> tuple[Tensor, Tensor | None]:
        """Returns the values of different neurons, and how many pairs each stands for."""
        N = self.num_neurons  # each row of N + 1 begins behind the diagonal and ends with it
        return values.reshape(-1)[1:].view(N - 1, N + 1)[:, :-1].reshape(-1), None

    def clear(self, values: Tensor) -> Tensor:
        """Clears the diagonal."""
        return values.fill_diagonal_(0)

    def of_receivers(self, first: int, stop: int) -> slice:
        """Returns the rows of the receivers."""
        return slice(first, stop)

    def of_rows(self, rows: Tensor, receivers: Tensor) -> Tensor:
        """Returns the rows."""
        return rows

    def times(self, values: Tensor, vectors: Tensor) -> Tensor:
        """Returns the matrix of these values times vectors."""
        return values @ vectors


class SomePairs(Pairs):
    """Some pairs, each in both directions; values are vectors [E].

    Args:
        num_neurons: Number of neurons N.
        edge_index: Sender and receiver of each pair :math:`(2, E)`, none twice.
        others: Number of further pairs, drawn at random, that stand for all pairs that are not given: their values
            tell how pairs without an edge spread.
        seed: Seed of the drawn pairs.

    Attributes:
        edge_index: Sender and receiver of each held pair, sorted by receiver, then by sender.
    """

    weight: Tensor

    def __init__(self, num_neurons: int, edge_index: Tensor, *, others: int = 2**20, seed: int = 0) -> None:
        N = self.num_neurons = num_neurons
        sender, receiver = edge_index[:, edge_index[0] != edge_index[1]]
        given = torch.unique(torch.cat([receiver * N + sender, sender * N + receiver]))
        drawn = torch.randint(N * N, (others // 2,), generator=torch.Generator().manual_seed(seed))
        drawn = torch.unique(torch.cat([drawn, drawn % N * N + drawn // N]))
        drawn = drawn[(drawn // N != drawn % N) & ~_among(drawn, given)]
        key, order = torch.cat([given, drawn]).sort()
        self.edge_index = torch.stack([key % N, key // N])
        share = (self.count - len(given)) / max(len(drawn), 1)
        self.weight = torch.cat([torch.ones(len(given)), torch.full((len(drawn),), share)])[order]
        self._key = key
        self._start = torch.searchsorted(key, torch.arange(N + 1) * N)
        self._reversed = torch.searchsorted(key, key % N * N + key // N)

    def outer(self, receiver: Tensor, sender: Tensor) -> Tensor:
        """Returns products of a number of each receiver and one of each sender."""
        return receiver[self.edge_index[1]] * sender[self.edge_index[0]]

    def product(self, receivers: Tensor, senders: Tensor) -> Tensor:
        """Returns the values of a matrix of low rank."""
        return torch.sparse.sampled_addmm(self._matrix(torch.zeros_like(self.weight)), receivers, senders).values()

    def transposed(self, values: Tensor) -> Tensor:
        """Returns the values of the exchanged pairs."""
        return values[self._reversed]

    def once(self) -> tuple[Index, Index]:
        """Returns the places of the pairs whose receiver comes first, and of the exchanged pairs."""
        first = (self.edge_index[1] < self.edge_index[0]).nonzero()[:, 0]
        return first, self._reversed[first]

    def flat(self, values: Tensor) -> tuple[Tensor, Tensor | None]:
        """Returns the values of different neurons, and how many pairs each stands for."""
        return values, self.weight

    def clear(self, values: Tensor) -> Tensor:
        """Returns the values, none of which are of a neuron with itself."""
        return values

    def times(self, values: Tensor, vectors: Tensor) -> Tensor:
        """Returns the matrix of these values times vectors."""
        result: Tensor = self._matrix(values) @ vectors
        return result

    def of_receivers(self, first: int, stop: int) -> slice:
        """Returns the places of the pairs of the receivers."""
        return slice(int(self._start[first]), int(self._start[stop]))

    def of_rows(self, rows: Tensor, receivers: Tensor) -> Tensor:
        """Returns the values of the held pairs of the receivers."""
        sender, receiver = self.edge_index[:, self.of_receivers(int(receivers[0]), int(receivers[-1]) + 1)]
        return rows[receiver - receivers[0], sender]

    def _matrix(self, values: Tensor) -> Tensor:
        """Returns the sparse matrix of these values."""
        return csr_matrix(self._start, self.edge_index[0], values)

    def at(self, edge_index: Tensor) -> Tensor:
        """Returns the places of given pairs :math:`(2, M)`.

        Raises:
            ValueError: A pair is not held.
        """
        key = edge_index[1] * self.num_neurons + edge_index[0]
        if not bool(_among(key, self._key).all()):
            raise ValueError("Expected pairs that are held (got others).")
        return torch.searchsorted(self._key, key)


def _among(values: Tensor, ordered: Tensor) -> Tensor:
    """Returns which values occur among ordered ones."""
    if not len(ordered):
        return torch.zeros_like(values, dtype=torch.bool)
    return ordered[torch.searchsorted(ordered, values).clamp_max(len(ordered) - 1)] == values


class Product(NamedTuple):
    r"""Matrix :math:`\mathrm{diag}(r)\, L\, M\, R^\top \mathrm{diag}(s)`, never computed."""

    receiver: Tensor
    """Factor r of each receiver [N]."""
    left: Tensor
    """Rows L of the receivers [N, T]."""
    middle: Tensor
    """Symmetric matrix M [T, T]."""
    right: Tensor
    """Rows R of the senders [N, T]."""
    sender: Tensor
    """Factor s of each sender [N]."""
    own: Tensor
    """Diagonal of L M R' [N]."""

    def times(self, vectors: Tensor) -> Tensor:
        """Returns the matrix times vectors [N, k]."""
        inner = self.middle @ (self.right.t() @ (self.sender[:, None] * vectors))
        return self.receiver[:, None] * (self.left @ inner)

    def transposed(self) -> "Product":
        """Returns the transposed matrix."""
        return self._replace(receiver=self.sender, left=self.right, right=self.left, sender=self.receiver)


class PairMatrix:
    """Matrix of which the values of some pairs are known, and of which products with vectors can be computed.

    Args:
        pairs: Pairs whose values are held.
        values: Their values.
        products: Terms of the matrix whose values are held; None: ``pairs`` are all pairs.
    """

    def __init__(self, pairs: Pairs, values: Tensor, products: tuple[Product, ...] | None = None) -> None:
        self.pairs, self.values, self.products = pairs, values, products
        self._subtracted: tuple[Tensor, Tensor] | None = None

    def scaled(self, receiver: Tensor, sender: Tensor) -> "PairMatrix":
        """Returns the matrix times a factor of each receiver [N] and of each sender [N]."""
        products = self.products and tuple(
            p._replace(receiver=p.receiver * receiver.to(p.receiver), sender=p.sender * sender.to(p.sender))
            for p in self.products
        )
        return PairMatrix(self.pairs, self.values * self.pairs.outer(receiver, sender), products)

    def plus(self, other: "PairMatrix", factor: float = 1.0) -> "PairMatrix":
        """Returns the matrix plus a factor times another."""
        values = self.values + factor * other.values
        if self.products is None or other.products is None:
            return PairMatrix(self.pairs, values)
        scaled = tuple(p._replace(receiver=factor * p.receiver) for p in other.products)
        return PairMatrix(self.pairs, values, self.products + scaled)

    def without(self, values: Tensor) -> "PairMatrix":
        """Returns the matrix minus one of these values at the held pairs, zero elsewhere."""
        if self.products is None:
            return PairMatrix(self.pairs, self.values - values)
        result = PairMatrix(self.pairs, self.values - values, self.products)
        result._subtracted = values, self.pairs.transposed(values)
        return result

    def times(self, vectors: Tensor, *, transposed: bool = False) -> Tensor:
        """Returns the matrix, or the transposed one, times vectors [N, k]; the diagonal counts as zero."""
        if self.products is None:
            values = self.pairs.transposed(self.values) if transposed else self.values
            return self.pairs.times(values, vectors) - self.values.diagonal()[:, None] * vectors
        result = torch.zeros_like(vectors)
        for product in self.products:
            result += (product.transposed() if transposed else product).times(vectors)
            result -= (product.receiver * product.own * product.sender)[:, None] * vectors
        return result if self._subtracted is None else result - self.pairs.times(self._subtracted[transposed], vectors)
