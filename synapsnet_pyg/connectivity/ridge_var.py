"""Ridge regression of the next bin on all neurons: the anchor of connectivity recovery."""

from collections.abc import Sequence

from torch import Tensor

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.models.linear import VectorAutoregression


def ridge_var(session: Session, *, lags: int = 1, ridges: Sequence[float] | None = None) -> Tensor:
    r"""Regresses every neuron's next bin on all neurons' last bins and the behaviour, with a ridge.

    .. math::
        \min_{C, D, c} \sum_t \Big\| a(t + 1) - \sum_{l=1}^{p} C_l\, a(t + 1 - l) - D\, b(t) - c \Big\|^2
        + \lambda \Big(\sum_l \|C_l\|^2 + \|D\|^2\Big)

    :class:`~synapsnet_pyg.models.linear.VectorAutoregression` tells how; :math:`\lambda` is the one of the smallest
    squared error on the validation part.

    Args:
        session: A recording.
        lags: p.
        ridges: Candidates for :math:`\lambda`; None: decades from 1 to 1e6.

    Returns:
        :math:`C_1`, :math:`(N, N)`: standardised activity of the receiver per standardised activity of the sender.

    Raises:
        ValueError: A part has no segment of more than p bins.

    Example:
        >>> import torch
        >>> _ = torch.manual_seed(0)
        >>> drives = torch.randn(1000)
        >>> session = Session(torch.stack([drives, drives.roll(1)]), bin_size=0.1)
        >>> ridge_var(session).round(decimals=1).abs()
        tensor([[0., 0.],
                [1., 0.]])
    """
    session = session.standardise()
    split = session.split()
    model = VectorAutoregression([session], lags, ridges=ridges)
    model.initialise({session.name: split.train}, {session.name: split.validation})
    return model.connectivity(session).float()
