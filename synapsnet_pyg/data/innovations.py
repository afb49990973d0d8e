"""Decay of slow activity, such as that of a calcium indicator, and activity without it."""

from copy import copy

import torch
from torch import Tensor

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.data.windows import Window

SLOW = 0.3
"""Smallest median autocorrelation at lag 1 of slow activity."""


def decay_of(session: Session) -> float:
    r"""Returns the share of its value that activity keeps from bin to bin, 0 if it is not slow.

    .. math::
        \gamma = \mathrm{median}_i\, \frac{\rho_i(2)}{\rho_i(1)}

    with :math:`\rho_i` the autocorrelation of neuron i. Noise of the measurement is independent from bin to bin: it
    lowers both autocorrelations by one factor and leaves their ratio. Activity is slow if the median of
    :math:`\rho_i(1)` is at least 0.3.

    Args:
        session: Session of any kind.

    Example:
        >>> trace = torch.randn(2, 5000, generator=torch.Generator().manual_seed(0))
        >>> for t in range(1, 5000):
        ...     trace[:, t] += 0.9 * trace[:, t - 1]
        >>> round(decay_of(Session(trace, bin_size=0.1)), 2)
        0.9
    """
    one, two = (_autocorrelation(session, lag) for lag in (1, 2))
    if not len(one) or float(one.median()) < SLOW:
        return 0.0
    return min(max(float((two / one.clamp_min(1e-3)).median()), 0.0), 0.99)


def innovations(session: Session, decay: float) -> Tensor:
    r"""Returns activity minus what is left of the bin before, :math:`a(t) - \gamma\, a(t - 1)` [N, T].

    The first bin of a segment is zero.

    Args:
        session: Session of N neurons.
        decay: Share :math:`\gamma` that activity keeps; 0: activity is returned as it is.

    Example:
        >>> innovations(Session(torch.tensor([[4.0, 3.0, 1.5, 1.75]]), bin_size=0.1), 0.5).tolist()
        [[0.0, 1.0, 0.0, 1.0]]
    """
    if decay == 0:
        return session.activity
    result = torch.zeros_like(session.activity)
    for start, stop in session.segment.tolist():
        part = session.activity[:, start:stop]
        result[:, start + 1 : stop] = part[:, 1:] - decay * part[:, :-1]
    return result


def innovative_session(session: Session, decay: Tensor | None) -> Session:
    """Returns a session with innovations as its activity; itself without a decay."""
    if decay is None:
        return session
    changed = copy(session)
    changed.activity = innovations(session, float(decay))
    return changed


def innovative_window(window: Window, decay: Tensor | None) -> Window:
    """Returns a window with innovations as its activity, from its second position on; itself without a decay."""
    if decay is None:
        return window
    activity = window.activity[..., 1:] - decay * window.activity[..., :-1]
    return window._replace(activity=activity, behaviour=window.behaviour[:, 1:])


def with_decay(future: Tensor, window: Window, decay: Tensor | None) -> Tensor:
    """Returns forecasts of activity from forecasts of innovations [B, N, P, H]; the same without a decay."""
    if decay is None:
        return future
    bins = [window.activity[..., -window.target.shape[-1] :]]
    for innovation in future.unbind(-1):
        bins.append(decay * bins[-1] + innovation)
    return torch.stack(bins[1:], dim=-1)


def _autocorrelation(session: Session, lag: int) -> Tensor:
    """Returns the autocorrelation at a lag of each neuron that varies."""
    parts = [(start, stop) for start, stop in session.segment.tolist() if stop - start > lag]
    bins = max(sum(stop - start - lag for start, stop in parts), 1)
    result = []
    for rows in session.activity.split(64):  # no second recording in memory
        centred = rows - rows.mean(1, keepdim=True)
        power = centred.square().mean(1)
        product = sum(
            ((centred[:, start : stop - lag] * centred[:, start + lag : stop]).sum(1) for start, stop in parts),
            torch.zeros_like(power),
        )
        varies = power > 1e-12
        result.append((product / bins)[varies] / power[varies])
    return torch.cat(result)
