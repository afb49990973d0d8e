"""Order of the neurons on the page, group after group."""

from typing import NamedTuple

import numpy as np
from torch import Tensor

from synapsnet_pyg.analysis.communities import communities
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.results.graphs import strongest
from synapsnet_pyg.results.neuron_groups import fields_with_groups, group_of_each


class NeuronOrder(NamedTuple):
    """Groups of neurons, and an order that keeps groups together."""

    by: str
    """Field that groups the neurons, or ``community``; empty if nothing groups them."""
    group: list[str]
    """Group of each neuron [N]."""
    order: np.ndarray
    """Indices of the neurons, group after group [N]; as recorded if nothing groups them."""

    @property
    def field_name(self) -> str:
        """Name of the field in words, such as ``cell type``."""
        return self.by.replace("_", " ")

    @property
    def ordered_groups(self) -> list[str] | None:
        """Group of each neuron in this order [N]; None if nothing groups them."""
        return [self.group[i] for i in self.order] if self.by else None


def group_neurons(session: Session, connectivity: Tensor | None = None) -> NeuronOrder:
    """Groups neurons by area, cell type or layer, the first that is known, or else by communities of strong edges.

    Args:
        session: Session of the neurons.
        connectivity: Weights :math:`(N, N)`, for communities; 0 for edges that are not significant, since communities
            of noise mean nothing. None: no communities.

    Example:
        >>> import torch
        >>> session = Session(torch.zeros(4, 9), bin_size=0.1, area=["V1", "LM", "V1", ""])
        >>> order = group_neurons(session, torch.zeros(4, 4))
        >>> order.by, order.order.tolist(), order.ordered_groups
        ('area', [1, 0, 2, 3], ['LM', 'V1', 'V1', 'unknown'])
    """
    fields = fields_with_groups(session)
    if fields:
        by, group = fields[0], group_of_each(session, fields[0])
    elif connectivity is None or not bool(connectivity.any()):
        return NeuronOrder("", [""] * session.num_neurons, np.arange(session.num_neurons))
    else:
        edges = strongest(connectivity, top_k=10 * session.num_neurons)
        member = communities(session, edges).member
        by, group = "community", [_community_name(number, np.bincount(member)) for number in member]
    return NeuronOrder(by, group, np.argsort(np.array(group), kind="stable"))


def _community_name(number: int, sizes: np.ndarray) -> str:
    """Returns ``C`` and the number, with leading zeros; ``none`` for communities of one or two neurons."""
    return f"C{number + 1:0{len(str(len(sizes)))}d}" if sizes[number] > 2 else "none"
