"""Neuron whose synapses learn: a hundred weights over time, from spikes and voltage alone (NetFormer, section 4.2)."""

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.data.windows import Window, Windows, batches
from synapsnet_pyg.experiments.experiment import LEAST_SQUARES, NETFORMER, SYNAPSNET, Experiment, Key
from synapsnet_pyg.experiments.methods import least_squares
from synapsnet_pyg.experiments.seed_ensemble import to_zero, train_seed_ensemble
from synapsnet_pyg.experiments.trials import Arrays, Outcome, Trial
from synapsnet_pyg.metrics import correlation, r_squared
from synapsnet_pyg.models.forecaster import Forecaster
from synapsnet_pyg.models.netformer import NetFormer
from synapsnet_pyg.plots.canvas import Figure, make_figure
from synapsnet_pyg.plots.dynamics import draw_weight_traces
from synapsnet_pyg.plots.style import COLOURS, FORECAST
from synapsnet_pyg.runs.in_memory import fit_in_memory
from synapsnet_pyg.simulations.stdp import simulate_stdp

HISTORY = 5
"""Number of past bins in a window."""

CASE = "integrate-and-fire"
REFITTED = "least squares, anew"

PUBLISHED = {
    (CASE, NETFORMER): {"R2": "0.912 +- 0.014", "median": "0.608 +- 0.032"},
    (CASE, LEAST_SQUARES): {"R2": "0.777"},
}
"""Means over the five seeds that are printed."""


def stdp(seeds: int, epochs: int = 20, bins: int = 100_000) -> Experiment:
    """Makes the experiment on spike-timing-dependent plasticity: NetFormer, least squares and SynapsNet.

    The published score is the median agreement of learned and true weights over time (NetFormer, section 4.2).

    Args:
        seeds: Number of seeds of NetFormer; there is one recording.
        epochs: Number of epochs of NetFormer.
        bins: Number of bins of 1 ms.
    """
    smoothed = "Pearson over time between moving averages, a tenth of the recording long, of learned and true weight"
    return Experiment(
        name="stdp",
        title=f"Spike-timing-dependent plasticity, {seeds} seeds",
        scores={
            "R2": "explained variance of the voltage's forecast, last fifth of the bins.",
            "median": f"{smoothed}; all bins, median over synapses.",
            "mean": f"{smoothed}; all bins, mean over synapses.",
            "strength": "Pearson over synapses of mean learned and mean true weight. "
            f"{REFITTED}: in 19 overlapping blocks, each a tenth of the recording, without the bins where a spike "
            "has reset the voltage; compared with the mean true weights there.",
        },
        published=PUBLISHED,
        trials=[
            Trial(CASE, NETFORMER, partial(_netformer, seeds, epochs, bins)),
            Trial(CASE, LEAST_SQUARES, partial(_least_squares, bins)),
            Trial(CASE, REFITTED, partial(_refitted, bins)),
            Trial(CASE, SYNAPSNET, partial(_synapsnet, bins)),
        ],
        draw=_draw,
        settings={"seeds": seeds, "epochs": epochs, "bins": bins},
    )


def as_stimuli(session: Session) -> Session:
    """Returns the voltage as the only neuron, standardised by its training part, and the inputs as behaviours.

    Args:
        session: Recording of :func:`~synapsnet_pyg.simulations.stdp.simulate_stdp`.
    """
    voltage = session.activity[:1]
    train = voltage[:, : _train_bins(session)]
    return Session(
        (voltage - train.mean()) / train.std(),
        session.activity[1:].t().contiguous(),
        bin_size=session.bin_size,
        name=session.name,
    )


class WindowSeries(NamedTuple):
    """Time series over all windows of a recording."""

    weights: Tensor
    """Weight of each input: [K, M]."""
    forecast: Tensor
    """Forecast of the voltage: [1, M]."""


def attention_series(model: NetFormer, session: Session) -> WindowSeries:
    """Computes the attention on each stimulus, and the forecast, in every window.

    Args:
        model: NetFormer with a window of :data:`HISTORY` bins.
        session: Session of :func:`as_stimuli`.
    """
    weights, forecasts = [], []
    with torch.no_grad():
        for window in batches(_windows(session), 512):
            weights.append(model.attention(window)[:, 0, 1:])
            forecasts.append(model(window).activity[:, 0, 0])
    return WindowSeries(torch.cat(weights).t(), torch.cat(forecasts)[None])


def _windows(session: Session) -> Windows:
    return Windows(session, torch.arange(session.num_bins - HISTORY), HISTORY, 1)


def _netformer(seeds: int, epochs: int, bins: int) -> Outcome:
    recorded = simulate_stdp(bins)
    session, tokens = as_stimuli(recorded), recorded.num_neurons
    train, series = Windows(session, torch.arange(_train_bins(session) - HISTORY), HISTORY, 1), []
    for seed in range(seeds):  # one after the other: so many tokens fill a step's time alone
        torch.manual_seed(seed)
        model = NetFormer([session], HISTORY, embedding_dim=tokens, width=tokens)
        train_seed_ensemble(
            [model],
            train,
            epochs=epochs,
            batch_size=64,
            learning_rate=0.005,
            schedule=to_zero(epochs),
            seed=seed,
        )
        series.append(attention_series(model, session))
    return Outcome(
        [_scores(recorded, session, of_seed) for of_seed in series],
        {"true": smooth(recorded.edge_weight_series).numpy(), "learned": smooth(series[0].weights).numpy()},
    )


def _least_squares(bins: int) -> Outcome:
    voltage = as_stimuli(simulate_stdp(bins))
    lagged, target, train = _lagged(voltage), voltage.activity[:, HISTORY:].t(), _train_bins(voltage) - HISTORY
    weights, intercept = least_squares(lagged[:train], target[:train])
    forecast = (lagged.double() @ weights.t() + intercept).t()
    return Outcome([{"R2": _test_r_squared(voltage, forecast)}])


def _lagged(voltage: Session) -> Tensor:
    """Returns the bins of each window, those of the voltage and then of each input in order [M, (1 + K) HISTORY]."""
    rows = torch.cat([voltage.activity, voltage.behaviour.t()])
    return rows.unfold(1, HISTORY, 1)[:, :-1].permute(1, 0, 2).flatten(1)


def _refitted(bins: int) -> Outcome:
    """Fits the weights of the newest bins anew in each block, without the bins where a spike resets the voltage."""
    session = simulate_stdp(bins)
    voltage = as_stimuli(session)
    lagged, target = _lagged(voltage), voltage.activity[:, HISTORY:].t()
    integrates = session.activity[0, HISTORY:] > session.activity[0].min()
    true_weight = session.edge_weight_series[:, HISTORY - 1 : -1]
    learned, true = [], []
    for block in torch.arange(len(target)).unfold(0, len(target) // 10, len(target) // 20):
        kept = block[integrates[block]]
        weights, _ = least_squares(lagged[kept], target[kept])
        learned.append(weights.view(-1, HISTORY)[1:, -1])
        true.append(true_weight[:, block].double().mean(1))
    return Outcome([_agreement(torch.stack(true, dim=1), torch.stack(learned, dim=1))])


def _synapsnet(bins: int) -> Outcome:
    """Fits SynapsNet to voltage and inputs as neurons, and reads the effects on the voltage in each bin."""
    recorded = simulate_stdp(bins)
    fitted = fit_in_memory(recorded, seed=0)
    weights, forecasts = [], []
    for window in batches(_windows(fitted.session), 512):
        effect, forecast = _effect_on_first(fitted.model, window)
        weights.append(effect[:, 1:])
        forecasts.append(forecast)
    series = WindowSeries(torch.cat(weights).t(), torch.cat(forecasts)[None])
    return Outcome([_scores(recorded, fitted.session, series)])


def _effect_on_first(model: Forecaster, window: Window) -> tuple[Tensor, Tensor]:
    """Returns the slope of the first neuron's forecast in each neuron's newest bin [B, N], and that forecast [B]."""
    activity = window.activity.detach().clone().requires_grad_()
    forecast = model(window._replace(activity=activity)).activity[:, 0, 0]
    (slope,) = torch.autograd.grad(forecast.sum(), activity)
    return slope[..., -1], forecast.detach()


def _scores(recorded: Session, session: Session, series: WindowSeries) -> dict[str, float]:
    true = recorded.edge_weight_series[:, HISTORY - 1 : -1]
    return {
        "R2": _test_r_squared(session, series.forecast),
        **_agreement(smooth(true), smooth(series.weights)),
    }


def _agreement(true: Tensor, learned: Tensor) -> dict[str, float]:
    """Scores the time series of all synapses, [K, M] each."""
    agreement = correlation(true, learned)
    strength = correlation(true.mean(1)[None], learned.mean(1)[None])
    return {"median": float(agreement.median()), "mean": float(agreement.mean()), "strength": float(strength)}


def _test_r_squared(session: Session, forecast: Tensor) -> float:
    train = _train_bins(session)
    return float(r_squared(session.activity[:1, train:], forecast[:, train - HISTORY :]).mean())


def _train_bins(session: Session) -> int:
    return session.num_bins * 4 // 5


def smooth(series: Tensor) -> Tensor:
    r"""Computes moving averages over a tenth of the time series.

    .. math::
        \bar w_k(m) = \frac{1}{L} \sum_{l = 0}^{L - 1} w_k(m + l), \qquad L = \lfloor M / 10 \rfloor

    Args:
        series: Weight of each synapse over time :math:`(K, M)`, with M at least 10.

    Returns:
        Averages :math:`(K, M - L + 1)` in float64.

    Example:
        >>> smooth(torch.arange(20.0)[None])[0, :3]
        tensor([0.5000, 1.5000, 2.5000], dtype=torch.float64)
    """
    length = series.shape[1] // 10
    total = torch.nn.functional.pad(series.double().cumsum(1), (1, 0))
    return (total[:, length:] - total[:, :-length]) / length


def _draw(arrays: Mapping[Key, Arrays]) -> Figure:
    """Draws weights of four synapses over time, and a histogram of the agreement of all (NetFormer, figure 3)."""
    figure, axes = make_figure(9, 3.4, columns=2)
    kept = arrays[CASE, NETFORMER]
    length = min(kept["true"].shape[1], kept["learned"].shape[1])
    true, learned = kept["true"][:, :length], kept["learned"][:, :length]
    agreement = correlation(torch.from_numpy(true), torch.from_numpy(learned)).numpy()
    shown = np.argsort(agreement)[np.linspace(0, len(agreement) - 1, 7).astype(int)[2:6]]
    draw_weight_traces(
        axes[0],
        1e-3 * (np.arange(length) + length / 18),
        {f"input {k}, r = {agreement[k]:.2f}": (true[k], learned[k]) for k in shown},
    )
    axes[1].hist(agreement, bins=20, color=COLOURS[0])
    axes[1].axvline(np.median(agreement), color=FORECAST, label=f"median {np.median(agreement):.2f}")
    axes[1].set(xlabel="Pearson of learned and true weight over time", ylabel="synapses")
    axes[1].legend(frameon=False)
    axes[1].spines[["top", "right"]].set_visible(False)
    return figure
