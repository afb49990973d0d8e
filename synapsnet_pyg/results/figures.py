"""Figures of a run: connectivity, forecasts, training curve."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.files import file_name
from synapsnet_pyg.metrics import correlation
from synapsnet_pyg.models.forecasting import forecast_session
from synapsnet_pyg.plots.canvas import Figure, figure_text, make_figure
from synapsnet_pyg.plots.connectivity import draw_matrix, draw_true_against_learned
from synapsnet_pyg.plots.forecasts import draw_forecast_traces, draw_training_curve
from synapsnet_pyg.progress import steps
from synapsnet_pyg.results.neuron_scores import draw_neuron_scores
from synapsnet_pyg.results.saving import FIGURE_FORMATS, save_figure
from synapsnet_pyg.results.strongest_part import StrongestPart
from synapsnet_pyg.runs.evaluation import evaluate
from synapsnet_pyg.runs.run import History, Run
from synapsnet_pyg.runs.scores import scored_neurons


def draw_run(run: Run, sessions: Sequence[str], folder: Path, *, formats: Sequence[str] = FIGURE_FORMATS) -> list[Path]:
    """Draws connectivity, forecasts and scores of neurons of sessions, and the training curve.

    Args:
        run: Run of any model.
        sessions: Names of the sessions to draw.
        folder: Existing folder of the files.
        formats: Formats of each figure among :data:`~synapsnet_pyg.results.saving.FIGURE_FORMATS`.

    Returns:
        Paths of the files, that is, for PNG ``<session>-connectivity.png`` (with the true connectivity if it is
        known), ``<session>-forecast.png``, the figures of
        :func:`~synapsnet_pyg.results.neuron_scores.draw_neuron_scores` as ``<session>-neurons-<name>.png``, and
        ``training.png`` (``<session>-training.png`` if each session has a separate model).

    Raises:
        ValueError: No neuron of a session varies in both training and test part.
    """
    figures: dict[str, Figure] = {}
    scores = evaluate(run)
    for name in steps("draw", sessions):
        prefix = file_name(name)
        figures[f"{prefix}-connectivity"] = _draw_connectivity(run, name)
        figures[f"{prefix}-forecast"] = _draw_forecasts(run, name)
        for label, figure in draw_neuron_scores(run.kind, scores.details[name]).items():
            figures[f"{prefix}-neurons-{label}"] = figure
        if own := run.history(name):
            figures[f"{prefix}-training"] = draw_training(own)
    if shared := run.history():
        figures["training"] = draw_training(shared)
    return [
        path
        for stem, figure in figures.items()
        for path in save_figure(figure, folder / stem, formats=formats, dpi=150)
    ]


def draw_training(history: History) -> Figure:
    """Draws the validation correlation over epochs."""
    figure, (ax,) = make_figure(5.4, 3.8)
    draw_training_curve(ax, *history)
    return figure


def breaks_between(session: Session, bins: Tensor) -> list[int]:
    """Returns the indices into bins [M] at which another segment begins, so that figures interrupt their lines."""
    segment = torch.searchsorted(session.segment[:, 1].contiguous(), bins, right=True)
    return (torch.nonzero((bins.diff() > 1) | (segment.diff() > 0)).flatten() + 1).tolist()


def _draw_connectivity(run: Run, name: str) -> Figure:
    """Draws the learned connectivity of a session, beside the true connectivity if it is known."""
    session = run.sessions[name]
    learned, title = run.model.connectivity(session.split().train), name
    if learned.is_sparse:
        part = StrongestPart.of(session, learned)
        title = f"{name}, {len(part.neurons)} neurons with the strongest edges"
        learned, session = part.matrix(learned), part.session
    truth = session.true_connectivity
    areas = session.neuron_fields.get("area")
    areas = areas if isinstance(areas, list) else None
    if truth is None:
        figure, (ax,) = make_figure(5.8, 4.6)
        draw_matrix(ax, learned, f"{title}: learned connectivity", groups=areas)
        return figure
    figure, (left, middle, right) = make_figure(14, 4.4, columns=3)
    draw_matrix(left, truth, f"{title}: true connectivity", groups=areas)
    draw_matrix(middle, learned, "learned connectivity", groups=areas)
    draw_true_against_learned(right, truth, learned)
    return figure


def _draw_forecasts(run: Run, name: str) -> Figure:
    """Draws the five neurons with the best forecasts, over the first bins of the test part."""
    session = run.sessions[name]
    test = session.split().test
    forecast = forecast_session(run.model, test, run.targets)
    r = correlation(forecast.truth, forecast.forecast)
    r[~scored_neurons(session, forecast.truth)] = -torch.inf
    best = r.argsort(descending=True)[: min(5, int(r.isfinite().sum()))]
    if not len(best):
        raise ValueError(f"Expected a neuron that varies in training and test part of session '{name}' (got none).")
    bins = forecast.bins[:300]
    figure, (ax,) = make_figure(10, 5)
    draw_forecast_traces(
        ax,
        (session.part_bins("test")[bins] * session.bin_size).numpy(),
        forecast.truth[best][:, : len(bins)].numpy(),
        forecast.forecast[best][:, : len(bins)].numpy(),
        labels=[f"{session.neuron_id[i]}\nr = {float(r[i]):.2f}" for i in best.tolist()],
        breaks=breaks_between(test, bins),
    )
    ax.set_title(
        f"{figure_text(name)}: the {len(best)} best forecast neurons, beginning of the test part",
        loc="left",
        fontsize="medium",
    )
    return figure
