"""Signs of neurons: does a neuron excite or inhibit the neurons that it drives?"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from scipy.special import ndtr, stdtr, stdtrit

from synapsnet_pyg.analysis.blocks import groups_of
from synapsnet_pyg.analysis.false_discovery import benjamini_hochberg
from synapsnet_pyg.analysis.significance import EdgeSignificance
from synapsnet_pyg.connectivity.partial_correlation import PartialCorrelation
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.models.forecaster import Forecaster
from synapsnet_pyg.models.forecasting import forecast_session

SIGNS = ("excites", "inhibits", "undecided")
"""Signs of neurons in tables."""


@dataclass(frozen=True)
class NeuronSigns:
    """Signs of the neurons of a session.

    Attributes:
        table: Table with a row for each neuron.
        ratio: Mean ratio of effect and partial correlation in the same bin, over senders.
        ratio_deviation: Standard deviation of this ratio between senders.
        rate: False discovery rate of the neurons that have a sign.
    """

    table: "pd.DataFrame"
    ratio: float
    ratio_deviation: float
    rate: float

    @property
    def message(self) -> str:
        """Sentence on the number of neurons of each sign."""
        count = self.table["sign"].value_counts()
        excites, inhibits, undecided = (int(count.get(sign, 0)) for sign in SIGNS)
        return (
            f"{excites} neurons excite, {inhibits} inhibit, {undecided} are undecided at a false discovery rate of "
            f"{100 * self.rate:g} %."
        )


def neuron_signs(
    model: Forecaster, session: Session, edges: EdgeSignificance, *, targets: int = 1, rate: float = 0.05
) -> NeuronSigns:
    r"""Tests for every neuron whether its outgoing effects have one sign that common input cannot explain.

    .. math::
        e_j = \sum_i v_{ij} D_{ij}, \quad v_{ij} = \frac{s_{ij}^{-2}}{\sum_k s_{kj}^{-2}}, \qquad
        \mathrm{var}(e_j) = \sum_{ik} v_{ij} s_{ij}\, R_{ik}\, s_{kj} v_{kj}, \qquad
        m_j = \kappa \sum_i v_{ij} P_{ij}

    with D the effects one bin ahead, s their standard errors, and R the correlation of the receivers' forecast errors,
    since errors of effects on receivers with shared noise are not independent.

    Common input makes the spikes of neurons coincide. Where it lasts longer than a bin, an effect one bin ahead mirrors
    the partial correlation P of the same bin, whatever the neuron's own sign. :math:`\kappa` is the mean over senders
    of the slope of effects on partial correlations, :math:`\sigma_\kappa` the deviation between senders. A neuron
    excites or inhibits only if two things hold: the mean effect :math:`e_j` differs from zero, and the part beyond the
    mirrored one, :math:`e_j - m_j`, has the same sign and differs from zero (Student's t with N - 1 degrees of freedom
    and the variance :math:`\mathrm{var}(e_j) + (\sigma_\kappa m_j / \kappa)^2`). The p-value is the larger of the two.

    An input that reaches one neuron a bin before the others cannot be distinguished from an effect of this neuron.

    Args:
        model: Fitted model.
        session: Training part, standardised.
        edges: Result of :func:`~synapsnet_pyg.analysis.significance.edge_significance` for this part.
        targets: Number of bins P forecast in one window, as in training.
        rate: False discovery rate of the neurons that have a sign.

    Returns:
        Table with a row for each neuron, with ``neuron_id``, the session's fields, and

        ====================  ======================================================================================
        receivers             number of receivers whose effects were tested
        effect, error         mean outgoing effect :math:`e_j`, weighted by precision, and its standard error
        positive_share        share of the receivers with a positive effect
        same_bin              mean partial correlation with these receivers in the same bin
        mirrored              part of the effect that mirrors it, :math:`m_j`
        beyond, beyond_error  effect beyond the mirrored part, and its standard error
        p_value, q_value      test of the sign, two-sided, and its false discovery rate (Benjamini-Hochberg)
        sign                  ``excites``, ``inhibits`` or ``undecided``
        ====================  ======================================================================================

    Raises:
        ValueError: The session has another number of neurons than ``edges``, or ``rate`` is not between 0 and 1.

    References:
        Dale (1935), Pharmacology and nerve-endings (one sign for each neuron).

    Example:
        >>> from synapsnet_pyg.analysis.significance import edge_significance
        >>> from synapsnet_pyg.models.registry import build_model
        >>> from synapsnet_pyg.simulations.neuropixels import simulate_neuropixels
        >>> session = simulate_neuropixels(bins=3000, neurons=30, recorded=30).standardise()
        >>> split, model = session.split(), build_model("var1", [session])
        >>> _ = model.initialise({session.name: split.train}, {session.name: split.validation})
        >>> edges = edge_significance(split.train, resamples=10)
        >>> signs = neuron_signs(model, split.train, edges)
        >>> signs.table["sign"].isin(SIGNS).all().item(), len(signs.table)
        (True, 30)
    """
    N = session.num_neurons
    if edges.effect.shape != (N, N):
        raise ValueError(f"Expected tests of {N} neurons (got {list(edges.effect.shape)}); test this session's edges.")
    if not 0 < rate < 1:
        raise ValueError(f"Expected a rate between 0 and 1, such as 0.05 (got {rate}).")
    tested = edges.p_value.isfinite().numpy()
    effect, error, same_bin = (
        np.where(tested, matrix.nan_to_num().double().numpy(), 0.0)
        for matrix in (edges.effect, edges.error, PartialCorrelation().fit(session).connectivity_)
    )
    precision = np.divide(1, np.square(error), out=np.zeros_like(error), where=error > 0)
    weight = precision / precision.sum(0).clip(1e-300)
    has_receivers = precision.sum(0) > 0
    mean, mean_same_bin = (np.where(has_receivers, (weight * values).sum(0), np.nan) for values in (effect, same_bin))
    loaded = weight * error
    variance = (loaded * (_error_correlation(model, session, targets) @ loaded)).sum(0)
    mean_error = np.where(has_receivers, np.sqrt(variance.clip(0)), np.nan)

    square = np.square(same_bin).sum(0)
    slope = (effect * same_bin).sum(0)[square > 0] / square[square > 0]
    ratio, spread = (float(slope.mean()), float(slope.std(ddof=1))) if len(slope) > 1 else (0.0, 0.0)
    mirrored = ratio * mean_same_bin
    beyond, beyond_error = mean - mirrored, np.hypot(mean_error, spread * mean_same_bin)
    with np.errstate(invalid="ignore", divide="ignore"):
        p_effect = 2 * ndtr(-np.abs(mean / mean_error))
        p_beyond = 2 * stdtr(max(N - 1, 1), -np.abs(beyond / beyond_error))
    p_value = np.where(np.sign(mean) == np.sign(beyond), np.maximum(p_effect, p_beyond), 1.0)
    p_value = np.where(np.isnan(p_effect) | np.isnan(p_beyond), np.nan, p_value)
    q_value = benjamini_hochberg(p_value)
    called = np.nan_to_num(q_value, nan=1.0) <= rate
    receivers = tested.sum(0)
    table = pd.DataFrame(
        {
            "neuron_id": session.neuron_id,
            **session.neuron_columns,
            "receivers": receivers,
            "effect": mean,
            "error": mean_error,
            "positive_share": np.where(receivers > 0, (effect > 0).sum(0) / receivers.clip(1), np.nan),
            "same_bin": mean_same_bin,
            "mirrored": mirrored,
            "beyond": beyond,
            "beyond_error": beyond_error,
            "p_value": p_value,
            "q_value": q_value,
            "sign": np.where(called, np.where(mean > 0, SIGNS[0], SIGNS[1]), SIGNS[2]),
        }
    )
    return NeuronSigns(table, ratio, spread, rate)


def signs_by_group(session: Session, signs: NeuronSigns, field: str) -> "pd.DataFrame":
    r"""Compares the outgoing effects of each group of neurons with those of all other neurons.

    .. math::
        \Delta = \bar b_g - \bar b_{rest}, \qquad
        \mathrm{var}(\Delta) = \frac{\mathrm{var}_g(b)}{n_g} + \frac{\mathrm{var}_{rest}(b)}{n_{rest}}

    with b the effect beyond the mirrored part of each neuron (:func:`neuron_signs`). Neurons are the sample, with
    Welch's degrees of freedom. A group of one neuron is compared with the distribution of the others.

    Args:
        session: Session of the neurons.
        signs: Result of :func:`neuron_signs` for a part of this session.
        field: Field that groups the neurons, such as ``cell_type``; neurons without a value belong to the rest.

    Returns:
        Table with a row for each group, and these columns.

        =============================  =============================================================================
        group                          name of the group
        neurons, rest                  number of its neurons and of all others, with an effect
        excites, inhibits, undecided   number of its neurons of each sign
        mean_effect, mean_beyond       mean outgoing effect, and mean effect beyond the mirrored part
        difference                     mean effect beyond the mirrored part minus that of the rest
        low, high                      95 % confidence interval of the difference, over neurons
        p_value, q_value               test of the difference against zero, two-sided, and its false discovery rate
        =============================  =============================================================================

    Raises:
        ValueError: There is no such field, or it is empty.

    Example:
        >>> import torch
        >>> beyond, sign = [0.1, 0.2, -0.3, -0.4], ["excites", "excites", "inhibits", "undecided"]
        >>> table = pd.DataFrame({"effect": beyond, "beyond": beyond, "sign": sign})
        >>> session = Session(torch.zeros(4, 9), bin_size=0.1, cell_type=["E", "E", "I", "I"])
        >>> groups = signs_by_group(session, NeuronSigns(table, 0.0, 0.0, 0.05), "cell_type")
        >>> groups[["group", "neurons", "rest", "excites", "inhibits", "difference", "low", "high"]].round(2)
          group  neurons  rest  excites  inhibits  difference  low  high
        0     E        2     2        2         0         0.5  0.2   0.8
        1     I        2     2        0         1        -0.5 -0.8  -0.2
    """
    groups, beyond = groups_of(session, field, None), signs.table["beyond"].to_numpy(float)
    effect, sign = signs.table["effect"].to_numpy(float), signs.table["sign"].to_numpy()
    known = np.isfinite(beyond)
    rows = []
    for code, name in enumerate(groups.name.tolist()):
        inside, outside = (groups.code == code) & known, (groups.code != code) & known
        difference, error, freedom = _difference(beyond[inside], beyond[outside])
        half = float(stdtrit(freedom, 0.975)) * error
        rows.append(
            {
                "group": name,
                "neurons": int(inside.sum()),
                "rest": int(outside.sum()),
                **{kind: int(((groups.code == code) & (sign == kind)).sum()) for kind in SIGNS},
                "mean_effect": effect[inside].mean() if inside.any() else np.nan,
                "mean_beyond": beyond[inside].mean() if inside.any() else np.nan,
                "difference": difference,
                "low": difference - half,
                "high": difference + half,
                "p_value": 2 * float(stdtr(freedom, -abs(difference) / error)) if error > 0 else np.nan,
            }
        )
    table = pd.DataFrame(rows)
    return table.assign(q_value=benjamini_hochberg(table["p_value"]))


def _error_correlation(model: Forecaster, session: Session, targets: int) -> np.ndarray:
    """Returns the correlation of the neurons' forecast errors [N, N], 0 for neurons without errors."""
    forecast = forecast_session(model, session, targets)
    errors = forecast.forecast.sub_(forecast.truth)  # of opposite sign, without a further recording in memory
    errors -= errors.mean(1, keepdim=True)
    covariance = torch.zeros(len(errors), len(errors), dtype=torch.float64)
    for part in errors.split(1024, 1):
        covariance.addmm_(part.double(), part.double().t())
    scale = covariance.diagonal().rsqrt()
    return np.nan_to_num((covariance * torch.outer(scale, scale)).numpy())


def _difference(values: np.ndarray, others: np.ndarray) -> tuple[float, float, float]:
    """Returns the difference of two means, its standard error and degrees of freedom; NaN if it is not known."""
    n, m = len(values), len(others)
    if min(n, m) < 1 or n + m < 3:
        return float("nan"), float("nan"), float("nan")
    difference = float(values.mean() - others.mean())
    if min(n, m) == 1:
        spread = values if n > 1 else others
        return difference, float(spread.std(ddof=1) * (1 / n + 1 / m) ** 0.5), n + m - 2.0
    first, second = values.var(ddof=1) / n, others.var(ddof=1) / m
    freedom = (first + second) ** 2 / max(first**2 / (n - 1) + second**2 / (m - 1), 1e-300)
    return difference, float((first + second) ** 0.5), float(freedom)
