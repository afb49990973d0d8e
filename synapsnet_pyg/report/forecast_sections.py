"""Sections of a report on the forecasts of a session."""

from collections.abc import Callable

import pandas as pd

from synapsnet_pyg.report.forecast_figures import (
    components_figure,
    fans_figure,
    raster_figure,
    traces_figure,
    training_figure,
)
from synapsnet_pyg.report.forecast_results import ForecastResults
from synapsnet_pyg.report.neuron_order import group_neurons
from synapsnet_pyg.report.neuron_score_figures import neuron_score_figures
from synapsnet_pyg.report.sections import Part, ReportTable, Section
from synapsnet_pyg.report.summary import forecast_sentence, recorded_sentence
from synapsnet_pyg.runs.horizon_tables import shown_horizons
from synapsnet_pyg.runs.score_tables import detail_sentences, verdict


def forecast_part(results: ForecastResults) -> Part:
    """Returns the sections on the forecasts of a session; those without results are left out."""
    sections = [section for make in FORECAST_SECTIONS if (section := make(results)) is not None]
    return Part(sections, [recorded_sentence(results.session), forecast_sentence(results)])


def _scores(results: ForecastResults) -> Section:
    """Returns the section of the scores of all models on a session."""
    rows = []
    for model, score in results.scores.items():
        row: dict[str, str | float] = {"model": model, "correlation": score.correlation}
        if results.details is not None:
            row["low"], row["high"] = results.details.intervals[model].correlation
        row["MSE"] = score.mse
        row |= {f"PC{k}": value for k, value in enumerate(score.pc_correlation, start=1)}
        row |= {f"connectivity {key}": value for key, value in (score.connectivity or {}).items()}
        rows.append(row)
    counts = results.counts
    details = [] if results.details is None else detail_sentences(next(iter(results.scores)), results.details)
    sentences = [
        " ".join([verdict(results.scores, results.details), *details]),
        "The correlation is Pearson's over time, averaged over neurons. The MSE is the mean squared error of "
        "standardised activity; forecasting the mean has an MSE of about 1, or more if the test part varies more than "
        "the training part. PC1 to PC3 are the correlations along the first principal axes of the population. "
        f"{counts.scored} of {counts.recorded} neurons are scored: those that vary both in the training and in "
        "the test part.",
    ]
    if results.details is not None:
        sentences.append(
            "From low to high is the 95 % interval of the correlation over blocks of test bins: its change with other "
            "bins of the same neurons, for the same fit. The ceiling is an estimate of what noise allows; a forecast "
            "of regular neurons can exceed it."
        )
    if results.left_out:
        sentences.append(f"Left out, because segments are too short for them: {', '.join(results.left_out)}.")
    table = pd.DataFrame(rows)
    return Section("Scores beside simple forecasts", sentences, tables=[ReportTable("scores", table, table)])


def _training(results: ForecastResults) -> Section | None:
    """Returns the section on the training of a session's separate model."""
    if results.history is None or len(results.history.epochs) < 2:
        return None
    return Section("Training", figures=[training_figure(results.history)])


def _forecasts(results: ForecastResults) -> Section | None:
    """Returns the section of forecasts of neurons, components and the population."""
    session, excerpt = results.session, results.excerpt
    if excerpt is None:
        return None
    raster = raster_figure(session, excerpt, group_neurons(session))
    figures = [traces_figure(session, excerpt), components_figure(excerpt), raster]
    return Section("Forecasts", figures=figures)


def _horizons(results: ForecastResults) -> Section | None:
    """Returns the section on forecasts of several bins; None if the segments are too short for them."""
    session, ahead = results.session, results.horizons
    if ahead is None:
        return None
    scores = pd.DataFrame(ahead.rows(session.name))
    tables = []
    for key in ("correlation", "against_copy"):
        table = scores.pivot(index="model", columns="horizon", values=key)
        table = (
            table.loc[scores["model"].unique(), shown_horizons(ahead.horizon)].reset_index().rename_axis(columns=None)
        )
        tables.append(ReportTable(f"horizon-{key.replace('_', '-')}", table, table))
    part = "the test part" if ahead.whole[session.name] else "the beginning of the test part"
    sentences = [
        f"Scores on {part} of forecasts 1 to {ahead.horizon} bins ahead (columns), of {session.bin_size:.3g} s each. "
        "Models that forecast one step feed their forecasts back. The first table shows the correlation, the second "
        "1 - MSE / MSE of a copy, which is above 0 where a model is better than no change. The file horizon-scores "
        "has all scores. For other horizons: synapsnet evaluate RUN --horizon H.",
    ]
    if ahead.left_out:
        sentences.append(f"Left out, because segments are too short for them: {', '.join(ahead.left_out)}.")
    figures = [] if results.fans is None else [fans_figure(session, results.fans)]
    return Section(
        "Forecasts further ahead", sentences, figures=figures, tables=[*tables, ReportTable("horizon-scores", scores)],
    )  # fmt: skip


def _neuron_scores(results: ForecastResults) -> Section | None:
    """Returns the section of the scores of each neuron."""
    if results.details is None:
        return None
    model = next(iter(results.scores))
    table = results.details.neurons.sort_values("correlation", ascending=False, kind="stable")
    sentence = "The file has the scores of each neuron by all models, its ceiling, its rate and its fields."
    figures = neuron_score_figures(model, results.details)
    return Section("Scores of neurons", [sentence], figures=figures, tables=[ReportTable("neuron-scores", table)])


FORECAST_SECTIONS: tuple[Callable[[ForecastResults], Section | None], ...] = (
    _scores,
    _training,
    _forecasts,
    _horizons,
    _neuron_scores,
)
"""Functions that return the sections on the forecasts of a session, in the order of the page."""
