"""Ring attractors: neurons that are active together and not connected (NetFormer, spurious correlations)."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import torch
from torch import Tensor

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.data.windows import Windows, every_window, spread
from synapsnet_pyg.experiments.experiment import (
    CORRELATION,
    LEAST_SQUARES,
    NETFORMER,
    SYNAPSNET,
    Experiment,
    Key,
)
from synapsnet_pyg.experiments.methods import (
    Assessment,
    Method,
    MethodResult,
    by_correlation,
    by_least_squares,
    by_synapsnet,
    least_squares,
    population_trials,
    train_part,
)
from synapsnet_pyg.experiments.seed_ensemble import to_zero, train_seed_ensemble
from synapsnet_pyg.experiments.trials import Arrays, Outcome, Trial
from synapsnet_pyg.metrics import connectivity_score
from synapsnet_pyg.models.netformer import NetFormer
from synapsnet_pyg.plots.canvas import Figure, make_figure
from synapsnet_pyg.plots.connectivity import draw_matrix
from synapsnet_pyg.runs.in_memory import fit_in_memory
from synapsnet_pyg.simulations.ring_attractors import (
    RING_THRESHOLD,
    simulate_ring,
    simulate_spiking_ring,
    synaptic_activation,
)

RING = "ring of rates"

COUPLINGS = (0.015,)
"""Couplings r that run by default; Python takes any of the ten published ones (``RING_THRESHOLD``)."""

ROUNDS = 5
"""Number of rounds of training, each with a new optimiser. With one optimiser embeddings grow too slowly to become
alike where neurons act alike."""

MAX_WINDOWS = 4000
"""Largest number of windows over which the attention is averaged."""

PUBLISHED = {
    f"r = {r:g}": {"Spearman": f"{spearman:g}", "Pearson": f"{pearson:g}"}
    for r, spearman, pearson in zip(
        RING_THRESHOLD,
        (0.10, 0.24, 0.59, 0.735, 0.74, 0.735, 0.725, 0.67, 0.565, 0.555),
        (0.11, 0.27, 0.545, 0.715, 0.755, 0.79, 0.775, 0.71, 0.585, 0.57),
        strict=True,
    )
}
"""Coupling -> scores of NetFormer, read from the paper's figure."""


def ring(seeds: int, epochs: int = 10, bins: int = 30_000) -> Experiment:
    """Makes the experiment on rings of rate neurons: NetFormer, correlation, least squares and SynapsNet.

    The score is the agreement of the mean connectivity over the training windows with the true weights.

    Args:
        seeds: Number of seeds, each of a recording and a model.
        epochs: Number of epochs of NetFormer.
        bins: Number of bins of each recording.
    """
    methods: dict[str, Method] = {
        NETFORMER: partial(_netformer, epochs=epochs),
        CORRELATION: by_correlation,
        LEAST_SQUARES: by_least_squares,
        SYNAPSNET: by_synapsnet,
    }
    compared = "of true weights and mean connectivity over the training windows, with the diagonal."
    return Experiment(
        name="ring",
        title=f"Ring attractor of rates, {seeds} seeds",
        scores={"Pearson": f"correlation {compared}", "Spearman": f"rank correlation {compared}"},
        published={},
        trials=population_trials(RING, partial(simulate_ring, bins), methods=methods, seeds=seeds, assess=_assess),
        draw=partial(_draw, [RING], [NETFORMER, LEAST_SQUARES, SYNAPSNET, CORRELATION]),
        settings={"seeds": seeds, "epochs": epochs, "bins": bins},
    )


def _netformer(session: Session, seed: int, epochs: int) -> MethodResult:
    torch.manual_seed(seed)
    model = NetFormer([session], window=49, embedding_dim=100)
    train = every_window(train_part(session), model.window)
    train_seed_ensemble([model], train, epochs=epochs, batch_size=32, learning_rate=1e-3, schedule=to_zero(epochs))
    return MethodResult(_mean_attention(model, train))


@torch.no_grad()
def _mean_attention(model: NetFormer, windows: Windows) -> Tensor:
    """Returns the mean connectivity over at most MAX_WINDOWS windows, [N, N]."""
    total, count = torch.zeros(()), 0
    for window in spread(windows, MAX_WINDOWS):
        connectivity = model.connectivity_at(window)
        total = total + connectivity.sum(0)
        count += len(connectivity)
    return total / count


def _assess(connectivity: Tensor, session: Session) -> Assessment:
    truth = _truth(session)
    score = connectivity_score(connectivity, truth, diagonal=True)
    matrices = {"learned": connectivity.numpy(), "true": truth.numpy()}
    return Assessment({"Pearson": score.pearson, "Spearman": score.spearman}, matrices)


def spiking_ring(
    seeds: int, epochs: int = 50, couplings: Sequence[float] = COUPLINGS, bins: int = 100_000
) -> Experiment:
    """Makes the experiment on rings of spiking neurons: NetFormer, least squares and SynapsNet.

    Args:
        seeds: Number of seeds of NetFormer; each coupling has one recording.
        epochs: Number of epochs of NetFormer.
        couplings: Couplings r of the rings, keys of ``RING_THRESHOLD``.
        bins: Number of bins of each recording.
    """
    compared = (
        "of true weights and mean connectivity over the training windows, off the diagonal; least squares brings each "
        "receiver's row to the scale of the true row, and may flip its sign."
    )
    methods: dict[str, Callable[[float, int], Outcome]] = {
        NETFORMER: partial(_spiking_netformer, seeds=seeds, epochs=epochs),
        LEAST_SQUARES: _spiking_least_squares,
        SYNAPSNET: _spiking_synapsnet,
    }
    return Experiment(
        name="spiking-ring",
        title=f"Spiking ring attractors, {seeds} seeds of the models",
        scores={
            "Pearson": f"correlation {compared}",
            "Spearman": f"rank correlation {compared}",
            "error": "norm of the difference over the norm of the true weights, off the diagonal, rows rescaled.",
        },
        published={(case, NETFORMER): values for case, values in PUBLISHED.items()},
        trials=[
            Trial(f"r = {coupling:g}", name, partial(method, coupling, bins))
            for coupling in couplings
            for name, method in methods.items()
        ],
        draw=partial(_draw, [f"r = {coupling:g}" for coupling in couplings], [NETFORMER, LEAST_SQUARES, SYNAPSNET]),
        settings={"seeds": seeds, "epochs": epochs, "couplings": list(couplings), "bins": bins},
    )


def as_activation(session: Session) -> Session:
    """Returns the same neurons with their synaptic activation after each bin's spikes as activity.

    Args:
        session: Spikes of :func:`~synapsnet_pyg.simulations.ring_attractors.simulate_spiking_ring`.
    """
    activation = synaptic_activation(session.activity, session.activation_before)
    return Session(
        activation.float(),
        bin_size=session.bin_size,
        name=session.name,
        edge_index=session.edge_index,
        edge_weight=session.edge_weight,
    )


def _spiking_netformer(coupling: float, bins: int, seeds: int, epochs: int) -> Outcome:
    spikes = simulate_spiking_ring(bins, coupling=coupling)
    session = as_activation(spikes)
    starts = torch.arange(session.num_bins * 4 // 5 - 1)
    train, learned = Windows(session, starts, 1, 1, target=spikes.activity), []
    for seed in range(seeds):
        torch.manual_seed(seed)
        model = NetFormer([session], window=1, embedding_dim=100, initial_scale=0.15, norm=False)
        _train_in_rounds(model, train, epochs, seed)
        learned.append(_mean_attention(model, train))
    return Outcome(
        [_rescaled_score(connectivity, session) for connectivity in learned],
        {"learned": rescaled(learned[0], _truth(session)).numpy(), "true": _truth(session).numpy()},
    )


def _train_in_rounds(model: NetFormer, train: Windows, epochs: int, seed: int) -> None:
    """Trains with a new optimiser in each round; the learning rate falls to zero over all rounds."""
    length = max(1, epochs // ROUNDS)

    def schedule(epoch: float, start: int) -> float:
        return 1 - (start + epoch) / (ROUNDS * length)

    for start in range(0, ROUNDS * length, length):
        train_seed_ensemble(
            [model],
            train,
            epochs=length,
            batch_size=320,
            learning_rate=1e-2,
            schedule=partial(schedule, start=start),
            error=_poisson,
            seed=seed,
        )


def _poisson(forecast: Tensor, target: Tensor) -> Tensor:
    return torch.nn.functional.poisson_nll_loss(forecast, target, log_input=True)


def _spiking_least_squares(coupling: float, bins: int) -> Outcome:
    spikes = simulate_spiking_ring(bins, coupling=coupling)
    session, train = as_activation(spikes), spikes.num_bins * 4 // 5
    weights, _ = least_squares(session.activity[:, : train - 1].t(), spikes.activity[:, 1:train].t())
    return Outcome([_rescaled_score(weights, session)], {"learned": rescaled(weights, _truth(session)).numpy()})


def _spiking_synapsnet(coupling: float, bins: int) -> Outcome:
    session = as_activation(simulate_spiking_ring(bins, coupling=coupling))
    learned = fit_in_memory(session, seed=0).connectivity()
    return Outcome([_rescaled_score(learned, session)], {"learned": rescaled(learned, _truth(session)).numpy()})


def rescaled(learned: Tensor, truth: Tensor) -> Tensor:
    r"""Returns each receiver's row in the scale that fits the true row best, without the diagonal.

    .. math::
        \hat W_{ij} = \frac{\sum_{k \ne i} L_{ik} W_{ik}}{\sum_{k \ne i} L_{ik}^2} L_{ij}, \qquad i \ne j

    Args:
        learned: Learned weights L :math:`(N, N)`.
        truth: True weights W :math:`(N, N)`.

    Returns:
        Weights :math:`(N, N)` in float64, 0 on the diagonal.
    """
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


def _draw(cases: Sequence[str], methods: Sequence[str], arrays: Mapping[Key, Arrays]) -> Figure:
    """Draws true and learned matrices side by side, a row for each system."""
    figure, axes = make_figure(3 * (len(methods) + 1), 3 * len(cases), columns=len(methods) + 1, rows=len(cases))
    for row, case in enumerate(cases):
        shown = [("true", arrays[case, NETFORMER]["true"])]
        shown += [(method, arrays[case, method]["learned"]) for method in methods]
        for column, (title, values) in enumerate(shown):
            draw_matrix(axes[row * len(shown) + column], torch.from_numpy(values), f"{case}\n{title}", bar=False)
    return figure
