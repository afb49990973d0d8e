"""Perturbations in silico: effects of silencing or driving a neuron, or of removing an edge."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.data.windows import Window, every_window
from synapsnet_pyg.models.forecaster import Forecast, Forecaster
from synapsnet_pyg.models.forecasting import roll_out
from synapsnet_pyg.nn.evaluating import evaluating


@dataclass(frozen=True)
class Perturbation:
    """Base class of all perturbations; a subclass changes the activity that enters the model, or the model.

    Args:
        neuron: Row of the perturbed neuron.
    """

    neuron: int

    def shown(self, newest: Tensor, step: int, session: Session) -> Tensor:
        """Returns the newest bin [B, N] as input of a step of the roll-out; steps count from 0."""
        return newest

    def model(self, model: Forecaster, session: Session) -> Callable[[Window], Forecast]:
        """Returns the model for the roll-out."""
        return model


@dataclass(frozen=True)
class Silence(Perturbation):
    """Perturbation that holds a neuron at one value from the newest bin on; earlier bins are as recorded.

    Args:
        neuron: Row of the neuron.
        value: Value in the unit of the session's activity; None: zero activity before standardisation.
    """

    value: float | None = None

    def shown(self, newest: Tensor, step: int, session: Session) -> Tensor:
        """Returns the newest bin with the neuron at its value."""
        return _with(newest, self.neuron, _silent(session)[self.neuron] if self.value is None else self.value)


@dataclass(frozen=True)
class Drive(Perturbation):
    """Perturbation that adds activity to a neuron.

    Args:
        neuron: Row of the neuron.
        amount: Added activity, in the unit of the session's activity (standard deviations if standardised).
        held: Whether the amount is added at every step of the roll-out; False: a pulse at the first step.
    """

    amount: float = 1.0
    held: bool = False

    def shown(self, newest: Tensor, step: int, session: Session) -> Tensor:
        """Returns the newest bin with the amount added to the neuron."""
        return _with(newest, self.neuron, newest[:, self.neuron] + self.amount) if self.held or step == 0 else newest


@dataclass(frozen=True)
class RemoveEdge(Perturbation):
    """Perturbation that sets the weight from a neuron to a receiver to zero; the common drive does not change.

    Args:
        neuron: Row of the sender.
        receiver: Row of the receiver.
    """

    receiver: int

    def model(self, model: Forecaster, session: Session) -> Callable[[Window], Forecast]:
        """Returns a copy of the model with that weight at zero.

        Raises:
            ValueError: The model has no weight of that edge.
        """
        return model.without_edge(session.name, self.neuron, self.receiver)


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
) -> Effect:
    r"""Rolls a model out with and without a perturbation, and returns the difference.

    .. math::
        e_i(h) = \big\langle \hat a_i^{\text{perturbed}}(t + h) - \hat a_i(t + h) \big\rangle_t, \quad h = 1 \ldots H

    This is an effect in the *model*. Real neurons respond alike only if unrecorded neurons do not cause the learned
    weights. On a simulation,
    :func:`~synapsnet_pyg.simulations.population.true_effect` gives the true effect.

    Args:
        model: Fitted forecaster of any kind.
        session: Part in which the roll-outs start, standardised as in training.
        perturbation: :class:`Silence`, :class:`Drive` or :class:`RemoveEdge`.
        horizon: Number of bins ahead H; behaviour keeps its last value.
        max_windows: Largest number of starting windows, evenly spread over the session.
        batch_size: Number of windows at a time; it does not change the result.

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
    mean, error = _differences(
        model, session, [perturbation], horizon=horizon, max_windows=max_windows, batch_size=batch_size
    )
    return Effect(mean[0], error[0])


def effect_table(
    model: Forecaster,
    session: Session,
    perturbations: Iterable[Perturbation],
    *,
    horizon: int = 1,
    max_windows: int = 256,
    batch_size: int = 32,
) -> pd.DataFrame:
    """Computes a table of the effects of several perturbations on all other neurons, by :func:`perturb`.

    Args:
        model: Fitted forecaster of any kind.
        session: Part in which the roll-outs start, standardised as in training.
        perturbations: Perturbations, applied one at a time.
        horizon: Number of bins ahead H; behaviour keeps its last value.
        max_windows: Largest number of starting windows, evenly spread over the session.
        batch_size: Number of windows at a time; it does not change the result.

    Returns:
        Columns ``source`` (id of the perturbed neuron), ``target`` (id of another neuron), ``step`` (bins ahead, from
        1), ``effect`` and ``error`` (its standard error).

    Raises:
        ValueError: See :func:`perturb`.

    Example:
        >>> from synapsnet_pyg.models.baselines import Copy
        >>> session = Session(torch.randn(3, 50), bin_size=0.1, neuron_id=["a", "b", "c"])
        >>> effect_table(Copy([session]), session, [Silence(0), Drive(1)])
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
    source = np.array([perturbation.neuron for perturbation in perturbations], dtype=int)
    m, target, step = np.indices(mean.shape).reshape(3, -1)
    other = source[m] != target
    name = np.array(session.neuron_id, dtype=object)
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
        perturbation: Function from a neuron's row to its perturbation: :class:`Drive`, :class:`Silence`, or one with
            other arguments, such as ``lambda neuron: Drive(neuron, amount=0.1)``.
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


@torch.no_grad()
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
    _check(session, perturbations, horizon, max_windows)
    windows = every_window(session, model.window)
    count = min(len(windows), max_windows)
    chosen = torch.linspace(0, len(windows) - 1, count).round().long()
    models = [perturbation.model(model, session) for perturbation in perturbations]
    shape = (len(perturbations), session.num_neurons, horizon)
    total, squares = (session.activity.new_zeros(shape, dtype=torch.float64) for _ in range(2))
    with evaluating(model):
        for batch in chosen.split(batch_size):
            window = windows.gather(batch)
            unperturbed = roll_out(model, window, horizon)
            for m, perturbation in enumerate(perturbations):
                shown = partial(perturbation.shown, session=session)
                difference = (roll_out(models[m], window, horizon, shown=shown) - unperturbed).double()
                total[m] += difference.sum(0)
                squares[m] += difference.square().sum(0)
    mean = total / count
    variance = (squares / count - mean.square()).clamp_min(0)
    error = (variance / (count - 1)).sqrt() if count > 1 else torch.full_like(mean, torch.nan)
    return Effect(mean, error)


def _check(session: Session, perturbations: Sequence[Perturbation], horizon: int, max_windows: int) -> None:
    """Raises an error if a neuron or a number is out of range."""
    N = session.num_neurons
    for perturbation in perturbations:
        if not 0 <= perturbation.neuron < N:
            raise ValueError(f"Expected a neuron among rows 0..{N - 1} (got {perturbation.neuron}).")
    if horizon < 1 or max_windows < 1:
        raise ValueError(
            f"Expected a horizon of at least 1 bin and at least 1 starting window (got {horizon} and {max_windows})."
        )


def _silent(session: Session) -> Tensor:
    """Returns the standardised activity of a silent neuron, for each neuron: [N]."""
    if "activity_scale" not in session:
        return session.activity.new_zeros(session.num_neurons)
    return -session.activity_mean / session.activity_scale


def _with(newest: Tensor, neuron: int, value: Tensor | float) -> Tensor:
    """Returns a copy of the newest bin [B, N] with a new value of one neuron."""
    changed = newest.clone()
    changed[:, neuron] = value
    return changed
