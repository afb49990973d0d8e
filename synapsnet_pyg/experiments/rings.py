"""Ring attractors: neurons that are active together and not connected."""

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.data.windows import Windows, windows_of
from synapsnet_pyg.experiments.experiment import (
    CORRELATION,
    LEAST_SQUARES,
    NETFORMER,
    SYNAPSNET,
    Experiment,
    Outcome,
    Trial,
)
from synapsnet_pyg.experiments.methods import (
    Found,
    Method,
    by_correlation,
    by_least_squares,
    by_synapsnet,
    least_squares,
    population_trials,
    train_part,
)
from synapsnet_pyg.experiments.seed_ensemble import to_zero, train_together
from synapsnet_pyg.metrics import connectivity_score
from synapsnet_pyg.models.netformer import NetFormer
from synapsnet_pyg.plots.canvas import Figure, make_figure
from synapsnet_pyg.plots.connectivity import draw_matrix
from synapsnet_pyg.runs.in_memory import fit_recording
from synapsnet_pyg.simulations.ring_attractors import (
    RING_THRESHOLD,
    simulate_ring,
    simulate_spiking_ring,
    synaptic_activation,
)

RING = "ring of rates"

COUPLINGS = (0.015,)
"""Of the ten published (:data:`RING_THRESHOLD`), the one whose numbers are told best; Python takes any of them."""

ROUNDS = 5
"""Rounds of training, each with an optimiser that knows nothing of the others: with one alone, embeddings grow too
slowly to become alike where neurons act alike."""

PUBLISHED = {
    f"r = {r:g}": {"Spearman": f"{spearman:g}", "Pearson": f"{pearson:g}"}
    for r, spearman, pearson in zip(
        RING_THRESHOLD,
        (0.10, 0.24, 0.59, 0.735, 0.74, 0.735, 0.725, 0.67, 0.565, 0.555),
        (0.11, 0.27, 0.545, 0.715, 0.755, 0.79, 0.775, 0.71, 0.585, 0.57),
        strict=True,
    )
}
"""Read from the paper's figure."""


def ring(seeds: int, epochs: int = 10, bins: int = 30_000) -> Experiment:
    """NetFormer, correlation, least squares and SynapsNet on a ring of rates (NetFormer, spurious correlations)."""
    methods: dict[str, Method] = {
        NETFORMER: partial(_netformer, epochs=epochs),
        CORRELATION: by_correlation,
        LEAST_SQUARES: by_least_squares,
        SYNAPSNET: by_synapsnet,
    }
    return Experiment(
        "ring",
        f"Ring attractor of rates, {seeds} seeds",
        {
            "Pearson": "mean connectivity over the training windows against the true weights, with the diagonal.",
            "Spearman": "the same.",
        },
        {},
        population_trials(RING, partial(simulate_ring, bins), seeds, methods, _judge),
        partial(_draw, [RING], [NETFORMER, LEAST_SQUARES, SYNAPSNET, CORRELATION]),
        {"seeds": seeds, "epochs": epochs, "bins": bins},
    )


def _netformer(session: Session, seed: int, epochs: int) -> Found:
    torch.manual_seed(seed)
    model = NetFormer([session], window=49, embedding_dim=100)
    train = windows_of(train_part(session), model.window)[0]
    train_together(
        [model],
        train,
        epochs=epochs,
        batch_size=32,
        learning_rate=1e-3,
        schedule=to_zero(epochs),
        label=f"{RING}, seed {seed}",
    )
    return Found(_mean_attention(model, train))


def _mean_attention(model: NetFormer, windows: Windows, most: int = 4000) -> Tensor:
    """Over windows, of many so many that are evenly spread, [N, N]."""
    which = torch.arange(0, len(windows), -(-len(windows) // most))
    total = torch.zeros(())
    with torch.no_grad():
        for some in which.split(64):
            total = total + model.connectivity_at(windows.gather(some)).sum(0)
    return total / len(which)


def _judge(learned: Tensor, session: Session) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    truth = _truth(session)
    score = connectivity_score(learned, truth, diagonal=True)
    matrices = {"learned": learned.numpy(), "true": truth.numpy()}
    return {"Pearson": score.pearson, "Spearman": score.spearman}, matrices


def spiking_ring(
    seeds: int, epochs: int = 50, couplings: Sequence[float] = COUPLINGS, bins: int = 100_000
) -> Experiment:
    """NetFormer, least squares and SynapsNet on rings of spiking neurons, weakly to strongly coupled."""
    return Experiment(
        "spiking-ring",
        f"Spiking ring attractors, {seeds} seeds of the models",
        {
            "Pearson": "off the diagonal, of the mean connectivity over training windows with the true weights, each "
            "receiver's row brought to the true row's scale first by least squares, which may flip its sign.",
            "Spearman": "the same.",
            "error": "norm of the difference over the norm of the true weights, rescaled likewise.",
        },
        {(case, NETFORMER): values for case, values in PUBLISHED.items()},
        [
            Trial(f"r = {coupling:g}", method, partial(run, coupling, seeds, bins))
            for coupling in couplings
            for method, run in (
                (NETFORMER, partial(_spiking_netformer, epochs=epochs)),
                (LEAST_SQUARES, _spiking_least_squares),
                (SYNAPSNET, _spiking_synapsnet),
            )
        ],
        partial(_draw, [f"r = {coupling:g}" for coupling in couplings], [NETFORMER, LEAST_SQUARES, SYNAPSNET]),
        {"seeds": seeds, "epochs": epochs, "couplings": list(couplings), "bins": bins},
    )


def as_activation(session: Session) -> Session:
    """The same neurons by what their synapses are after each bin's spikes."""
    activation = synaptic_activation(session.activity, session.activation_before)
    return Session(
        activation.float(),
        bin_size=session.bin_size,
        name=session.name,
        edge_index=session.edge_index,
        edge_weight=session.edge_weight,
    )


def _spiking_netformer(coupling: float, seeds: int, bins: int, epochs: int) -> Outcome:
    spikes = simulate_spiking_ring(bins, coupling=coupling)
    session = as_activation(spikes)
    starts = torch.arange(session.num_bins * 4 // 5 - 1)
    train, learned = Windows(session, starts, 1, 1, target=spikes.activity), []
    for seed in range(seeds):
        torch.manual_seed(seed)
        model = NetFormer([session], window=1, embedding_dim=100, initial_scale=0.15, norm=False)
        length = max(1, epochs // ROUNDS)
        for start in range(0, ROUNDS * length, length):
            train_together(
                [model],
                train,
                epochs=length,
                batch_size=320,
                learning_rate=1e-2,
                schedule=lambda epoch, start=start, length=length: 1 - (start + epoch) / (ROUNDS * length),  # type: ignore[misc]
                error=_poisson,
                seed=seed,
                label=f"r = {coupling:g}, NetFormer, seed {seed}, from epoch {start}",
            )
        learned.append(_mean_attention(model, train))
    return Outcome(
        [_rescaled_score(one, session) for one in learned],
        {"learned": rescaled(learned[0], _truth(session)).numpy(), "true": _truth(session).numpy()},
    )


def _poisson(forecast: Tensor, target: Tensor) -> Tensor:
    return torch.nn.functional.poisson_nll_loss(forecast, target, log_input=True)


def _spiking_least_squares(coupling: float, seeds: int, bins: int) -> Outcome:
    spikes = simulate_spiking_ring(bins, coupling=coupling)
    session, train = as_activation(spikes), spikes.num_bins * 4 // 5
    weights, _ = least_squares(session.activity[:, : train - 1].t(), spikes.activity[:, 1:train].t())
    return Outcome([_rescaled_score(weights, session)], {"learned": rescaled(weights, _truth(session)).numpy()})


def _spiking_synapsnet(coupling: float, seeds: int, bins: int) -> Outcome:
    session = as_activation(simulate_spiking_ring(bins, coupling=coupling))
    learned = fit_recording(session, seed=0).connectivity()
    return Outcome([_rescaled_score(learned, session)], {"learned": rescaled(learned, _truth(session)).numpy()})


def rescaled(learned: Tensor, truth: Tensor) -> Tensor:
    """Each row in the scale in which it fits the true row best, without its diagonal [N, N]."""
    off = ~torch.eye(len(truth), dtype=torch.bool)
    learned, truth = learned.double() * off, truth.double() * off
    return learned * ((learned * truth).sum(1) / learned.square().sum(1).clamp_min(1e-30))[:, None]


def _rescaled_score(learned: Tensor, session: Session) -> dict[str, float]:
    truth = _truth(session).double()
    fitted = rescaled(learned, truth)
    score = connectivity_score(fitted, truth)
    true_off = truth - torch.diag(truth.diagonal())
    error = float((fitted - true_off).norm() / true_off.norm())
    return {"Pearson": score.pearson, "Spearman": score.spearman, "error": error}


def _truth(session: Session) -> Tensor:
    truth = session.true_connectivity
    assert truth is not None
    return truth


def _draw(
    cases: Sequence[str], methods: Sequence[str], arrays: Mapping[tuple[str, str], Mapping[str, np.ndarray]]
) -> Figure:
    """True and learned matrices side by side."""
    figure, axes = make_figure(3 * (len(methods) + 1), 3 * len(cases), columns=len(methods) + 1, rows=len(cases))
    for row, case in enumerate(cases):
        shown = [("true", arrays[case, NETFORMER]["true"])]
        shown += [(method, arrays[case, method]["learned"]) for method in methods]
        for column, (title, values) in enumerate(shown):
            draw_matrix(axes[row * len(shown) + column], torch.from_numpy(values), f"{case}\n{title}", bar=False)
    return figure
