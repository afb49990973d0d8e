"""Figures of a run: connectivity, forecasts, training curve."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.files import file_name, release_memory
from synapsnet_pyg.plots.canvas import Figure, figure_text, make_figure
from synapsnet_pyg.plots.connectivity import TRUE_WEIGHT, draw_matrix, draw_true_against_learned
from synapsnet_pyg.plots.forecasts import draw_forecast_traces, draw_training_curve
from synapsnet_pyg.plots.image_files import FIGURE_FORMATS, save_figure
from synapsnet_pyg.plots.pooling import STATIC_CELLS, drawn_values, weight_limit
from synapsnet_pyg.progress import steps
from synapsnet_pyg.results.forecast_excerpt import ForecastExcerpt, forecast_excerpt
from synapsnet_pyg.results.neuron_groups import fields_with_groups, group_of_each
from synapsnet_pyg.results.neuron_scores import draw_neuron_scores
from synapsnet_pyg.results.strongest_part import StrongestPart
from synapsnet_pyg.runs.evaluation import Evaluation, evaluate
from synapsnet_pyg.runs.run import History, Run


def draw_run(
    run: Run,
    sessions: Sequence[str],
    folder: Path,
    *,
    formats: Sequence[str] = FIGURE_FORMATS,
    scores: Evaluation | None = None,
) -> Iterator[Path]:
    """Draws connectivity, forecasts and scores of neurons of sessions, and the training curve.

    Args:
        run: Run of any model.
        sessions: Names of the sessions to draw.
        folder: Existing folder of the files.
        formats: Formats of each figure among :data:`~synapsnet_pyg.plots.image_files.FIGURE_FORMATS`.
        scores: Scores of the run; None: it is evaluated.

    Yields:
        Paths of the files as they are written, that is, for PNG ``<session>-connectivity.png`` (with the true
        connectivity if it is known), ``<session>-forecast.png``, the figures of
        :func:`~synapsnet_pyg.results.neuron_scores.draw_neuron_scores` as ``<session>-neurons-<name>.png``, and
        ``training.png`` (``<session>-training.png`` if each session has a separate model).

    Raises:
        ValueError: No neuron of a session varies in both training and test part.
    """
    scores = scores or evaluate(run)
    for name in sessions:
        if not scores.neurons[name].scored:
            raise ValueError(f"Expected a neuron that varies in training and test part of session '{name}' (got none).")
    release_memory()
    for stem, figure in _figures(run, sessions, scores):
        yield from save_figure(figure, folder / stem, formats=formats, dpi=150)
        figure.clear()  # its parts refer to each other and would stay
        release_memory()


def _figures(run: Run, sessions: Sequence[str], scores: Evaluation) -> Iterator[tuple[str, Figure]]:
    """Yields the name of each file and its figure, one in memory at a time."""
    for name in steps("draw", sessions):
        prefix = file_name(name)
        yield f"{prefix}-connectivity", _draw_connectivity(run, name)
        yield f"{prefix}-forecast", _draw_forecasts(run, name)
        for label, figure in draw_neuron_scores(run.kind, scores.details[name]).items():
            yield f"{prefix}-neurons-{label}", figure
        if own := run.history(name):
            yield f"{prefix}-training", draw_training(own)
    if shared := run.history():
        yield "training", draw_training(shared)


def draw_training(history: History) -> Figure:
    """Draws the validation correlation over epochs."""
    figure, (ax,) = make_figure(5.4, 3.8)
    draw_training_curve(ax, *history)
    return figure


def _draw_connectivity(run: Run, name: str) -> Figure:
    """Draws the learned connectivity of a session, beside the true connectivity if it is known."""
    session = run.sessions[name]
    learned, title = run.model.connectivity(session.split().train), name
    if learned.is_sparse:
        part = StrongestPart.of(session, learned)
        title = f"{name}, {len(part.neurons)} neurons with the strongest edges"
        learned, session = part.matrix(learned), part.session
    fields = fields_with_groups(session)
    groups = group_of_each(session, fields[0]) if fields else None
    weights = learned.double().cpu().numpy()
    limit = weight_limit(drawn_values(weights, np.arange(len(weights)), STATIC_CELLS))
    truth = session.true_connectivity
    if truth is None:
        figure, (ax,) = make_figure(5.8, 4.6)
        draw_matrix(ax, learned, f"{title}: learned connectivity", groups=groups, limit=limit)
        return figure
    figure, (left, middle, right) = make_figure(14, 4.4, columns=3)
    draw_matrix(left, truth, f"{title}: true connectivity", groups=groups, label=TRUE_WEIGHT)
    draw_matrix(middle, learned, "learned connectivity", groups=groups, limit=limit)
    draw_true_against_learned(right, truth, learned)
    return figure


def _draw_forecasts(run: Run, name: str) -> Figure:
    """Draws the neurons with the best, the median and the worst forecast, over the first bins of the test part."""
    excerpt = forecast_excerpt(run, name)
    assert excerpt is not None  # a neuron has scores
    figure = draw_chosen_neurons(run.sessions[name], excerpt)
    title = f"{figure_text(name)}: best, median and worst forecast, beginning of the test part"
    figure.axes[0].set_title(title, loc="left", fontsize="medium")
    return figure


def draw_chosen_neurons(session: Session, excerpt: ForecastExcerpt) -> Figure:
    """Draws truth, forecast and intervals of the chosen neurons of an excerpt, one above the other.

    Args:
        session: Session of the excerpt.
        excerpt: Beginning of the test part.
    """
    rows = list(excerpt.chosen.values())
    labels = [f"{rank}: {session.neuron_id[i]}\nr = {excerpt.score[i]:.2f}" for rank, i in excerpt.chosen.items()]
    figure, (ax,) = make_figure(10, 4)
    draw_forecast_traces(
        ax, excerpt.seconds, excerpt.truth[rows], excerpt.forecast[rows],
        labels=labels, breaks=excerpt.breaks, bands=excerpt.bands,
    )  # fmt: skip
    return figure
