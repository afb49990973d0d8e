"""Intervals of the effects of perturbations: starting states, learned weights, seeds."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pandas as pd
import torch
from scipy.special import stdtr, stdtrit
from torch import Tensor

from synapsnet_pyg.analysis.false_discovery import benjamini_hochberg
from synapsnet_pyg.analysis.perturbation import Responses, effect_matrix, responses
from synapsnet_pyg.analysis.perturbation_kinds import Drive, Perturbation, silent_activity
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.data.windows import every_window
from synapsnet_pyg.models.forecaster import Forecaster


@dataclass(frozen=True)
class EffectIntervals:
    """Effects of M perturbations on N neurons, H bins ahead, with intervals.

    Tensors are [M, N, H] in float64, in the unit of the session's activity.

    Attributes:
        effect: Mean effect over starting windows and models.
        error: Standard error of the effect from all sources.
        state_error: Part of it from the choice of the starting windows.
        weight_error: Part of it from the learned weights, to first order; zero if their errors were not given.
        seed_deviation: Deviation of the effect over models of several seeds; zero for one model.
        low: Lower end of the interval.
        high: Upper end of the interval.
        p_value: Two-sided p-value of no effect; NaN if the errors of the weights were not given, because the effect in
            a given model is then known too well.
        q_value: Smallest false discovery rate at which the effect is significant, over all effects on neurons other
            than the perturbed one.
        level: Share of such intervals that hold the true effect.
    """

    effect: Tensor
    error: Tensor
    state_error: Tensor
    weight_error: Tensor
    seed_deviation: Tensor
    low: Tensor
    high: Tensor
    p_value: Tensor
    q_value: Tensor
    level: float

    def table(self, session: Session, perturbations: Sequence[Perturbation]) -> "pd.DataFrame":
        """Returns a row for each perturbation, target and step, without the perturbed neuron itself.

        Args:
            session: Session of the effects.
            perturbations: Perturbations of the effects, in order.

        Returns:
            Columns ``perturbation`` (its kind), ``source`` (id of the perturbed neuron, or SENDER:RECEIVER of a removed
            edge), ``target``, ``step`` (bins ahead, from 1), ``seconds``, ``effect``, ``error``, ``low``, ``high``,
            ``p_value`` and ``q_value``. A standardised session adds ``recorded_effect``, ``recorded_error``,
            ``recorded_low`` and ``recorded_high`` in the unit of the recording, such as spikes per bin.
        """
        kept = _others(self.effect, perturbations)
        m, target, step = torch.nonzero(kept, as_tuple=True)
        sources = [perturbation.source_name(session) for perturbation in perturbations]
        columns: dict[str, object] = {
            "perturbation": [perturbations[k].kind for k in m.tolist()],
            "source": [sources[k] for k in m.tolist()],
            "target": [session.neuron_id[k] for k in target.tolist()],
            "step": (step + 1).numpy(),
            "seconds": ((step + 1) * session.bin_size).numpy(),
        }
        for name in ("effect", "error", "low", "high", "p_value", "q_value"):
            columns[name] = getattr(self, name)[kept].cpu().numpy()
        if "activity_scale" in session:
            scale = session.activity_scale.double()[target]
            for name in ("effect", "error", "low", "high"):
                columns[f"recorded_{name}"] = (getattr(self, name)[kept] * scale).cpu().numpy()
        return pd.DataFrame(columns)


def effect_intervals(
    models: Forecaster | Sequence[Forecaster],
    session: Session,
    perturbations: Iterable[Perturbation],
    *,
    horizon: int = 1,
    weight_errors: Tensor | None = None,
    level: float = 0.95,
    blocks: int = 20,
    max_windows: int = 256,
    batch_size: int = 32,
    counts: bool = False,
) -> EffectIntervals:
    r"""Computes the effects of perturbations with intervals.

    .. math::
        \sigma_i^2(h) = \underbrace{\frac{1}{K (K - 1)} \sum_k \big(\bar e_{ik}(h) - e_i(h)\big)^2}_{\text{starting
        states}} + \underbrace{\sum_{ab} s_{ab}^2 \Big( \sum_{k=1}^{h} \big[J^{h-k}\big]_{ia}\, x_b(k) \Big)^2
        }_{\text{learned weights}} + \underbrace{\operatorname{Var}_r\, e_{ir}(h)}_{\text{seeds}}

    - **Starting states.** Windows are grouped into K blocks of consecutive windows, with means :math:`\bar e_k`. The
      variance is that of a bootstrap of the blocks with infinitely many samples, times K / (K - 1). Windows that
      follow each other may have similar effects; blocks must be longer than such similarity lasts.
    - **Learned weights.** A weight with standard error :math:`s_{ab}` changes the effect to first order through the
      change :math:`x_b(k)` of the sender's activity that enters step k, and through the mean Jacobian J of the forecast
      with respect to the newest bin. Errors of different weights are taken as independent; memory of earlier bins than
      the newest is left out. The errors are of weights without the shrinkage of training, which draws effects towards
      zero.
    - **Seeds.** With several models, the effect is the mean over them, and their variance is added in full (total
      variance), so that the interval holds for a fit of any seed.

    The interval is the effect :math:`\pm\, t_\nu\, \sigma`, with the degrees of freedom :math:`\nu` of Welch and
    Satterthwaite. It does not cover influences of unrecorded neurons, the estimation of the common drive, nor errors of
    the model's form.

    Args:
        models: Fitted forecaster, or several fits of the same session with different seeds.
        session: Part in which the roll-outs start, standardised as in training.
        perturbations: Perturbations, applied one at a time.
        horizon: Number of bins ahead H; behaviour keeps its last value.
        weight_errors: Standard errors of the weights :math:`(N, N)`, such as ``EdgeSignificance.error`` of the training
            part; NaN, as on the diagonal, counts as the mean error of that receiver. None: the interval is conditional
            on the weights, and there are no p-values.
        level: Share of the intervals that hold the true effect, such as 0.95.
        blocks: Number of blocks K of starting windows, 2 or more; fewer if there are fewer windows.
        max_windows: Largest number of starting windows, evenly spread over the session.
        batch_size: Number of windows at a time; it changes the result only with ``counts``.
        counts: Whether forecasts enter the next step as Poisson counts, see
            :func:`~synapsnet_pyg.analysis.perturbation.perturb`.

    Raises:
        ValueError: A number is out of range, there is no such neuron or edge, ``weight_errors`` has another shape, or
            the session has fewer than 2 windows.

    Example:
        >>> from synapsnet_pyg.analysis.perturbation_kinds import Drive
        >>> from synapsnet_pyg.models.linear import VectorAutoregression
        >>> session = Session(torch.randn(3, 200, generator=torch.Generator().manual_seed(0)), bin_size=0.1)
        >>> model = VectorAutoregression([session], 1)
        >>> _ = model.initialise({"session": session}, {"session": session})
        >>> found = effect_intervals(model, session, [Drive(0)], weight_errors=torch.full((3, 3), 0.07))
        >>> found.error[0, :, 0]
        tensor([0.0700, 0.0700, 0.0700], dtype=torch.float64)
    """
    fits = [models] if isinstance(models, Forecaster) else list(models)
    perturbations = list(perturbations)
    N = session.num_neurons
    if blocks < 2 or not 0 < level < 1:
        raise ValueError(f"Expected at least 2 blocks and a level between 0 and 1 (got {blocks} and {level}).")
    if weight_errors is not None and weight_errors.shape != (N, N):
        raise ValueError(f"Expected errors of the weights [{N}, {N}] (got {list(weight_errors.shape)}).")
    jacobian = None
    if weight_errors is not None and horizon > 1:
        jacobian = torch.stack([_jacobian(model, session) for model in fits]).mean(0)
    count = min(len(every_window(session, max(model.window for model in fits))), max_windows)
    if count < 2:
        raise ValueError(f"Expected at least 2 starting windows (got {count}); take more windows or a longer session.")
    K = min(blocks, count)
    found = [_Parts(session, K) for _ in perturbations]
    for model in fits:
        each = responses(
            model,
            session,
            perturbations,
            horizon=horizon,
            max_windows=max_windows,
            batch_size=batch_size,
            counts=counts,
        )
        for parts, perturbation, response in zip(found, perturbations, each, strict=True):
            parts.add(perturbation, response)
    effect = torch.stack([parts.effect() for parts in found])
    state_error = torch.stack([parts.state_error() for parts in found])
    seeds = torch.stack([parts.seed_deviation() for parts in found])
    weights = torch.zeros_like(effect)
    if weight_errors is not None:
        known = weight_errors.double().cpu()
        variance = torch.where(known.isnan(), known.nanmean(1, keepdim=True), known).nan_to_num().square()
        weights = torch.stack([_weight_error(parts, variance, jacobian) for parts in found])
    error = (state_error.square() + weights.square() + seeds.square()).sqrt()
    freedom = _freedom(error, state_error, K, seeds, len(fits))
    half = torch.from_numpy(stdtrit(freedom.numpy(), 0.5 + level / 2)) * error
    p = torch.full_like(effect, torch.nan) if weight_errors is None else _p_values(effect, error, freedom)
    others = _others(effect, perturbations)
    q = torch.from_numpy(benjamini_hochberg(p.where(others, torch.nan).numpy()))
    return EffectIntervals(
        effect=effect,
        error=error,
        state_error=state_error,
        weight_error=weights,
        seed_deviation=seeds,
        low=effect - half,
        high=effect + half,
        p_value=p,
        q_value=q,
        level=level,
    )


class _Parts:
    """Responses to one perturbation, summed over models.

    Args:
        session: Session of the responses.
        blocks: Number of blocks K of starting windows.
    """

    def __init__(self, session: Session, blocks: int) -> None:
        self.session, self.blocks = session, blocks
        self.means: list[Tensor] = []
        self.block_means: list[Tensor] = []
        self.kept: list[Tensor] = []
        self.lost: Tensor | None = None
        self.removed: Tensor | None = None

    def add(self, perturbation: Perturbation, response: Responses) -> None:
        """Adds the response of one model."""
        self.means.append(response.difference.mean(0).cpu())
        means = torch.stack([block.mean(0) for block in response.difference.tensor_split(self.blocks)]).cpu()
        self.block_means = [means + self.block_means[0] if self.block_means else means]
        self.kept.append((response.perturbed_inputs - response.inputs).double().cpu())
        self.removed = perturbation.removed(self.session)
        if self.removed is not None:
            lost = (silent_activity(self.session)[:, None] - response.inputs).double().cpu()
            self.lost = lost if self.lost is None else self.lost + lost

    def effect(self) -> Tensor:
        """Returns the mean effect over windows and models [N, H]."""
        return torch.stack(self.means).mean(0)

    def state_error(self) -> Tensor:
        """Returns the standard error of the mean over windows [N, H], from blocks of consecutive windows."""
        return self.block_means[0].std(0) / len(self.means) / self.blocks**0.5

    def seed_deviation(self) -> Tensor:
        """Returns the deviation of the effect over models [N, H]; zero for one model."""
        means = torch.stack(self.means)
        return means.std(0) if len(means) > 1 else torch.zeros_like(means[0])

    def changes(self) -> tuple[Tensor, Tensor | None]:
        """Returns the mean change of what each sender sends at each step [N, H]: by kept and by removed edges."""
        count = len(self.means)
        return torch.stack(self.kept).mean(0), None if self.lost is None else self.lost / count


def _jacobian(model: Forecaster, session: Session, pulse: float = 0.1) -> Tensor:
    """Returns the mean Jacobian [N, N] by small pulses, which need less memory than backward passes of many neurons."""
    effects = effect_matrix(model, session, lambda neuron: Drive(neuron, pulse), max_windows=64, batch_size=64)
    return effects.double().cpu() / pulse


def _weight_error(parts: _Parts, variance: Tensor, jacobian: Tensor | None) -> Tensor:
    """Returns the standard error of an effect [N, H] from independent errors of the weights, to first order.

    Args:
        parts: Responses to the perturbation.
        variance: Squared standard errors of the weights :math:`(N, N)`.
        jacobian: Mean Jacobian J of the forecast :math:`(N, N)`; None for a horizon of one bin.
    """
    kept, lost = parts.changes()
    N, H = kept.shape
    powers = [torch.eye(N, dtype=variance.dtype)]
    for _ in range(H - 1):
        assert jacobian is not None
        powers.append(jacobian @ powers[-1])
    through_removed = None if parts.removed is None else torch.where(parts.removed, variance, 0.0)
    total = variance.new_zeros(N, H)
    for first in range(H):
        for second in range(first + 1):
            sent = variance @ (kept[:, first] * kept[:, second])
            if lost is not None and through_removed is not None:
                sent += through_removed @ (lost[:, first] * lost[:, second] - kept[:, first] * kept[:, second])
            twice = 1 if first == second else 2  # the sum is symmetric in both steps
            for h in range(first, H):
                total[:, h] += twice * ((powers[h - first] * powers[h - second]) @ sent)
    return total.clamp_min(0).sqrt()


def _freedom(error: Tensor, state_error: Tensor, blocks: int, seeds: Tensor, models: int) -> Tensor:
    """Returns the degrees of freedom of the error by Welch and Satterthwaite; errors of the weights are normal."""
    denominator = state_error**4 / (blocks - 1) + seeds**4 / max(models - 1, 1)
    return (error**4 / denominator.clamp_min(1e-300)).nan_to_num().clamp(1, 1e9)


def _p_values(effect: Tensor, error: Tensor, freedom: Tensor) -> Tensor:
    """Returns two-sided p-values of Student's t; 1 for an effect of exactly zero."""
    ratio = torch.where(effect == 0, 0.0, effect.abs() / error)
    return torch.from_numpy(2 * stdtr(freedom.numpy(), -ratio.numpy()))


def _others(effect: Tensor, perturbations: Sequence[Perturbation]) -> Tensor:
    """Returns a mask [M, N, H] of the effects on neurons other than the perturbed one."""
    mask = torch.ones_like(effect, dtype=torch.bool)
    for m, perturbation in enumerate(perturbations):
        row = perturbation.source()
        if row is not None:
            mask[m, row] = False
    return mask
