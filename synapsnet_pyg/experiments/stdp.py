"""A neuron whose synapses learn: the course of a hundred weights, from spikes and voltage alone."""

from collections.abc import Mapping
from functools import partial

import numpy as np
import torch
from torch import Tensor

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.data.windows import Window, Windows
from synapsnet_pyg.experiments.experiment import LEAST_SQUARES, NETFORMER, SYNAPSNET, Experiment, Outcome, Trial
from synapsnet_pyg.experiments.methods import least_squares
from synapsnet_pyg.experiments.seed_ensemble import to_zero, train_together
from synapsnet_pyg.metrics import correlation, r_squared
from synapsnet_pyg.models.netformer import NetFormer
from synapsnet_pyg.plots.canvas import Figure, make_figure
from synapsnet_pyg.plots.dynamics import draw_weight_traces
from synapsnet_pyg.plots.style import COLOURS, FORECAST
from synapsnet_pyg.runs.in_memory import fit_recording
from synapsnet_pyg.simulations.stdp import simulate_stdp

HISTORY = 5
CASE = "integrate-and-fire"
REFITTED = "least squares, anew"

PUBLISHED = {
    (CASE, NETFORMER): {"R2": "0.912 +- 0.014", "median": "0.608 +- 0.032"},
    (CASE, LEAST_SQUARES): {"R2": "0.777"},
}
"""Means of the five seeds that are printed."""


def plasticity(seeds: int, epochs: int = 20, bins: int = 100_000) -> Experiment:
    """NetFormer, least squares and SynapsNet on spike-timing-dependent plasticity (NetFormer, section 4.2)."""
    return Experiment(
        "stdp",
        f"Spike-timing-dependent plasticity, {seeds} seeds",
        {
            "R2": "of the voltage, last fifth of the bins.",
            "median": "over synapses, of the Pearson correlation over time between moving averages, a tenth of the "
            "recording long, of learned and true weight; all bins.",
            "mean": "the same, mean over synapses.",
            "strength": "Pearson over synapses of mean learned and mean true weight. "
            f"{REFITTED}: in 19 overlapping stretches, each a tenth of the recording, without the bins where a spike "
            "has reset the voltage; compared with the mean true weights there.",
        },
        PUBLISHED,
        [
            Trial(CASE, NETFORMER, partial(_netformer, seeds, epochs, bins)),
            Trial(CASE, LEAST_SQUARES, partial(_least_squares, bins)),
            Trial(CASE, REFITTED, partial(_refitted, bins)),
            Trial(CASE, SYNAPSNET, partial(_synapsnet, bins)),
        ],
        _draw,
        {"seeds": seeds, "epochs": epochs, "bins": bins},
    )


def as_stimuli(session: Session) -> Session:
    """The voltage as the one neuron, standardised by its training part, and what sends to it as behaviours."""
    voltage = session.activity[:1]
    train = voltage[:, : _train_bins(session)]
    return Session(
        (voltage - train.mean()) / train.std(),
        session.activity[1:].t().contiguous(),
        bin_size=session.bin_size,
        name=session.name,
    )


def _netformer(seeds: int, epochs: int, bins: int) -> Outcome:
    recorded = simulate_stdp(bins)
    session, inputs = as_stimuli(recorded), recorded.num_neurons - 1
    train, found = Windows(session, torch.arange(_train_bins(session) - HISTORY), HISTORY, 1), []
    for seed in range(seeds):  # one after the other: so many tokens fill a step's time alone
        torch.manual_seed(seed)
        model = NetFormer([session], HISTORY, embedding_dim=inputs + 1, width=inputs + 1)
        label = f"NetFormer, seed {seed}"
        train_together(
            [model],
            train,
            epochs=epochs,
            batch_size=64,
            learning_rate=0.005,
            schedule=to_zero(epochs),
            seed=seed,
            label=label,
        )
        found.append(course(model, session))
    return Outcome(
        [_scores(recorded, session, *one) for one in found],
        {"true": smooth(recorded.edge_weight_series).numpy(), "learned": smooth(found[0][0]).numpy()},
    )


def course(model: NetFormer, session: Session) -> tuple[Tensor, Tensor]:
    """The attention on each stimulus [K, M], and the forecast [1, M], of every window."""
    weights, forecasts = [], []
    windows = Windows(session, torch.arange(session.num_bins - HISTORY), HISTORY, 1)
    with torch.no_grad():
        for which in torch.arange(len(windows)).split(512):
            window = windows.gather(which)
            weights.append(model.attention(window)[:, 0, 1:])
            forecasts.append(model(window).activity[:, 0, 0])
    return torch.cat(weights).t(), torch.cat(forecasts)[None]


def _least_squares(bins: int) -> Outcome:
    session = simulate_stdp(bins)
    voltage = as_stimuli(session)
    lagged, target, train = _lagged(voltage), voltage.activity[:, HISTORY:].t(), _train_bins(session) - HISTORY
    weights, intercept = least_squares(lagged[:train], target[:train])
    forecast = (lagged.double() @ weights.t() + intercept).t()
    return Outcome([{"R2": _test_r_squared(voltage, forecast)}])


def _lagged(voltage: Session) -> Tensor:
    """What each window holds, each row's bins in order [M, (1 + K) HISTORY]."""
    rows = torch.cat([voltage.activity, voltage.behaviour.t()])
    return rows.unfold(1, HISTORY, 1)[:, :-1].permute(1, 0, 2).flatten(1)


def _refitted(bins: int) -> Outcome:
    """The weights of the newest bins, fitted in one stretch after the other where no spike resets the voltage."""
    session = simulate_stdp(bins)
    voltage = as_stimuli(session)
    lagged, target = _lagged(voltage), voltage.activity[:, HISTORY:].t()
    integrates = session.activity[0, HISTORY:] > session.activity[0].min()
    stretches = torch.arange(len(target)).unfold(0, len(target) // 10, len(target) // 20)
    weight = session.edge_weight_series[:, HISTORY - 1 : -1]
    learned, true = [], []
    for stretch in stretches:
        kept = stretch[integrates[stretch]]
        weights, _ = least_squares(lagged[kept], target[kept])
        learned.append(weights.view(-1, HISTORY)[1:, -1])
        true.append(weight[:, stretch].double().mean(1))
    return Outcome([_agreement(torch.stack(true, dim=1), torch.stack(learned, dim=1))])


def _synapsnet(bins: int) -> Outcome:
    """The inputs as neurons like any other; its effects on the voltage in each bin."""
    recorded = simulate_stdp(bins)
    fitted = fit_recording(recorded, seed=0)
    weights, forecasts = [], []
    windows = Windows(fitted.session, torch.arange(bins - HISTORY), HISTORY, 1)
    for which in torch.arange(len(windows)).split(512):
        effect, forecast = _effect_on_first(fitted.model, windows.gather(which))
        weights.append(effect[:, 1:])
        forecasts.append(forecast)
    return Outcome([_scores(recorded, fitted.session, torch.cat(weights).t(), torch.cat(forecasts)[None])])


def _effect_on_first(model: torch.nn.Module, window: Window) -> tuple[Tensor, Tensor]:
    """What each neuron's newest activity adds to the first neuron's forecast [B, N], and that forecast [B]."""
    activity = window.activity.detach().clone().requires_grad_()
    forecast = model(window._replace(activity=activity)).activity[:, 0, 0]
    (slope,) = torch.autograd.grad(forecast.sum(), activity)
    return slope[..., -1], forecast.detach()


def _scores(recorded: Session, session: Session, weights: Tensor, forecast: Tensor) -> dict[str, float]:
    """Of weights [K, M] and forecast [1, M] of every window."""
    true = recorded.edge_weight_series[:, HISTORY - 1 : -1]
    return {"R2": _test_r_squared(session, forecast), **_agreement(smooth(true), smooth(weights))}


def _agreement(true: Tensor, learned: Tensor) -> dict[str, float]:
    """Of courses of all synapses, [K, M] each."""
    agreement = correlation(true, learned)
    strength = correlation(true.mean(1)[None], learned.mean(1)[None])
    return {"median": float(agreement.median()), "mean": float(agreement.mean()), "strength": float(strength)}


def _test_r_squared(session: Session, forecast: Tensor) -> float:
    train = _train_bins(session)
    return float(r_squared(session.activity[:1, train:], forecast[:, train - HISTORY :]).mean())


def _train_bins(session: Session) -> int:
    return session.num_bins * 4 // 5


def smooth(courses: Tensor) -> Tensor:
    """Moving averages over a tenth of the course, in float64."""
    length = courses.shape[1] // 10
    total = torch.nn.functional.pad(courses.double().cumsum(1), (1, 0))
    return (total[:, length:] - total[:, :-length]) / length


def _draw(arrays: Mapping[tuple[str, str], Mapping[str, np.ndarray]]) -> Figure:
    """Courses of four synapses, and how well each one's was found (NetFormer, figure 3)."""
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
