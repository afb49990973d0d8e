"""The benchmark of forecasting, from session files to tables, figures and one JSON file."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from synapsnet_pyg.benchmarks.forecast_jobs import (
    Job,
    Row,
    mean_over_seeds,
    plan,
    read_scores,
    report,
    require_same,
    rows_of,
    run_job,
)
from synapsnet_pyg.benchmarks.jobs import read_error, run_all
from synapsnet_pyg.benchmarks.tables import comparison_table, session_rows, write_table
from synapsnet_pyg.benchmarks.variants import Variant
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.files import atomic_path, make_folder
from synapsnet_pyg.metrics import principal_components
from synapsnet_pyg.models.forecasting import forecast_session
from synapsnet_pyg.plots.canvas import Figure, make_figure
from synapsnet_pyg.plots.comparisons import draw_component_bars, draw_model_against_model, draw_ranking, draw_sweep
from synapsnet_pyg.plots.forecasts import draw_components
from synapsnet_pyg.runs.run import Run
from synapsnet_pyg.runs.scores import scored_neurons

Kind = Literal["forecasting", "window", "embedding", "ablations", "dynamics"]


def compare_forecasts(
    paths: Sequence[str],
    out: Path,
    variants: Sequence[Variant],
    kind: Kind = "forecasting",
    seeds: int = 1,
    preset: str = "paper",
    training: dict[str, Any] | None = None,
    multi: bool = True,
    jobs: int = 1,
    cluster: Literal["local", "slurm"] = "local",
) -> dict[str, Any]:
    """Fits and scores every variant and anchor on the same windows, and writes what came of it.

    Jobs that are done are not repeated, interrupted ones go on, and one that fails is told and stops no other.

    Args:
        paths: Session files.
        out: Folder of the comparison, made if need be; ``runs`` in it holds the fits.
        variants: To compare.
        kind: What is compared; the name of the files written: ``.md``, ``.csv``, ``.tex``, ``.png``, ``.json`` and
            ``-sessions.*``.
        seeds: How many, from 0 on.
        preset: Key of :data:`~synapsnet_pyg.runs.recipe.PRESETS`.
        training: Instead of the preset's; None entries are ignored.
        multi: Whether models that can are also fitted to all sessions together.
        jobs: How many fits at once.
        cluster: Where.

    Returns:
        What the JSON file holds.

    Raises:
        ValueError: An argument or a session does not do.
        RuntimeError: Every job failed.
    """
    sessions = [Session.load(path) for path in paths]
    given = {key: value for key, value in (training or {}).items() if value is not None}
    files = [str(Path(path).resolve()) for path in paths]
    planned = plan(files, sessions, out, variants, range(seeds), preset, given, multi)
    loaded = dict(zip(files, sessions, strict=True))
    for job in planned:
        require_same(job, [loaded[path] for path in job.paths])
    make_folder(out)
    todo = [job for job in planned if read_scores(job) is None]
    run_all(run_job, todo, jobs, cluster, out / "jobs", lambda job: _told(job, out))
    told = report(planned, sessions)
    if not told["scores"]:
        raise RuntimeError(f"Every job failed; the first: {next(iter(told['failed'].values()))}")
    with atomic_path(out / f"{kind}.json") as temporary:
        temporary.write_text(json.dumps(told, indent=1) + "\n")
    notes = [
        "Test parts, mean +- SEM over sessions; corr: Pearson over time, mean over neurons; MSE: standardised.",
        "p: two-sided paired t-test over sessions against the next best of those fitted the same way.",
        f"By `{told['command']}`.",
        *(f"FAILED: {Path(folder).relative_to(out)}: {error}" for folder, error in told["failed"].items()),
    ]
    title = "Forecasting" if kind == "forecasting" else f"Forecasting: {kind}"
    write_table(out / kind, title, *comparison_table(told["summary"]), notes)
    write_table(out / f"{kind}-sessions", f"{title}, each session", *session_rows(told["scores"]), notes[-1:])
    _draw(kind, planned, rows_of(planned), out)
    return told


def _told(job: Job, out: Path) -> str:
    scores, where = read_scores(job), job.folder.relative_to(out / "runs")
    if scores is None:
        return f"{where}: FAILED: {read_error(job.folder)}"
    values = [one["correlation"] for one in scores["sessions"].values() if one["correlation"] is not None]
    mean = f"{sum(values) / len(values):.4f}" if values else "-"
    return f"{where}: correlation {mean}, {scores['seconds']:.0f} s"


def _draw(kind: Kind, jobs: Sequence[Job], rows: Sequence[Row], out: Path) -> None:
    means = mean_over_seeds(rows, "correlation")
    single = {label: of for (label, fit), of in means.items() if fit in ("single", "anchor")}
    if kind in ("window", "embedding"):
        curves: dict[str, dict[int, list[float]]] = {}
        for label, of in single.items():
            if f", {kind} " in label:
                model, value = label.split(f", {kind} ")
                curves.setdefault(model, {})[int(value)] = list(of.values())
        figure, (ax,) = make_figure(5.4, 3.8)
        draw_sweep(ax, curves, {"window": "context window (bins)", "embedding": "size of the embedding"}[kind])
    elif kind == "forecasting":
        figure = _figure_two(jobs, rows, single)
    else:
        figure, (ax,) = make_figure(6.4, 0.6 + 0.32 * len(single))
        draw_ranking(ax, {label: list(of.values()) for label, of in single.items()})
    with atomic_path(out / f"{kind}.png") as temporary:
        figure.savefig(temporary, dpi=120)


def _figure_two(jobs: Sequence[Job], rows: Sequence[Row], single: dict[str, dict[str, float]]) -> Figure:
    """Figure 2: principal components true and forecast, how well each model forecasts them, session by session."""
    models = [job.variant.label for job in jobs if job.fit == "single"]
    ranked = sorted((m for m in dict.fromkeys(models) if m in single), key=lambda m: -_mean(single[m].values()))
    figure, (left, middle, right, last) = make_figure(19, 4.4, columns=4)
    if ranked:
        job = next(job for job in jobs if job.variant.label == ranked[0] and job.fit == "single" and read_scores(job))
        run = Run.load(job.folder)
        (session,), (split,) = run.sessions.values(), run.split().values()
        forecast = forecast_session(run.model, split.test, run.targets, first=job.first)
        kept = scored_neurons(session, forecast.truth)
        truth, forecast_pcs = principal_components(forecast.truth[kept], forecast.forecast[kept])
        draw_components(left, truth[:, :200], forecast_pcs[:, :200], bin_size=session.bin_size)
        left.set_title(f"{session.name}, {ranked[0]}", loc="left", fontsize="medium")
    along = {
        label: [row.scores["pc_correlation"] for row in rows if row.label == label and row.fit != "multi"]
        for label in (ranked or list(single))
    }
    draw_component_bars(middle, along)
    draw_ranking(right, {label: list(of.values()) for label, of in single.items()})
    if len(ranked) > 1:
        ours = "synapsnet" if "synapsnet" in ranked else ranked[0]
        other = next(model for model in ranked if model != ours)
        draw_model_against_model(last, single[other], single[ours], name_x=other, name_y=ours)
    else:
        last.set_axis_off()
    return figure


def _mean(values: Any) -> float:
    values = list(values)
    return sum(values) / len(values)
