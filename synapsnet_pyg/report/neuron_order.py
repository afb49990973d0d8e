"""In which order neurons are shown: those that belong together lie together."""

from typing import NamedTuple

import numpy as np
from torch import Tensor

from synapsnet_pyg.analysis.communities import communities
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.results.graphs import strongest

_FIELDS = ("area", "cell_type", "layer")


class Arrangement(NamedTuple):
    """Neurons in groups."""

    by: str
    """What groups them: a field of the neurons, or ``community``."""
    group: list[str]
    """Group of each neuron, [N]."""
    order: np.ndarray
    """Places of the neurons, group after group, [N]."""

    @property
    def ordered_groups(self) -> list[str]:
        """Group of each neuron in that order, [N]."""
        return [self.group[i] for i in self.order]


def fields_with_groups(session: Session) -> list[str]:
    """Which of area, cell type and layer are known, as texts that differ between neurons."""
    known = session.neuron_fields
    return [field for field in _FIELDS if isinstance(known.get(field), list) and len(set(known[field])) > 1]


def arrange(session: Session, connectivity: Tensor) -> Arrangement:
    """Groups neurons by area, else by cell type or layer, else by the communities of their strongest edges.

    Args:
        session: Whose neurons they are.
        connectivity: :math:`(N, N)`.

    Example:
        >>> import torch
        >>> session = Session(torch.zeros(4, 9), bin_size=0.1, area=["V1", "LM", "V1", ""])
        >>> arrangement = arrange(session, torch.zeros(4, 4))
        >>> arrangement.by, arrangement.order.tolist(), arrangement.ordered_groups
        ('area', [1, 0, 2, 3], ['LM', 'V1', 'V1', 'unknown'])
    """
    fields = fields_with_groups(session)
    if fields:
        by, group = fields[0], [value or "unknown" for value in session.neuron_fields[fields[0]]]
    else:
        edges = strongest(connectivity, top_k=10 * session.num_neurons)
        member = communities(session, edges).member
        by, group = "community", [_community_name(place, np.bincount(member)) for place in member]
    return Arrangement(by, group, np.argsort(np.array(group), kind="stable"))


def _community_name(place: int, sizes: np.ndarray) -> str:
    """A name that sorts as the community does; a neuron or two are none."""
    return f"C{place + 1:0{len(str(len(sizes)))}d}" if sizes[place] > 2 else "none"


class Cells(NamedTuple):
    """Which pair of neurons each cell of a drawn matrix shows."""

    receiver: np.ndarray
    """[M, M]."""
    sender: np.ndarray
    """[M, M]."""
    first: np.ndarray
    """First neuron of each row and column: [M]."""


def pooled(matrix: np.ndarray, order: np.ndarray, most: int = 300) -> Cells:
    """The pair that each cell of a drawn matrix shows: every pair, or the strongest of a square of them.

    Args:
        matrix: [N, N].
        order: Of rows and columns.
        most: Cells along each side, so that the picture of a large population stays small.

    Example:
        >>> matrix = np.array([[0, 1, 0, -2], [0, 0, 0, 0], [0, 5, 0, 0], [0, 0, 3, 0]])
        >>> cells = pooled(matrix, np.arange(4), most=2)
        >>> matrix[cells.receiver, cells.sender].tolist()
        [[1, -2], [5, 3]]
    """
    step = -(-len(order) // most)
    size = -(-len(order) // step)
    places = np.pad(order, (0, size * step - len(order)), mode="edge")
    squares = np.abs(matrix[np.ix_(places, places)]).reshape(size, step, size, step).swapaxes(1, 2)
    row, column = np.divmod(squares.reshape(size, size, -1).argmax(2), step)
    first = step * np.arange(size)
    return Cells(places[first[:, None] + row], places[first[None, :] + column], places[first])
