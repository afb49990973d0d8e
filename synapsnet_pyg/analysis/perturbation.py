"""Effects of perturbations on the forecasts of a model."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from synapsnet_pyg.analysis.perturbation_kinds import Drive, Perturbation
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.data.windows import Window, every_window
from synapsnet_pyg.models.forecaster import Forecast, Forecaster
from synapsnet_pyg.models.forecasting import roll_out
from synapsnet_pyg.nn.evaluating import evaluating
from synapsnet_pyg.progress import steps


class Effect(NamedTuple):
    """Mean effect of a perturbation on the forecasts, over starting windows."""

    effect: Tensor
    """Perturbed minus unperturbed forecast, in the unit of the session's activity, in float64: [N, H]. The row of the
    perturbed neuron is the effect on its forecast, before the perturbation holds or changes it."""
    error: Tensor
    """Standard error of the mean effect, as if windows were independent; NaN for a single window: [N, H]."""


def perturb(
    model: Forecaster,
    session: Session,
    perturbation: Perturbation,
    *,
    horizon: int = 1,
    max_windows: int = 256,
    batch_size: int = 32,
    counts: bool = False,
) -> Effect:
    r"""Rolls a model out with and without a perturbation, and returns the difference.

    .. math::
        e_i(h) = \big\langle \hat a_i^{\text{perturbed}}(t + h) - \hat a_i(t + h) \big\rangle_t, \quad h = 1 \ldots H

    This is an effect in the *model*. Real neurons respond alike only if unrecorded neurons do not cause the learned
    weights. On a simulation,
    :func:`~synapsnet_pyg.simulations.population.true_effect` gives the true effect. Intervals are computed by
    :func:`~synapsnet_pyg.analysis.perturbation_intervals.effect_intervals`.

    Args:
        model: Fitted forecaster of any kind.
        session: Part in which the roll-outs start, standardised as in training.
        perturbation: One of :mod:`synapsnet_pyg.analysis.perturbation_kinds`, such as
            :class:`~synapsnet_pyg.analysis.perturbation_kinds.Drive`.
        horizon: Number of bins ahead H; behaviour keeps its last value.
        max_windows: Largest number of starting windows, evenly spread over the session.
        batch_size: Number of windows at a time; it changes the result only with ``counts``.
        counts: Whether forecasts enter the next step as Poisson counts with that mean, as recorded spike counts do.
            Forecasts vary less than counts, and a nonlinear model sees that; for large perturbations of spiking
            neurons several steps ahead, counts are more accurate. Both roll-outs use the same random numbers.

    Raises:
        ValueError: There is no such neuron or edge to change, ``horizon`` or ``max_windows`` is below 1, or every
            segment is too short for the model's window.

    Example:
        >>> from synapsnet_pyg.models.baselines import Copy
        >>> session = Session(torch.randn(3, 50), bin_size=0.1)
        >>> perturb(Copy([session]), session, Drive(2, amount=0.5), horizon=2).effect.round(decimals=4)
        tensor([[0.0000, 0.0000],
                [0.0000, 0.0000],
                [0.5000, 0.5000]], dtype=torch.float64)
    """
    (response,) = responses(
        model,
        session,
        [perturbation],
        horizon=horizon,
        max_windows=max_windows,
        batch_size=batch_size,
        counts=counts,
    )
    return Effect(response.difference.mean(0), _standard_error(response.difference))


def effect_table(
    model: Forecaster,
    session: Session,
    perturbations: Iterable[Perturbation],
    *,
    horizon: int = 1,
    max_windows: int = 256,
    batch_size: int = 32,
) -> "pd.DataFrame":
    """Computes a table of the effects of several perturbations on all other neurons, by :func:`perturb`.

    Args:
        model: Fitted forecaster of any kind.
        session: Part in which the roll-outs start, standardised as in training.
        perturbations: Perturbations, applied one at a time.
        horizon: Number of bins ahead H; behaviour keeps its last value.
        max_windows: Largest number of starting windows, evenly spread over the session.
        batch_size: Number of windows at a time; it does not change the result.

    Returns:
        Columns ``source`` (id of the perturbed neuron; empty if it is not one neuron), ``target`` (id of another
        neuron), ``step`` (bins ahead, from 1), ``effect`` and ``error`` (its standard error).

    Raises:
        ValueError: See :func:`perturb`.

    Example:
        >>> from synapsnet_pyg.models.baselines import Copy
        >>> session = Session(torch.randn(3, 50), bin_size=0.1, neuron_id=["a", "b", "c"])
        >>> effect_table(Copy([session]), session, [Drive(0), Drive(1)])
          source target  step  effect  error
        0      a      b     1     0.0    0.0
        1      a      c     1     0.0    0.0
        2      b      a     1     0.0    0.0
        3      b      c     1     0.0    0.0
    """
    perturbations = list(perturbations)
    mean, error = _differences(
        model, session, perturbations, horizon=horizon, max_windows=max_windows, batch_size=batch_size
    )
    rows = [perturbation.source() for perturbation in perturbations]
    source = np.array([-1 if row is None else row for row in rows], dtype=int)
    m, target, step = np.indices(mean.shape).reshape(3, -1)
    other = source[m] != target
    name = np.array([*session.neuron_id, ""], dtype=object)
    return pd.DataFrame(
        {
            "source": name[source[m][other]],
            "target": name[target[other]],
            "step": step[other] + 1,
            "effect": mean.flatten().cpu().numpy()[other],
            "error": error.flatten().cpu().numpy()[other],
        }
    )


def effect_matrix(
    model: Forecaster,
    session: Session,
    perturbation: Callable[[int], Perturbation] = Drive,
    *,
    step: int = 1,
    max_windows: int = 256,
    batch_size: int = 32,
) -> Tensor:
    r"""Computes the effect of each neuron on each other: a connectivity of any forecaster.

    With a pulse of size 1 and one step, it is :math:`C_1` for a vector autoregression. Divided by the size of a small
    pulse, it is the mean Jacobian :math:`\langle \partial \hat a_i(t + 1) / \partial a_j(t) \rangle` of any model. For
    SynapsNet, the Jacobian is the connectivity plus effects through the common drive, if there is one.

    Args:
        model: Fitted forecaster of any kind.
        session: Part in which the roll-outs start, standardised as in training.
        perturbation: Function from a neuron's row to its perturbation: ``Drive``, ``Silence``, or one with other
            arguments, such as ``lambda neuron: Drive(neuron, amount=0.1)``.
        step: Number of bins ahead.
        max_windows: Largest number of starting windows, evenly spread over the session.
        batch_size: Number of windows at a time; it does not change the result.

    Returns:
        Effects :math:`(N, N)`, ``[i, j]`` the effect on i of the perturbation of j, not divided by its amount.

    Raises:
        ValueError: See :func:`perturb`.

    Example:
        >>> from synapsnet_pyg.models.baselines import Copy
        >>> session = Session(torch.randn(2, 50), bin_size=0.1)
        >>> effect_matrix(Copy([session]), session, lambda neuron: Drive(neuron, amount=0.5)).round(decimals=4)
        tensor([[0.5000, 0.0000],
                [0.0000, 0.5000]])
    """
    perturbations = [perturbation(neuron) for neuron in range(session.num_neurons)]
    mean, _ = _differences(model, session, perturbations, horizon=step, max_windows=max_windows, batch_size=batch_size)
    return mean[:, :, -1].t().to(session.activity)


class Responses(NamedTuple):
    """Effects of a perturbation on the forecasts of S starting windows, and what entered the model."""

    difference: Tensor
    """Perturbed minus unperturbed forecast of each window, in float64: [S, N, H]."""
    inputs: Tensor
    """Newest bin that enters each step of the unperturbed roll-out, mean over windows: [N, H]."""
    perturbed_inputs: Tensor
    """Newest bin that enters each step of the perturbed roll-out, mean over windows: [N, H]."""


@torch.no_grad()
def responses(
    model: Forecaster,
    session: Session,
    perturbations: Sequence[Perturbation],
    *,
    horizon: int = 1,
    max_windows: int = 256,
    batch_size: int = 32,
    counts: bool = False,
) -> Iterator[Responses]:
    """Yields the responses to each perturbation in the same starting windows; arguments as in :func:`perturb`."""
    for perturbation in perturbations:
        perturbation.check(session)
    if horizon < 1 or max_windows < 1:
        raise ValueError(
            f"Expected a horizon of at least 1 bin and at least 1 starting window (got {horizon} and {max_windows})."
        )
    windows = every_window(session, model.window)
    count = min(len(windows), max_windows)
    chosen = torch.linspace(0, len(windows) - 1, count).round().long()
    changed = [perturbation.model(model, session) for perturbation in perturbations]
    batches = [windows.gather(batch) for batch in chosen.split(batch_size)]
    start = torch.cat([window.activity[..., -1] for window in batches])

    def rolled_out(model: Callable[[Window], Forecast], shown: Callable[[Tensor, int], Tensor]) -> Tensor:
        """Returns the forecasts of all windows [S, N, H]."""
        forecasts = []
        for seed, window in enumerate(batches):
            fed = _as_counts(shown, session, seed) if counts else shown
            forecasts.append(roll_out(model, window, horizon, shown=fed))
        return torch.cat(forecasts)

    with evaluating(model):
        unperturbed = rolled_out(model, lambda newest, step: newest)
    for perturbation, other in steps("perturb", list(zip(perturbations, changed, strict=True))):
        shown = partial(perturbation.shown, session=session)
        with evaluating(model):
            perturbed = rolled_out(other, shown)
        newest = [start, *perturbed.unbind(-1)[:-1]]
        yield Responses(
            (perturbed - unperturbed).double(),
            torch.cat([start[..., None], unperturbed[..., :-1]], -1).mean(0),
            torch.stack([shown(bin, step).mean(0) for step, bin in enumerate(newest)], -1),
        )


def _as_counts(shown: Callable[[Tensor, int], Tensor], session: Session, seed: int) -> Callable[[Tensor, int], Tensor]:
    """Returns a function of newest bin and step that draws Poisson counts with the forecast mean before ``shown``."""
    from scipy.stats import poisson  # 40 MB, which no other command needs

    random = torch.Generator().manual_seed(seed)
    standardised = "activity_scale" in session

    def drawn(newest: Tensor, step: int) -> Tensor:
        """Returns the recorded bin at the first step, then counts."""
        if step:
            rate = newest * session.activity_scale + session.activity_mean if standardised else newest
            # Quantiles of the same uniform numbers are close where the rates are close.
            uniform = torch.rand(newest.shape, generator=random, dtype=torch.float64)
            values = poisson.ppf(uniform.numpy(), rate.clamp_min(0).double().cpu().numpy())
            newest = torch.from_numpy(values).to(newest)
            newest = (newest - session.activity_mean) / session.activity_scale if standardised else newest
        return shown(newest, step)

    return drawn


def _differences(
    model: Forecaster,
    session: Session,
    perturbations: Sequence[Perturbation],
    *,
    horizon: int,
    max_windows: int,
    batch_size: int,
) -> Effect:
    """Computes effect and error of M perturbations, [M, N, H] each."""
    found = [
        (response.difference.mean(0), _standard_error(response.difference))
        for response in responses(
            model, session, perturbations, horizon=horizon, max_windows=max_windows, batch_size=batch_size
        )
    ]
    if not found:
        empty = session.activity.new_zeros(0, session.num_neurons, horizon, dtype=torch.float64)
        return Effect(empty, empty)
    return Effect(*map(torch.stack, zip(*found, strict=True)))


def _standard_error(difference: Tensor) -> Tensor:
    """Returns the standard error of the mean over windows [N, H], as if they were independent; NaN for one window."""
    count = len(difference)
    if count == 1:
        return torch.full_like(difference[0], torch.nan)
    return difference.std(0) / count**0.5
