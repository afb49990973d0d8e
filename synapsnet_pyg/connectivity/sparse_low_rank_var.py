"""Ridge VAR whose weights are taken apart into edges and a common drive: where SynapsNet starts from."""

import torch
from torch import Tensor

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.regression.linear_start import linear_start


def sparse_low_rank_var(session: Session, *, latents: int = 8) -> Tensor:
    """Edges of the linear forecast that SynapsNet starts from, without any training.

    See :func:`~synapsnet_pyg.regression.linear_start.linear_start` and
    :func:`~synapsnet_pyg.regression.sparse_low_rank.sparse_low_rank` for the equations.

    Args:
        session: A recording.
        latents: Most that the common drive may have.

    Returns:
        :math:`(N, N)`: standardised activity of i per standardised activity of j. The diagonal is zero.

    Raises:
        ValueError: A part of the session has no two bins in a row.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> driver, noise = torch.randn(2, 5000)
        >>> session = Session(torch.stack([driver, 0.8 * driver.roll(1) + 0.1 * noise]), bin_size=0.1)
        >>> connectivity = sparse_low_rank_var(session)
        >>> bool(connectivity[1, 0] > 10 * connectivity[0, 1].abs())
        True
    """
    session = session.standardise()
    split, N = session.split(), session.num_neurons
    pairs = torch.ones(N, N, dtype=torch.bool, device=session.activity.device)
    return linear_start(split.train, split.validation, 1, pairs=pairs, latents=latents).edges.float()
