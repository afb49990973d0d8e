"""Strength, degree, hub score and community of each neuron."""

import networkx as nx
import numpy as np
import pandas as pd
from torch import Tensor

from synapsnet_pyg.analysis.communities import communities
from synapsnet_pyg.analysis.pairs import pairs_of
from synapsnet_pyg.data.session import Session


def neuron_table(
    session: Session, connectivity: Tensor, *, edge: Tensor | None = None, seed: int = 0
) -> "pd.DataFrame":
    r"""Computes strength, degree, hub score and community of each neuron.

    .. math::
        s_i^{in} = \sum_{j \ne i} |w_{ij}|, \qquad s_j^{out} = \sum_{i \ne j} |w_{ij}|

    Args:
        session: Session of the N neurons.
        connectivity: Weights :math:`(N, N)`, ``[i, j]`` the effect of j on i.
        edge: Pairs with an edge, booleans :math:`(N, N)`, for the degrees alone; None: all weights that are not zero.
            ``strongest(connectivity, top_k=500) != 0`` selects 500 edges.
        seed: Seed of the communities.

    Returns:
        Table with a row for each neuron, with ``neuron_id``, the session's fields, and

        =============================  ==========================================================================
        in_strength, out_strength      sums of absolute weights received and sent
        in_positive, out_positive      sums of positive weights (excitation), 0 or more
        in_negative, out_negative      sums of negative weights (inhibition), 0 or less
        in_degree, out_degree          numbers of edges received and sent
        hub_score                      PageRank on reversed edges: high for a neuron that drives neurons that drive
                                       others in turn; from absolute weights, with sum 1 over all neurons
        hub_rank                       1 is the largest score; ties share the best rank
        community                      number from :func:`~synapsnet_pyg.analysis.communities.communities`
        =============================  ==========================================================================

    Raises:
        ValueError: A matrix does not fit the session.

    References:
        Page, Brin, Motwani and Winograd (1999), The PageRank citation ranking.

    Example:
        >>> import torch
        >>> session = Session(torch.zeros(3, 9), bin_size=0.1, neuron_id=["a", "b", "c"], area=["V1", "V1", "LM"])
        >>> connectivity = torch.tensor([[0.0, 0.0, 0.0], [2.0, 0.0, 0.0], [-1.0, 0.5, 0.0]])
        >>> table = neuron_table(session, connectivity)
        >>> table[["neuron_id", "area", "in_strength", "out_strength", "out_negative", "out_degree", "hub_rank"]]
          neuron_id area  in_strength  out_strength  out_negative  out_degree  hub_rank
        0         a   V1          0.0           3.0          -1.0           2         1
        1         b   V1          2.0           0.5           0.0           1         2
        2         c   LM          1.5           0.0           0.0           0         3
    """
    pairs = pairs_of(session, connectivity, edge)
    weight, score = pairs.weight, _hub_score(np.abs(pairs.weight))
    return pd.DataFrame(
        {
            "neuron_id": session.neuron_id,
            **session.neuron_columns,
            "in_strength": np.abs(weight).sum(1),
            "out_strength": np.abs(weight).sum(0),
            "in_positive": weight.clip(min=0).sum(1),
            "out_positive": weight.clip(min=0).sum(0),
            "in_negative": weight.clip(max=0).sum(1),
            "out_negative": weight.clip(max=0).sum(0),
            "in_degree": pairs.edge.sum(1),
            "out_degree": pairs.edge.sum(0),
            "hub_score": score,
            "hub_rank": pd.Series(-score).rank(method="min").astype(int).to_numpy(),
            "community": communities(session, connectivity, seed).member,
        }
    )


def _hub_score(strength: np.ndarray) -> np.ndarray:
    """Returns PageRank on reversed edges: [N]."""
    # networkx reads [i, j] as i -> j: each receiver passes its score on to its senders.
    score = nx.pagerank(nx.from_numpy_array(strength, create_using=nx.DiGraph))
    return np.array([score[i] for i in range(len(strength))])
