"""Least squares of several bins ahead on a neuron's own newest bins, with weights that neurons share."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.regression.least_squares import RIDGES, Moments, RidgeSolution


def contexts_and_futures(session: Session, context: int, horizon: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yields the C newest bins [N, M, C] and the H bins after them [N, M, H], as views of M bins at a time.

    Args:
        session: Session, or a part of its split.
        context: Number of past bins C.
        horizon: Number of bins ahead H.

    Raises:
        ValueError: Every segment is too short.
    """
    length = context + horizon
    longest = max((end - begin for begin, end in session.segment.tolist()), default=0)
    if longest < length:
        raise ValueError(
            f"Expected a segment of at least {length} bins in session '{session.name}' (the longest of this part has "
            f"{longest}); use a shorter context or horizon, or longer segments."
        )
    chunk = max(1, 4_000_000 // (session.num_neurons * length))  # bounds the memory of a copy in float64
    for begin, end in session.segment.tolist():
        for start in range(begin, end - length + 1, chunk):
            stop = min(start + chunk, end - length + 1)
            both = session.activity[:, start : stop + length - 1].unfold(1, length, 1)
            yield both[..., :context], both[..., context:]


def own_past_moments(sessions: Sequence[Session], context: int, horizon: int, *, from_newest: bool = False) -> Moments:
    """Computes the mean products of contexts and futures over all bins and neurons of some sessions.

    The means themselves are set to zero, so that :meth:`Moments.solution` has no intercept: a forecast of
    standardised activity then tends to its mean.

    Args:
        sessions: Sessions, or parts of their splits.
        context: Number of past bins C, the inputs, oldest first.
        horizon: Number of bins ahead H, the targets.
        from_newest: Whether the newest bin is subtracted from inputs and targets.

    Raises:
        ValueError: Every segment of a session is too short.
    """
    length = context + horizon
    products, pairs = torch.zeros(length, length, dtype=torch.float64), 0
    for session in sessions:
        for past, ahead in contexts_and_futures(session, context, horizon):
            both = torch.cat([past, ahead], -1).double()
            if from_newest:
                both = both - both[..., context - 1 : context]
            rows = both.flatten(0, 1)
            products, pairs = products.to(rows) + rows.t() @ rows, pairs + len(rows)
    products = products / pairs
    return Moments(
        bins=pairs,
        u=products.new_zeros(context),
        y=products.new_zeros(horizon),
        uu=products[:context, :context],
        yu=products[context:, :context],
        yy=products.diagonal()[context:],
    )


def own_past_regression(
    train: Sequence[Session],
    validation: Sequence[Session],
    *,
    context: int,
    horizon: int,
    from_newest: bool = False,
    ridges: Sequence[float] = RIDGES,
) -> RidgeSolution:
    r"""Solves the forecast of a neuron's next H bins from its own newest C bins, by ridge regression.

    .. math::
        \min_W \sum_{i, t} \sum_h \Big( x_i(t + h) - \sum_c W_{hc}\, x_i(t + 1 - c) \Big)^2 + \lambda \|W\|^2

    with one W for all neurons and sessions, and the :math:`\lambda` of the smallest squared error on validation over
    all H bins.

    Args:
        train: Training parts.
        validation: Validation parts.
        context: Number of past bins C.
        horizon: Number of bins ahead H.
        from_newest: Whether the newest bin is subtracted from inputs and targets.
        ridges: Candidates for :math:`\lambda`, on the scale of sums over bins and neurons.

    Returns:
        Weights [H, C], oldest bin first; the intercept is zero.

    Raises:
        ValueError: Every segment of a part is too short.
    """
    seen = own_past_moments(train, context, horizon, from_newest=from_newest)
    held_out = own_past_moments(validation, context, horizon, from_newest=from_newest)
    errors = [held_out.squared_error(*seen.solution(ridge)) for ridge in ridges]
    best = ridges[int(torch.tensor(errors).argmin())]
    return RidgeSolution(*seen.solution(best), best)
