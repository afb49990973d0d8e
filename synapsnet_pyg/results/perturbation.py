"""Effects of perturbations in the model of a run: tables, figures, matrices."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from synapsnet_pyg.analysis.perturbation_intervals import EffectIntervals, effect_intervals
from synapsnet_pyg.analysis.perturbation_kinds import Drive, Perturbation, RemoveEdge, Silence
from synapsnet_pyg.analysis.significance import edge_significance
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.files import atomic_path, file_name, make_folder, optional_import, release_memory, shorten
from synapsnet_pyg.plots.canvas import Figure, make_figure
from synapsnet_pyg.plots.connectivity import draw_matrix
from synapsnet_pyg.plots.image_files import save_figure
from synapsnet_pyg.plots.perturbation import ResponseCurves, draw_responses
from synapsnet_pyg.progress import steps
from synapsnet_pyg.results.connectivity import check_sessions
from synapsnet_pyg.results.saving import as_cells
from synapsnet_pyg.runs.run import Run

TABLE_FORMATS = ("csv", "parquet")
"""Formats of the table of effects."""

_PANELS, _CURVES, _RATE = 6, 6, 0.05


@dataclass(frozen=True)
class PerturbedNeurons:
    """Neurons and edges to perturb, by the ids of neurons.

    Args:
        stimulate: Ids of the neurons to stimulate, one at a time; ``["all"]``: every neuron.
        silence: Ids of the neurons to silence, one at a time; ``["all"]``: every neuron.
        remove_edges: Edges to remove one at a time, as SENDER:RECEIVER.
        amount: Activity that a stimulus adds, in standard deviations of the stimulated neuron.
        held: Whether a stimulus lasts; False: it lasts for one bin.
    """

    stimulate: Sequence[str] = ()
    silence: Sequence[str] = ()
    remove_edges: Sequence[str] = ()
    amount: float = 1.0
    held: bool = False

    def __post_init__(self) -> None:
        """Raises a ValueError if nothing is perturbed."""
        if not (self.stimulate or self.silence or self.remove_edges):
            raise ValueError(
                "Expected a neuron to stimulate or to silence, or an edge to remove (got none); "
                "'all' in place of a neuron takes every neuron."
            )

    @property
    def every_neuron(self) -> bool:
        """True if every neuron is perturbed in one way, so that the effects are a matrix."""
        asked = [list(self.stimulate), list(self.silence)]
        return sorted(asked) == [[], ["all"]] and not self.remove_edges

    def missing(self, session: Session) -> list[str]:
        """Returns what the session does not have: ids of neurons, and edges that are not SENDER:RECEIVER of its ids."""
        asked = (*self.stimulate, *self.silence)
        neurons = [neuron for neuron in asked if neuron != "all" and _row(session, neuron) is None]
        return neurons + [edge for edge in self.remove_edges if _edge(session, edge) is None]

    def perturbations(self, session: Session) -> list[Perturbation]:
        """Returns the perturbations of a session that has all these neurons."""
        return [
            *(Drive(row, self.amount, self.held) for row in _rows(session, self.stimulate)),
            *(Silence(row) for row in _rows(session, self.silence)),
            *(RemoveEdge(*edge) for edge in (_edge(session, text) for text in self.remove_edges) if edge is not None),
        ]


def save_perturbations(
    runs: Sequence[Run],
    asked: PerturbedNeurons,
    folder: Path,
    *,
    horizon: int = 10,
    session: str | None = None,
    windows: int = 100,
    formats: Sequence[str] = ("csv",),
    weights: bool = True,
    counts: bool = False,
) -> list[str]:
    """Computes effects with 95 % intervals in every session with the perturbed neurons, and writes them.

    Args:
        runs: One run, or several runs of the same sessions with different seeds.
        asked: Neurons and edges to perturb.
        folder: Folder of the files, created if needed.
        horizon: Number of bins ahead H.
        session: Name of the only session; None: all that have the neurons.
        windows: Largest number of starting windows, evenly spread over a session.
        formats: Formats of the table, of :data:`TABLE_FORMATS`.
        weights: Whether intervals cover the learned weights too, and there are p-values.
        counts: Whether forecasts enter the next step as Poisson counts.

    Returns:
        A line for each file and for each perturbation, and the limits of the intervals.

    Raises:
        ValueError: No session has these neurons or edges, a format is unknown, a number is out of range, or a session
            is too short for the errors of its weights.
    """
    wrong = [name for name in formats if name not in TABLE_FORMATS]
    if wrong or not formats:
        raise ValueError(f"Expected formats among {', '.join(TABLE_FORMATS)} (got {shorten(wrong) or 'none'}).")
    if "parquet" in formats:
        optional_import("pyarrow", "analysis")
    check_sessions(runs)
    lines = []
    for name in steps("perturb", _sessions(runs[0], asked, session)):
        part = runs[0].sessions[name]
        perturbations = asked.perturbations(part)
        effects = effect_intervals(
            [run.model for run in runs],
            part,
            perturbations,
            horizon=horizon,
            weight_errors=_weight_errors(runs, name) if weights else None,
            max_windows=windows,
            counts=counts,
        )
        release_memory()  # of the roll-outs, before tables and figures
        lines += _write(part, perturbations, effects, make_folder(folder) / file_name(name), formats, matrix=asked)
        lines += _summary(part, perturbations, effects)
    return [*lines, _limits(len(runs), weights)]


def _sessions(run: Run, asked: PerturbedNeurons, only: str | None) -> list[str]:
    """Returns the names of the sessions that have all neurons and edges; raises a ValueError if there are none."""
    missing = {name: asked.missing(run.sessions[name]) for name in run.session_names(only)}
    found = [name for name, absent in missing.items() if not absent]
    if not found:
        name, absent = min(missing.items(), key=lambda item: len(item[1]))
        ids = run.sessions[name].neuron_id
        raise ValueError(
            f"Expected neurons of session '{name}', such as {shorten(ids)}, and edges as SENDER:RECEIVER (got "
            f"{shorten(absent)})."
        )
    return found


def _rows(session: Session, ids: Sequence[str]) -> list[int]:
    """Returns the rows of neurons; of every neuron for ``["all"]``."""
    if "all" in ids:
        return list(range(session.num_neurons))
    rows = (_row(session, neuron) for neuron in ids)
    return [row for row in rows if row is not None]


def _row(session: Session, neuron: str) -> int | None:
    """Returns the row of a neuron, by its id with or without the session's name before it; None if there is none."""
    for known in (neuron, f"{session.name}/{neuron}"):
        if known in session.neuron_id:
            return session.neuron_id.index(known)
    return None


def _edge(session: Session, text: str) -> tuple[int, int] | None:
    """Returns the rows of sender and receiver of SENDER:RECEIVER, whose ids may hold colons; None if there are none."""
    parts = text.split(":")
    for k in range(1, len(parts)):
        sender, receiver = _row(session, ":".join(parts[:k])), _row(session, ":".join(parts[k:]))
        if sender is not None and receiver is not None:
            return sender, receiver
    return None


def _weight_errors(runs: Sequence[Run], name: str) -> Tensor:
    """Returns the standard errors [N, N] of the weights of a session; for untested neurons the largest of them."""
    train = runs[0].sessions[name].split().train
    try:
        errors = edge_significance(train, resamples=10).require_all_pairs("intervals of responses").error
    except ValueError as error:
        raise ValueError(f"{error} --states-only leaves the errors of the weights out.") from None
    if not bool(errors.isfinite().any()):
        raise ValueError(
            f"Expected neurons with enough events to tell the errors of weights (session '{name}' has none); "
            "--states-only leaves them out."
        )
    return errors.nan_to_num(float(errors.nan_to_num().max())).fill_diagonal_(torch.nan)


def _write(
    session: Session,
    perturbations: Sequence[Perturbation],
    effects: EffectIntervals,
    stem: Path,
    formats: Sequence[str],
    *,
    matrix: PerturbedNeurons,
) -> list[str]:
    """Writes table, figure, and for every neuron the matrices; returns a line for each file."""
    table = effects.table(session, perturbations)
    lines = []
    for format in formats:
        path = stem.with_name(f"{stem.name}-perturbation.{format}")
        with atomic_path(path) as temporary:
            as_cells(table).to_csv(temporary, index=False) if format == "csv" else table.to_parquet(
                temporary, index=False
            )
        lines.append(f"written to {path}: {len(table)} rows")
    if matrix.every_neuron:
        path = stem.with_name(f"{stem.name}-effects.npz")
        with atomic_path(path) as temporary:
            names = ("effect", "error", "low", "high", "p_value", "q_value")
            # [H, receiver, sender], as everywhere
            arrays = {name: getattr(effects, name).permute(2, 1, 0).numpy() for name in names}
            arrays["neuron_id"] = np.array(session.neuron_id, dtype=np.str_)
            np.savez_compressed(temporary, **arrays)
        lines.append(f"written to {path}: matrices [step, receiver, sender]")
        figure = _draw_matrix(session, effects)
    else:
        figure = _draw_curves(session, perturbations, effects)
    paths = save_figure(figure, stem.with_name(f"{stem.name}-perturbation"))
    return lines + [f"written to {path}" for path in paths]


def _draw_matrix(session: Session, effects: EffectIntervals) -> Figure:
    """Draws the effect of every neuron on every other at the step of the largest effects."""
    values = effects.effect.permute(2, 1, 0).clone()
    for step in values:
        step.fill_diagonal_(0)
    step = int(values.abs().mean((1, 2)).argmax())
    figure, (ax,) = make_figure(5.8, 4.6)
    title = f"{session.name}: effects after {(step + 1) * session.bin_size:.2g} s"
    draw_matrix(ax, values[step], title, label=f"effect ({_unit(session)})")
    return figure


def _draw_curves(session: Session, perturbations: Sequence[Perturbation], effects: EffectIntervals) -> Figure:
    """Draws the responses of the most affected neurons to the first perturbations."""
    shown = perturbations[:_PANELS]
    figure, axes = make_figure(6.2, 2.9 * len(shown), rows=len(shown))
    seconds = (torch.arange(1, effects.effect.shape[2] + 1) * session.bin_size).numpy()
    for m, (ax, perturbation) in enumerate(zip(axes, shown, strict=True)):
        chosen = _most_affected(effects, perturbation, m)[:_CURVES]
        curves = ResponseCurves(
            effects.effect[m, chosen].numpy(),
            effects.low[m, chosen].numpy(),
            effects.high[m, chosen].numpy(),
            [session.neuron_id[row] for row in chosen],
        )
        draw_responses(ax, seconds, curves, title=_title(session, perturbation), unit=_unit(session))
    return figure


def _most_affected(effects: EffectIntervals, perturbation: Perturbation, m: int) -> list[int]:
    """Returns the rows of the neurons other than the perturbed one, the largest effect first."""
    largest = effects.effect[m].abs().amax(1)
    row = perturbation.source()
    return [i for i in largest.argsort(descending=True).tolist() if i != row]


def _summary(session: Session, perturbations: Sequence[Perturbation], effects: EffectIntervals) -> list[str]:
    """Returns a line for each perturbation on its significant and its largest effects; one line for many of them."""
    orders = [_most_affected(effects, perturbation, m) for m, perturbation in enumerate(perturbations)]
    tested = not bool(effects.p_value.isnan().all())
    changed = [int((effects.q_value[m, order] <= _RATE).any(1).sum()) for m, order in enumerate(orders)]
    rate = "at a false discovery rate of 5 %"
    if len(perturbations) > _PANELS:
        text = f"{session.name}, {len(perturbations)} perturbations"
        pairs = sum(map(len, orders))
        return [f"{text}: {sum(changed)} of {pairs} pairs change {rate}" if tested else f"{text}: see the table"]
    lines = []
    for m, (perturbation, order) in enumerate(zip(perturbations, orders, strict=True)):
        parts = [f"{changed[m]} of {len(order)} neurons change {rate}"] if tested else []
        if order:
            row = order[0]
            step = int(effects.effect[m, row].abs().argmax())
            low, value, high = (float(values[m, row, step]) for values in (effects.low, effects.effect, effects.high))
            after = f"{step + 1} bin{'s' if step else ''}"
            parts.append(f"most {session.neuron_id[row]} by {value:+.3g} ({low:.3g} to {high:.3g}) after {after}")
        text = "; ".join(parts) or "there is no other neuron"
        lines.append(f"{session.name}, {_title(session, perturbation)}: {text}")
    return lines


def _title(session: Session, perturbation: Perturbation) -> str:
    """Returns a perturbation in words."""
    source = perturbation.source_name(session)
    if isinstance(perturbation, Drive):
        length = "held" if perturbation.held else "for one bin"
        return f"{source} stimulated by {perturbation.amount:g} ({length})"
    return f"{source} silenced" if isinstance(perturbation, Silence) else f"edge {source} removed"


def _unit(session: Session) -> str:
    """Returns the unit of the session's activity."""
    return "deviations" if "activity_scale" in session else "unit of the activity"


def _limits(runs: int, weights: bool) -> str:
    """Returns what the intervals cover and what they do not."""
    covered = ["starting states"]
    covered += ["learned weights (to first order)"] if weights else []
    covered += [f"seeds of {runs} runs"] if runs > 1 else []
    text = f"intervals (95 %) cover {', '.join(covered)}; they do not cover unrecorded neurons or the model's form"
    return text if weights else f"{text}, nor the learned weights, so that there are no p-values"
