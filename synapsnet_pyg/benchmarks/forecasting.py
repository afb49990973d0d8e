"""Benchmark of forecasting: every model on the same windows of the same sessions, as resumable jobs."""

import json
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from synapsnet_pyg.benchmarks.forecast_figures import draw_benchmark, ranked
from synapsnet_pyg.benchmarks.forecast_results import Fit, ForecastBenchmark, Kind, Row, summarise
from synapsnet_pyg.benchmarks.horizon_figures import draw_horizon_results
from synapsnet_pyg.benchmarks.horizon_results import (
    HorizonResults,
    HorizonRow,
    SessionScores,
    check_horizon,
    scores_from_json,
    scores_to_json,
)
from synapsnet_pyg.benchmarks.jobs import JobsFailed, Workers, errors_of, read_number, results_of, run_jobs
from synapsnet_pyg.benchmarks.variants import Variant, named, over_horizons, with_tuned
from synapsnet_pyg.data.division import Fold
from synapsnet_pyg.data.protocols import protocol_named
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.files import Json, atomic_path, file_name, label_name, make_folder, require_distinct, session_folder
from synapsnet_pyg.models.registry import ANCHORS, build_model, model_class
from synapsnet_pyg.plots.image_files import write_image
from synapsnet_pyg.processes.locks import held
from synapsnet_pyg.runs.horizon_scores import score_by_method
from synapsnet_pyg.runs.horizon_tables import label_of
from synapsnet_pyg.runs.intervals import IntervalScore, forecast_intervals, score_intervals
from synapsnet_pyg.runs.recipe import Preset, Recipe
from synapsnet_pyg.runs.run import Run
from synapsnet_pyg.runs.run_file import FILE, versions
from synapsnet_pyg.runs.scores import Score, score
from synapsnet_pyg.runs.training import check_fit


@dataclass(frozen=True)
class ForecastResult:
    """Scores of one fit on its sessions."""

    first: int
    """Position of the first scored bin in each segment."""
    seconds: float
    """Duration of the fit."""
    sessions: Mapping[str, Score]
    intervals: Mapping[str, IntervalScore]
    """Session name -> coverage and width of the intervals."""
    ahead: SessionScores = field(default_factory=dict)
    """Scores of each session several bins ahead; empty for a horizon of 1."""

    def to_json(self) -> Json:
        """Returns name -> value, ready for JSON; the scores by session."""
        scores, intervals = (
            {name: score.to_json() for name, score in each.items()} for each in (self.sessions, self.intervals)
        )
        ahead = {"ahead": scores_to_json(self.ahead)} if self.ahead else {}
        return {"first": self.first, "seconds": self.seconds, "sessions": scores, "intervals": intervals, **ahead}


@dataclass(frozen=True)
class ForecastJob:
    """One fit of a model and its scores.

    Attributes:
        folder: Folder of the job and of its run.
        variant: Model with its arguments.
        fingerprints: Session file -> fingerprint of its recording.
        recipe: Recipe of the fit.
        first: Position of the first scored bin in each segment, equal for all models of the benchmark.
        fit: Sessions of the fit: ``single``, ``multi`` or ``anchor``.
        horizon: Number of bins ahead H that are scored.
        context: Number of past bins C that models with such an argument see; None: the models' defaults.
    """

    folder: Path
    variant: Variant
    fingerprints: Mapping[str, str]
    recipe: Recipe
    first: int
    fit: Fit
    horizon: int = 1
    context: int | None = None

    def settings(self) -> Json:
        """Returns model, recordings, recipe, and horizon and context unless they are the defaults.

        The first scored bin is not a setting: if it changes, the stored fit is scored again.
        """
        sessions = sorted(self.fingerprints.values())
        model = {"model": self.variant.kind, "arguments": dict(self.variant.arguments)}
        further = {key: value for key, value, default in (("horizon", self.horizon, 1), ("context", self.context, None))
                   if value != default}  # fmt: skip
        return {**model, "sessions": sessions, **self.recipe.to_json(), **further}

    def run(self) -> ForecastResult:
        """Fits the model, unless the folder holds a finished fit, and scores it."""
        start, finished = time.monotonic(), self.folder / "finished"
        if read_number(finished) is None:
            Run.fit(
                list(self.fingerprints),
                self.folder,
                self.variant.kind,
                arguments=self.variant.arguments,
                recipe=self.recipe,
                resume=(self.folder / FILE).exists(),
                progress=False,
            )
            with atomic_path(finished) as temporary:
                temporary.write_text(f"{time.monotonic() - start:.1f}\n")
        run = Run.load(self.folder, trust=self.variant.names)
        scores = {
            name: score(run.model, session, session.split(), targets=run.targets, first=self.first)
            for name, session in run.sessions.items()
        }
        ahead = {
            name: score_by_method(
                run.model, session, session.split(), self.horizon, targets=run.targets, first=self.first
            )
            for name, session in (run.sessions.items() if self.horizon > 1 else ())
        }
        intervals = {
            name: score_intervals(
                session, forecast_intervals(run.model, session.split(), targets=run.targets, first=self.first)
            )
            for name, session in run.sessions.items()
        }
        return ForecastResult(self.first, read_number(finished) or 0.0, scores, intervals, ahead)

    def read(self, values: Mapping[str, Any]) -> ForecastResult | None:
        """Reads the scores; None if other bins were scored, or no intervals."""
        if values["first"] != self.first or "intervals" not in values:
            return None
        scores = {name: Score.from_json(score) for name, score in values["sessions"].items()}
        intervals = {name: IntervalScore.from_json(score) for name, score in values["intervals"].items()}
        ahead = scores_from_json(values.get("ahead", {}))
        return ForecastResult(values["first"], values["seconds"], scores, intervals, ahead)

    def describe(self, result: ForecastResult) -> str:
        """Returns mean correlation over sessions and duration of the fit as text."""
        values = [score.correlation for score in result.sessions.values() if score.correlation == score.correlation]
        mean = f"{sum(values) / len(values):.4f}" if values else "-"
        return f"correlation {mean}, {result.seconds:.0f} s"


class CrossValidation(NamedTuple):
    """Number and kind of the folds of a cross-validation."""

    folds: int
    """Number of folds K."""
    trials: bool = False
    """Whether whole segments are drawn at random; else blocks in time."""

    def each(self, gap: int) -> list[str]:
        """Returns the folds as texts, with a gap of some bins between blocks."""
        return [str(Fold(k, self.folds, self.trials, None if self.trials else gap)) for k in range(1, self.folds + 1)]


class _FittedSessions(NamedTuple):
    """Sessions of one fit."""

    name: str
    """Name of the session, or of the folder of fits to all of them."""
    fingerprints: Mapping[str, str]
    """Session file -> fingerprint of its recording."""


def plan(
    sessions: Mapping[str, Session],
    out: Path,
    variants: Sequence[Variant],
    *,
    seeds: Sequence[int] = (0,),
    preset: Preset = Preset(),  # noqa: B008
    multi: bool = True,
    context: int | None = None,
    horizon: int | None = None,
    cross_validation: CrossValidation | None = None,
) -> list[ForecastJob]:
    """Returns all jobs of a benchmark: every variant, seed and fold on every session, and the anchors.

    Args:
        sessions: Session file -> session.
        out: Folder of the benchmark.
        variants: Models to compare; the anchors are added.
        seeds: Seeds of the fits; anchors are fitted with the first seed only.
        preset: Recipe of all fits.
        multi: Whether models with dynamics that sessions share are also fitted to all sessions together.
        context: Number of past bins C that models with an argument ``window`` see. None: the protocol's.
        horizon: Number of bins ahead H; models with an argument ``horizon`` forecast all of them directly. None: the
            protocol's.
        cross_validation: Folds of each session, with gaps of the largest context; None: the parts of the protocol.

    Raises:
        ValueError: A model, an argument or a session is invalid.
    """
    recipe = preset.recipe(list(sessions.values()))  # raises an error if a number is out of range
    context, horizon = _sizes(recipe.protocol, context, horizon)
    variants, anchors = (over_horizons(given, context, horizon) for given in (variants, named(ANCHORS)))
    recordings = [recipe.prepare(session) for session in sessions.values()]
    models = [build_model(variant.kind, recordings[:1], variant.arguments) for variant in [*variants, *anchors]]
    first = max(5, context or 1, *(model.window for model in models))  # 5: window of AR(5) and VAR(5)
    folds = [None] if cross_validation is None else cross_validation.each(first)
    for fold in folds:
        parts = [recipe.changed(fold=fold).prepare(session) for session in sessions.values()]
        for model in models:
            check_fit(model, parts)
        check_horizon(parts, first, horizon)
    fingerprints = {path: session.fingerprint for path, session in sessions.items()}
    names = [session.name for session in sessions.values()]
    require_distinct(names)
    together = "all_sessions"
    while together in {file_name(name).casefold() for name in names}:
        together += "_"
    all_sessions = _FittedSessions(together, fingerprints)
    each_session = [_FittedSessions(session.name, {path: fingerprints[path]}) for path, session in sessions.items()]

    def each_fold(variant: Variant, seed: int, fit: Fit, fitted: _FittedSessions) -> list[ForecastJob]:
        """Returns the jobs of one fit."""
        folder = out / "runs" / label_name(variant.label)
        folder = (
            folder / together if fitted is all_sessions else session_folder(folder, fitted.name, [*names, together])
        )
        recipe = preset.recipe([sessions[path] for path in fitted.fingerprints], seed=seed).changed(**variant.recipe)
        return [
            ForecastJob(
                folder / (f"seed-{seed}" if fold is None else f"fold-{label_name(fold)}-seed-{seed}"),
                variant,
                fitted.fingerprints,
                recipe.changed(fold=fold),
                first=first,
                fit=fit,
                horizon=horizon,
                context=context,
            )
            for fold in folds
        ]

    jobs = []
    for variant in (variant for variant in variants if variant not in anchors):
        is_shared = multi and len(sessions) > 1 and bool(model_class(variant.kind).shared)
        for seed in seeds:
            for session in each_session:
                jobs += each_fold(variant, seed, "single", session)
            jobs += each_fold(variant, seed, "multi", all_sessions) if is_shared else []
    # Anchors share nothing between sessions: one job solves all of them.
    for anchor in anchors:
        jobs += each_fold(anchor, seeds[0], "anchor", all_sessions)
    return jobs


def _sizes(protocol: str, context: int | None, horizon: int | None) -> tuple[int | None, int]:
    """Returns context and horizon, those of the protocol where none is given; None: the models' default context."""
    sizes = protocol_named(protocol)
    if context is None and protocol != "paper":  # whose context is the models' default
        context = sizes.context
    return context, sizes.horizon if horizon is None else horizon


def compare_forecasts(
    paths: Sequence[str],
    out: Path,
    variants: Sequence[Variant],
    *,
    kind: Kind = "forecasting",
    seeds: int = 1,
    preset: Preset = Preset(),  # noqa: B008
    multi: bool = True,
    context: int | None = None,
    horizon: int | None = None,
    cross_validation: CrossValidation | None = None,
    tuned: Sequence[str | Path] = (),
    workers: Workers = Workers(),  # noqa: B008
) -> ForecastBenchmark:
    """Fits and scores every variant and anchor on the same windows, and writes tables, figure and one JSON file.

    Finished jobs are not repeated and interrupted fits continue. A failed job does not stop the others.

    Args:
        paths: Session files.
        out: Folder of the benchmark, created if needed; its folder ``runs`` holds the fits.
        variants: Models to compare.
        kind: Kind of the comparison and stem of the file names: ``.md``, ``.csv``, ``.tex``, ``.png``, ``.json`` and
            ``-sessions.*``.
        seeds: Number of seeds, counted from 0.
        preset: Recipe of all fits.
        multi: Whether models with dynamics that sessions share are also fitted to all sessions together.
        context: Number of past bins C that models with an argument ``window`` see. None: the protocol's.
        horizon: Number of bins ahead H; above 1 tables, a figure and JSON over horizons are written too. None: the
            protocol's.
        cross_validation: Folds of each session; None: the parts of the protocol.
        tuned: Folders of :func:`~synapsnet_pyg.benchmarks.tuning.tune`, whose models take their best hyper-parameters.
        workers: Number and place of the processes.

    Raises:
        ValueError: An argument or a session is invalid, or ``out`` holds results of other settings.
        JobsFailed: Every job failed.
        BlockingIOError: Another process runs a benchmark in the folder.
    """
    if seeds < 1:
        raise ValueError(f"Expected at least 1 seed (got {seeds}).")
    sessions = {str(Path(path).resolve()): Session.load(path) for path in paths}
    name = preset.recipe(list(sessions.values())).protocol
    context, horizon = _sizes(name, context, horizon)
    variants = with_tuned(variants, tuned, protocol=name, context=context, horizon=horizon)
    jobs = plan(sessions, out, variants, seeds=range(seeds), preset=preset, multi=multi,
                context=context, horizon=horizon, cross_validation=cross_validation)  # fmt: skip
    with held(make_folder(out)):
        run_jobs(jobs, out, workers)
    benchmark = _benchmark(jobs, list(sessions.values()), kind, preset)
    if not benchmark.rows:
        raise JobsFailed(f"Every job failed; the first: {next(iter(benchmark.failed.values()))}")
    with atomic_path(out / f"{kind}.json") as temporary:
        temporary.write_text(json.dumps(benchmark.to_json(), indent=1) + "\n")
    benchmark.write_tables(out)
    figure = draw_benchmark(kind, benchmark.rows, _best_run(jobs, benchmark.rows), jobs[0].first)
    figures = {str(kind): figure}
    if benchmark.horizons is not None:
        figures[f"{kind}-horizons"] = draw_horizon_results(benchmark.horizons)
    for stem, drawn in figures.items():
        write_image(drawn, out / f"{stem}.png")
    return benchmark


def _benchmark(
    jobs: Sequence[ForecastJob], sessions: Sequence[Session], kind: Kind, preset: Preset
) -> ForecastBenchmark:
    """Collects scores and settings of all jobs."""
    rows = [
        Row(
            job.variant.label,
            job.fit,
            session=name,
            seed=job.recipe.seed,
            scores=scores,
            seconds=result.seconds,
            fold=job.recipe.fold,
            intervals=result.intervals[name],
        )
        for job, result in results_of(jobs)
        for name, scores in result.sessions.items()
    ]
    return ForecastBenchmark(
        kind=kind,
        command=shlex.join(["synapsnet", *sys.argv[1:]]),
        versions=versions(),
        protocol={
            "name": jobs[0].recipe.protocol,
            "split": jobs[0].recipe.changed(fold=None).division,
            "folds": list(dict.fromkeys(job.recipe.fold for job in jobs if job.recipe.fold is not None)),
            "first scored bin of a segment": jobs[0].first,
            "preset": preset.name,
            "training": {
                key: value for key, value in preset.changes.items() if value is not None and key != "protocol"
            },
            "seeds": sorted({job.recipe.seed for job in jobs}),
            **({} if jobs[0].context is None else {"context": jobs[0].context}),
        },
        sessions={
            session.name: {"neurons": session.num_neurons, "bins": session.num_bins, "bin_size": session.bin_size}
            for session in sessions
        },
        variants={
            job.variant.label: {"model": job.variant.kind, **job.variant.arguments, **job.variant.recipe}
            for job in jobs
        },
        tuned={job.variant.label: job.variant.tuned for job in jobs},
        rows=rows,
        summary=summarise(rows),
        failed=errors_of(jobs),
        horizons=_horizons(jobs, sessions) if jobs[0].horizon > 1 else None,
    )


def _horizons(jobs: Sequence[ForecastJob], sessions: Sequence[Session]) -> HorizonResults:
    """Collects the scores of all jobs several bins ahead."""
    rows = [
        HorizonRow(label_of(job.variant.label, method, by_method), job.fit,
                   session=name, seed=job.recipe.seed, scores=scores)
        for job, result in results_of(jobs)
        for name, by_method in result.ahead.items()
        for method, scores in by_method.items()
    ]  # fmt: skip
    return HorizonResults(jobs[0].horizon, {session.name: session.bin_size for session in sessions}, rows)


def _best_run(jobs: Sequence[ForecastJob], rows: Sequence[Row]) -> Run | None:
    """Returns the run of the best model on its first session; None if no single session was fitted."""
    labels = ranked(rows)
    best = (job for job, _ in results_of(jobs) if labels and job.variant.label == labels[0] and job.fit == "single")
    job = next(best, None)
    return None if job is None else Run.load(job.folder, trust=job.variant.names)
