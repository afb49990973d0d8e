"""Benchmark of forecasting: every model on the same windows of the same sessions, as resumable jobs."""

import json
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from synapsnet_pyg.benchmarks.forecast_figures import draw_benchmark, ranked
from synapsnet_pyg.benchmarks.forecast_results import Fit, ForecastBenchmark, Kind, Row, summarise
from synapsnet_pyg.benchmarks.jobs import JobsFailed, Workers, errors_of, results_of, run_jobs
from synapsnet_pyg.benchmarks.variants import Variant, named
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.files import Json, atomic_path, file_name, make_folder
from synapsnet_pyg.models.registry import ANCHORS, build_model, model_class
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

    def to_json(self) -> Json:
        """Returns name -> value, ready for JSON; the scores by session."""
        scores, intervals = (
            {name: score.to_json() for name, score in each.items()} for each in (self.sessions, self.intervals)
        )
        return {"first": self.first, "seconds": self.seconds, "sessions": scores, "intervals": intervals}


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
    """

    folder: Path
    variant: Variant
    fingerprints: Mapping[str, str]
    recipe: Recipe
    first: int
    fit: Fit

    def settings(self) -> Json:
        """Returns model, recordings and recipe.

        The first scored bin is not a setting: if it changes, the stored fit is scored again.
        """
        sessions = sorted(self.fingerprints.values())
        model = {"model": self.variant.kind, "arguments": dict(self.variant.arguments)}
        return {**model, "sessions": sessions, **self.recipe.to_json()}

    def run(self) -> ForecastResult:
        """Fits the model, unless the folder holds a finished fit, and scores it."""
        start, finished = time.monotonic(), self.folder / "finished"
        if not finished.exists():
            Run.fit(
                list(self.fingerprints),
                self.folder,
                self.variant.kind,
                arguments=self.variant.arguments,
                recipe=self.recipe,
                resume=(self.folder / FILE).exists(),
                progress=False,
            )
            finished.write_text(f"{time.monotonic() - start:.1f}\n")
        run = Run.load(self.folder)
        scores = {
            name: score(run.model, session, session.split(), targets=run.targets, first=self.first)
            for name, session in run.sessions.items()
        }
        intervals = {
            name: score_intervals(
                session, forecast_intervals(run.model, session.split(), targets=run.targets, first=self.first)
            )
            for name, session in run.sessions.items()
        }
        return ForecastResult(self.first, float(finished.read_text()), scores, intervals)

    def read(self, values: Mapping[str, Any]) -> ForecastResult | None:
        """Reads the scores; None if other bins were scored, or no intervals."""
        if values["first"] != self.first or "intervals" not in values:
            return None
        scores = {name: Score.from_json(score) for name, score in values["sessions"].items()}
        intervals = {name: IntervalScore.from_json(score) for name, score in values["intervals"].items()}
        return ForecastResult(values["first"], values["seconds"], scores, intervals)

    def describe(self, result: ForecastResult) -> str:
        """Returns mean correlation over sessions and duration of the fit as text."""
        values = [score.correlation for score in result.sessions.values() if score.correlation == score.correlation]
        mean = f"{sum(values) / len(values):.4f}" if values else "-"
        return f"correlation {mean}, {result.seconds:.0f} s"


class _FittedSessions(NamedTuple):
    """Sessions of one fit."""

    name: str
    """Name of the session; also the name of a folder."""
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
) -> list[ForecastJob]:
    """Returns all jobs of a benchmark: every variant and seed on every session, and the anchors.

    Args:
        sessions: Session file -> session.
        out: Folder of the benchmark.
        variants: Models to compare; the anchors are added.
        seeds: Seeds of the fits; anchors are fitted with the first seed only.
        preset: Recipe of all fits.
        multi: Whether models with dynamics that sessions share are also fitted to all sessions together.

    Raises:
        ValueError: A model, an argument or a session is invalid.
    """
    recordings = list(sessions.values())
    preset.recipe(recordings)  # raises an error if a number is out of range
    first = 5  # window of AR(5) and VAR(5)
    for variant in [*variants, Variant("ar5", "ar5")]:
        model = build_model(variant.kind, recordings[:1], variant.arguments)
        check_fit(model, recordings)
        first = max(first, model.window)
    fingerprints = {path: session.fingerprint for path, session in sessions.items()}
    all_sessions = _FittedSessions("all sessions", fingerprints)
    each_session = [_FittedSessions(session.name, {path: fingerprints[path]}) for path, session in sessions.items()]

    def job(variant: Variant, seed: int, fit: Fit, fitted: _FittedSessions) -> ForecastJob:
        """Returns the job of one fit."""
        folder = out / "runs" / file_name(variant.label) / file_name(fitted.name) / f"seed-{seed}"
        recipe = preset.recipe([sessions[path] for path in fitted.fingerprints], seed=seed)
        return ForecastJob(folder, variant, fitted.fingerprints, recipe, first=first, fit=fit)

    jobs, anchors = [], named(ANCHORS)
    for variant in (variant for variant in variants if variant not in anchors):
        is_shared = multi and len(sessions) > 1 and bool(model_class(variant.kind).shared)
        for seed in seeds:
            jobs += [job(variant, seed, "single", session) for session in each_session]
            jobs += [job(variant, seed, "multi", all_sessions)] if is_shared else []
    # Anchors share nothing between sessions: one job solves all of them.
    return jobs + [job(anchor, seeds[0], "anchor", all_sessions) for anchor in anchors]


def compare_forecasts(
    paths: Sequence[str],
    out: Path,
    variants: Sequence[Variant],
    *,
    kind: Kind = "forecasting",
    seeds: int = 1,
    preset: Preset = Preset(),  # noqa: B008
    multi: bool = True,
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
        workers: Number and place of the processes.

    Raises:
        ValueError: An argument or a session is invalid, or ``out`` holds results of other settings.
        JobsFailed: Every job failed.
    """
    if seeds < 1:
        raise ValueError(f"Expected at least 1 seed (got {seeds}).")
    sessions = {str(Path(path).resolve()): Session.load(path) for path in paths}
    jobs = plan(sessions, out, variants, seeds=range(seeds), preset=preset, multi=multi)
    run_jobs(jobs, make_folder(out), workers)
    benchmark = _benchmark(jobs, list(sessions.values()), kind, preset)
    if not benchmark.rows:
        raise JobsFailed(f"Every job failed; the first: {next(iter(benchmark.failed.values()))}")
    with atomic_path(out / f"{kind}.json") as temporary:
        temporary.write_text(json.dumps(benchmark.to_json(), indent=1) + "\n")
    benchmark.write_tables(out)
    figure = draw_benchmark(kind, benchmark.rows, _best_run(jobs, benchmark.rows), jobs[0].first)
    with atomic_path(out / f"{kind}.png") as temporary:
        figure.savefig(temporary, dpi=120)
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
            "split": "80/10/10 in time, whole segments",
            "first scored bin of a segment": jobs[0].first,
            "preset": preset.name,
            "training": {key: value for key, value in preset.changes.items() if value is not None},
            "seeds": sorted({job.recipe.seed for job in jobs}),
        },
        sessions={
            session.name: {"neurons": session.num_neurons, "bins": session.num_bins, "bin_size": session.bin_size}
            for session in sessions
        },
        variants={job.variant.label: {"model": job.variant.kind, **job.variant.arguments} for job in jobs},
        rows=rows,
        summary=summarise(rows),
        failed=errors_of(jobs),
    )


def _best_run(jobs: Sequence[ForecastJob], rows: Sequence[Row]) -> Run | None:
    """Returns the run of the best model on its first session; None if no single session was fitted."""
    labels = ranked(rows)
    best = (job for job, _ in results_of(jobs) if labels and job.variant.label == labels[0] and job.fit == "single")
    job = next(best, None)
    return None if job is None else Run.load(job.folder)
