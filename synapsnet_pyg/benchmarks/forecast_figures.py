"""Figures of the forecasting benchmark."""

from collections.abc import Mapping, Sequence

import numpy as np

from synapsnet_pyg.benchmarks.forecast_results import Kind, Row, mean_over_seeds
from synapsnet_pyg.metrics import principal_components
from synapsnet_pyg.models.forecasting import forecast_session
from synapsnet_pyg.plots.canvas import Axes, Figure, figure_text, make_figure
from synapsnet_pyg.plots.comparisons import draw_component_bars, draw_model_against_model, draw_ranking, draw_sweep
from synapsnet_pyg.plots.forecasts import draw_components
from synapsnet_pyg.runs.run import Run
from synapsnet_pyg.runs.scores import scored_neurons

Correlations = dict[str, dict[str, float]]
"""Label -> session -> correlation, mean over seeds."""


def draw_benchmark(kind: Kind, rows: Sequence[Row], best: Run | None, first: int) -> Figure:
    """Draws the figure of a comparison: figure 2 of the paper, a sweep (figures 6 and 7), or a ranking.

    Args:
        kind: Kind of the comparison.
        rows: Scores.
        best: Run of the best model on one session, for the first panel of figure 2; None: that panel stays empty.
        first: Position of the first scored bin in each segment.
    """
    means = mean_over_seeds(rows, "correlation")
    single = {label: by_session for (label, fit), by_session in means.items() if fit in ("single", "anchor")}
    if kind == "forecasting":
        return _figure_two(rows, single, best, first)
    if kind in ("window", "embedding"):
        figure, (ax,) = make_figure(5.4, 3.8)
        names = {"window": "context window (bins)", "embedding": "size of the embedding"}
        draw_sweep(ax, _curves(kind, single), names[kind])
        return figure
    figure, (ax,) = make_figure(6.4, 0.6 + 0.32 * len(single))
    draw_ranking(ax, {label: list(by_session.values()) for label, by_session in single.items()})
    return figure


def ranked(rows: Sequence[Row]) -> list[str]:
    """Returns the labels of the models fitted to single sessions, without anchors, best first."""
    means = mean_over_seeds(rows, "correlation")
    mean = {
        label: float(np.mean(list(by_session.values())))
        for (label, fit), by_session in means.items()
        if fit == "single"
    }
    return sorted(mean, key=lambda label: -mean[label])


def _curves(kind: str, single: Correlations) -> dict[str, dict[int, list[float]]]:
    """Returns model -> value of the sweep -> correlation of each session."""
    curves: dict[str, dict[int, list[float]]] = {}
    for label, by_session in single.items():
        if f", {kind} " in label:
            model, value = label.split(f", {kind} ")
            curves.setdefault(model, {})[int(value)] = list(by_session.values())
    return curves


def _figure_two(rows: Sequence[Row], single: Correlations, best: Run | None, first: int) -> Figure:
    """Draws figure 2: true and forecast components, scores of each model, and a comparison session by session."""
    labels = ranked(rows)
    figure, (left, middle, right, last) = make_figure(19, 4.4, columns=4)
    if best is not None:
        _draw_components(left, best, labels[0], first)
    components = {
        label: [row.scores.pc_correlation for row in rows if row.label == label and row.fit != "multi"]
        for label in (labels or list(single))
    }
    draw_component_bars(middle, components)
    draw_ranking(right, {label: list(by_session.values()) for label, by_session in single.items()})
    _draw_against_next(last, labels, single)
    return figure


def _draw_components(ax: Axes, run: Run, label: str, first: int) -> None:
    """Draws the first 200 scored bins along the principal axes, true and forecast."""
    (session,), (split,) = run.sessions.values(), run.split().values()
    forecast = forecast_session(run.model, split.test, run.targets, first=first)
    kept = scored_neurons(session, forecast.truth)
    truth, forecast_pcs = principal_components(forecast.truth[kept], forecast.forecast[kept])
    draw_components(ax, truth[:, :200], forecast_pcs[:, :200], bin_size=session.bin_size)
    ax.set_title(f"{figure_text(session.name)}, {label}", loc="left", fontsize="medium")


def _draw_against_next(ax: Axes, labels: Sequence[str], single: Mapping[str, Mapping[str, float]]) -> None:
    """Draws the sessions' correlations of SynapsNet (else of the best model) against those of the best other one."""
    if len(labels) < 2:
        ax.set_axis_off()
        return
    ours = "synapsnet" if "synapsnet" in labels else labels[0]
    other = next(label for label in labels if label != ours)
    draw_model_against_model(ax, single[other], single[ours], name_x=other, name_y=ours)
