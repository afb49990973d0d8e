"""Start of SynapsNet from least squares, and the parameters of earlier versions in today's form."""

import math
from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor

from synapsnet_pyg.data.innovations import innovative_session
from synapsnet_pyg.data.session import Session, SessionInfo
from synapsnet_pyg.data.windows import Window
from synapsnet_pyg.nn.functional_connectivity import MOST_DENSE
from synapsnet_pyg.nn.gather import gather
from synapsnet_pyg.nn.population_path import lags_of
from synapsnet_pyg.nn.session_graph import SessionGraph
from synapsnet_pyg.regression.candidate_edges import candidate_edges
from synapsnet_pyg.regression.edge_start import EdgeStart, edge_start
from synapsnet_pyg.regression.linear_stages import (
    HistoryMoments,
    Parts,
    graph_share,
    history_moments,
    independent_errors,
    own_history,
    population_stage,
    shared_history,
    validation_error,
)
from synapsnet_pyg.regression.linear_start import linear_start

CONNECTIVITY = ("auto", "dense", "sparse", "low-rank+sparse")


@torch.no_grad()
def start_from_least_squares(
    graphs: Mapping[str, SessionGraph],
    train: Mapping[str, Session],
    validation: Mapping[str, Session],
    window: int,
    horizon: int,
) -> None:
    r"""Sets the linear parts of all sessions from ridge regressions of one another's rest.

    1. A kernel of each neuron's own history, the same for all neurons of all sessions, and each neuron's difference.
    2. The graph: :func:`~synapsnet_pyg.regression.linear_start.linear_start` solves edges and common drive beside the
       neurons' own activity. The share of this forecast that helps on the validation part scales the kernel of the
       current, and thereby the connectivity in units of an effect.
    3. Principal components of the population and behaviour at several lags.

    Args:
        graphs: Session name -> parameters of the session.
        train: Session name -> training part.
        validation: Session name -> validation part.
        window: Number of past bins W.
        horizon: Number of bins ahead H.

    Raises:
        ValueError: A part has no segment of more bins than window and horizon together.
    """
    parts = {
        name: Parts(
            innovative_session(train[name], graph.decay),
            innovative_session(validation[name], graph.decay),
            window,
            horizon,
        )
        for name, graph in graphs.items()
    }
    moments = {
        name: (history_moments(p.train, p.window, p.horizon), history_moments(p.validation, p.window, p.horizon))
        for name, p in parts.items()
    }
    everyone = [pair for known in gather(moments) for pair in known.values()]
    shared = shared_history([pair[0] for pair in everyone], [pair[1] for pair in everyone])
    for name, graph in graphs.items():
        _start(graph, parts[name], moments[name], shared)


def chosen_edges(
    sessions: Iterable[Session | SessionInfo], connectivity: str, *, given: Mapping[str, Tensor], senders: int
) -> dict[str, Tensor]:
    """Returns the edges that may carry a weight in each session with a sparse connectivity.

    Args:
        sessions: Sessions.
        connectivity: Argument of :class:`~synapsnet_pyg.models.synapsnet.SynapsNet`.
        given: Session name -> edges that the user gave.
        senders: Number of candidates of each receiver.

    Returns:
        Session name -> edges :math:`(2, E)`; sessions without an entry have complete graphs.

    Raises:
        ValueError: There is no such connectivity, or candidates cannot be chosen because there is no recording.
    """
    if connectivity not in CONNECTIVITY:
        raise ValueError(f"Expected a connectivity among {', '.join(CONNECTIVITY)} (got '{connectivity}').")
    edges = dict(given)
    for session in sessions:
        dense = connectivity == "dense" or (connectivity == "auto" and len(session.neuron_id) <= MOST_DENSE)
        if dense or session.name in given:
            continue
        if not isinstance(session, Session):
            raise ValueError(
                f"Expected the recording of session '{session.name}' to choose edges of its {len(session.neuron_id)} "
                "neurons (got its description alone); give the session, edge_index or connectivity='dense'."
            )
        standard = session if "activity_scale" in session else session.standardise()
        # Chosen on the session's device, kept with the first parameters on the CPU.
        edges[session.name] = candidate_edges(standard.split().train, senders).cpu()
    return edges


def _start(graph: SessionGraph, parts: Parts, moments: tuple[HistoryMoments, HistoryMoments], shared: Tensor) -> None:
    """Sets the linear parts of one session."""
    path, connectivity, drive = graph.linear_path, graph.functional_connectivity, graph.common_drive
    assert path is not None
    path.kernel.zero_()
    if path.history is not None:
        path.history.copy_(shared)
    independent = independent_errors(parts, _forecast(graph))
    if path.history is not None:
        path.history.copy_(own_history(*moments, shared, independent=independent))
    if connectivity is not None and drive is not None:
        start = _solved(graph, parts)
        connectivity.set_weights(start.weight.to(path.intercept), (1 - start.edge_probability).to(path.intercept))
        drive.set(start.receivers, start.senders)
        own = (drive.receivers * drive.senders.t()).sum(1)  # the drive's effect of a neuron on itself
        kernel = start.kernel.to(path.kernel)

        def received(window: Window) -> Tensor:
            """Returns the forecast of edges and drive, without effects of a neuron on itself."""
            window = _as(graph, window)
            summed = graph.received(window.activity, graph.current(window.activity, window.behaviour))
            assert summed is not None
            return (summed - own[:, None] * window.activity) @ kernel

        before = _forecast(graph)

        def from_edges(window: Window) -> Tensor:
            """Returns the forecast of edges alone."""
            window = _as(graph, window)
            return connectivity((window.activity @ kernel)[..., None])[..., 0]

        alone = graph_share(parts, before, from_edges).to(kernel)
        with_history = validation_error(parts, before)
        with_edges = validation_error(parts, lambda window: before(window) + from_edges(window)[..., None] * alone)
        share = graph_share(parts, before, received)
        path.kernel.copy_(kernel[:, None] * share.to(kernel))
        if path.history is not None:
            path.history.sub_(own[:, None, None] * path.kernel)
    population = graph.population_path
    if population is not None or path.behaviour is not None:
        stage = population_stage(
            parts,
            _forecast(graph),
            components=0 if population is None else len(population.axes),
            behaviour=path.behaviour is not None,
            independent=independent,
        )
        if population is not None:
            population.axes.copy_(stage.axes)
            population.weight.copy_(stage.population)
        if path.behaviour is not None:
            path.behaviour.copy_(stage.behaviour)
        graph.held_share.fill_(stage.held)
    if connectivity is not None and drive is not None:
        gained = with_history - validation_error(parts, _forecast(graph))
        graph.edge_share.fill_(min(max((with_history - with_edges) / max(gained, 1e-12), 0.0), 1.0))


def _solved(graph: SessionGraph, parts: Parts) -> EdgeStart:
    """Returns the linear forecast of the graph: of all pairs together, or along given edges."""
    path, connectivity = graph.linear_path, graph.functional_connectivity
    assert path is not None
    assert connectivity is not None
    train, validation, window = parts.train, parts.validation, len(path.kernel)
    own, behaviour = path.history is not None, path.behaviour is not None
    if connectivity.edges is not None:
        return edge_start(
            train,
            validation,
            window,
            connectivity.edges,
            own=own,
            behaviour=behaviour,
            latents=graph.latents,
            screened=graph.screened,
        )
    pairs = connectivity.allowed()
    start = linear_start(train, validation, window, pairs=pairs, own=own, behaviour=behaviour, latents=graph.latents)
    return EdgeStart(
        kernel=start.kernel,
        weight=start.edges,
        edge_probability=start.edge_probability,
        receivers=start.receivers,
        senders=start.senders,
    )


def _forecast(graph: SessionGraph) -> Callable[[Window], Tensor]:
    """Returns a function from a batch of windows to the linear forecast of a session so far [B, N, H]."""

    def forecast(window: Window) -> Tensor:
        """Forecasts the bins after the newest one."""
        window = _as(graph, window)
        received = graph.received(window.activity, graph.current(window.activity, window.behaviour))
        direct = graph.direct(window.activity, received, window.behaviour, 1)
        assert isinstance(direct, Tensor)
        return direct[:, :, 0]

    return forecast


def _as(graph: SessionGraph, window: Window) -> Window:
    """Returns a window in the precision of the model."""
    dtype = graph.activity_mean.dtype
    return window._replace(activity=window.activity.to(dtype), behaviour=window.behaviour.to(dtype))


def upgraded_linear_path(state: Mapping[str, object]) -> dict[str, object]:
    r"""Returns saved parameters with the linear path of earlier versions in today's form.

    There the weights of a neuron's own activity were :math:`\kappa_l \rho_i`, behaviour had the newest lag alone, and
    there was one horizon.

    Args:
        state: Saved name -> value.
    """
    upgraded = dict(state)
    for name, kernel in state.items():
        prefix = name.removesuffix("linear_path.kernel")
        if prefix == name or not isinstance(kernel, Tensor) or kernel.dim() == 2:
            continue
        upgraded[name] = kernel[:, None]
        intercept, own = state[f"{prefix}linear_path.intercept"], upgraded.pop(f"{prefix}linear_path.own", None)
        assert isinstance(intercept, Tensor)
        upgraded[f"{prefix}linear_path.intercept"] = intercept[:, None]
        if isinstance(own, Tensor):
            upgraded[f"{prefix}linear_path.history"] = (own[:, None] * kernel)[..., None]
        if isinstance(newest := state.get(f"{prefix}linear_path.behaviour"), Tensor):
            older = newest.new_zeros(len(newest), (len(lags_of(len(kernel))) - 1) * newest.shape[1])
            upgraded[f"{prefix}linear_path.behaviour"] = torch.cat([newest, older], dim=1)[:, None]
    for name, mean in state.items():
        prefix = name.removesuffix("activity_mean")
        if prefix != name and isinstance(mean, Tensor):
            upgraded.setdefault(f"{prefix}dispersion", mean.new_zeros(len(mean), 1))
            upgraded.setdefault(f"{prefix}edge_share", mean.new_ones(()))
    return upgraded


def default_penalty_weight(session: SessionInfo) -> float:
    r"""Returns the default weight of the penalty of a session, :math:`\lambda = \sqrt{\log N / T} / N`.

    With this weight the lasso keeps chance correlations out (Bickel, Ritov and Tsybakov 2009), so that the weights of
    a short recording are penalised more than those of a long one.

    Args:
        session: Session, or its :class:`~synapsnet_pyg.data.session.SessionInfo`, with N neurons and T bins.
    """
    N, T = len(session.neuron_id), max(session.num_bins, 1)
    return math.sqrt(math.log(max(N, 2)) / T) / N


def default_state_dropout(session: SessionInfo) -> float:
    r"""Returns the share of neurons that training hides from the latent state of a session, :math:`64 N / (64 N + T)`.

    Of many neurons in few bins a state learns noise. The number was chosen on recordings of 171 neurons in 15,536 bins
    (0.4 to 0.5 was best) and of 1,000 neurons in 4,600 bins (0.7 to 0.8).

    Args:
        session: Session, or its :class:`~synapsnet_pyg.data.session.SessionInfo`, with N neurons and T bins.
    """
    weights = 64 * len(session.neuron_id)
    return weights / (weights + max(session.num_bins, 1))
