"""Jobs of the forecasting benchmark."""

import json
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.stats import ttest_rel

from synapsnet_pyg.benchmarks.jobs import keep_error, read_error
from synapsnet_pyg.benchmarks.variants import Variant
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.files import atomic_path, file_name
from synapsnet_pyg.models.registry import ANCHORS, build_model, model_class
from synapsnet_pyg.runs.fitting import check_same, fit_files, settings_of
from synapsnet_pyg.runs.run import Run, read_settings, versions
from synapsnet_pyg.runs.scores import plain_score, score
from synapsnet_pyg.runs.training import check_fit


class Job(NamedTuple):
    """One fit and its scores."""

    folder: Path
    variant: Variant
    paths: list[str]
    seed: int
    preset: str
    training: dict[str, Any]
    first: int
    """Position of the first scored bin in each segment: the same for all models."""
    fit: str
    """``"single"``: of one session; ``"multi"``: of all together; ``"anchor"``."""


class Row(NamedTuple):
    """Scores of one variant on one session from one seed."""

    label: str
    fit: str
    session: str
    seed: int
    scores: dict[str, Any]
    seconds: float


def plan(
    paths: Sequence[str],
    sessions: Sequence[Session],
    out: Path,
    variants: Sequence[Variant],
    seeds: Sequence[int],
    preset: str,
    training: Mapping[str, Any],
    multi: bool = True,
) -> list[Job]:
    """All jobs of a comparison: every variant, anchors included, on every session, and on all where it can.

    Args:
        paths: Of the session files.
        sessions: What they hold.
        out: Folder of the comparison.
        variants: To compare; the anchors are added.
        seeds: Of the fits; anchors need one.
        preset: Key of :data:`~synapsnet_pyg.runs.recipe.PRESETS`.
        training: Instead of the preset's.
        multi: Whether models whose dynamics sessions share are also fitted to all sessions together.

    Raises:
        ValueError: A model, an argument or a session does not do; nothing was run yet.
    """
    first, settings = 1, settings_of(sessions, preset, training)
    for variant in variants:
        made = build_model(variant.model, sessions[:1], variant.arguments)
        check_fit(made, sessions, **settings)
        first = max(first, made.window)
    anchors = [Variant(anchor, anchor) for anchor in ANCHORS]
    first = max(first, 5)  # what AR(5) and VAR(5) see
    check_fit(build_model("ar5", sessions[:1]), sessions)
    jobs = []
    for variant in [*variants, *anchors]:
        anchor = variant in anchors
        for seed in seeds[:1] if anchor else seeds:
            everything = ("anchor" if anchor else "multi", "all sessions", list(paths))
            alone = [("single", session.name, [path]) for path, session in zip(paths, sessions, strict=True)]
            together = multi and len(sessions) > 1 and not anchor and bool(model_class(variant.model).shared)
            # Anchors are solved for each session by itself, whichever way they are called.
            wanted = [everything] if anchor else alone + ([everything] if together else [])
            for fit, name, files in wanted:
                folder = out / "runs" / file_name(variant.label) / file_name(name) / f"seed-{seed}"
                jobs.append(Job(folder, variant, files, seed, preset, dict(training), first, fit))
    return jobs


def require_same(job: Job, sessions: Sequence[Session]) -> None:
    """Tells if what lies in a job's folder came of other settings or recordings, so that no score is taken for another.

    Raises:
        ValueError: It did.
    """
    if not (job.folder / "run.json").is_file():
        return
    settings = settings_of(sessions, job.preset, job.training, job.seed)
    check_same(job.folder, sessions, job.variant.model, job.variant.arguments, settings)
    epochs = read_settings(job.folder)["training"]["epochs"]
    if epochs != settings["epochs"]:
        raise ValueError(
            f"'{job.folder}' was begun with {epochs} epochs (got {settings['epochs']}); choose another --out."
        )


def run_job(job: Job, threads: int | None = None) -> None:
    """Fits and scores one job, unless that is done; leaves ``scores.json``, or ``error.txt`` in its place."""
    if threads:
        torch.set_num_threads(threads)
    if read_scores(job) is not None:
        return
    (job.folder / "error.txt").unlink(missing_ok=True)
    try:
        began = time.monotonic()
        finished = job.folder / "finished"
        if not finished.exists():
            fit_files(
                job.paths,
                job.folder,
                job.variant.model,
                job.variant.arguments,
                job.preset,
                job.training,
                job.seed,
                resume=(job.folder / "run.json").exists(),
                progress=False,
            )
            finished.write_text(f"{time.monotonic() - began:.1f}\n")
        run = Run.load(job.folder)
        scores = {
            name: plain_score(score(run.model, session, session.split(), run.targets, job.first))
            for name, session in run.sessions.items()
        }
        told = {"first": job.first, "seconds": float(finished.read_text()), "sessions": scores}
        with atomic_path(job.folder / "scores.json") as temporary:
            temporary.write_text(json.dumps(told, indent=1) + "\n")
    except Exception as problem:
        keep_error(job.folder, problem)


def read_scores(job: Job) -> dict[str, Any] | None:
    """What a finished job left; None if it is not finished, or was scored on other bins."""
    path = job.folder / "scores.json"
    if not path.is_file():
        return None
    told = json.loads(path.read_text())
    return dict(told) if told["first"] == job.first else None


def rows_of(jobs: Sequence[Job]) -> list[Row]:
    """Scores of all finished jobs."""
    rows = []
    for job in jobs:
        told = read_scores(job)
        for name, scores in told["sessions"].items() if told else ():
            rows.append(Row(job.variant.label, job.fit, name, job.seed, scores, told["seconds"]))  # type: ignore[index]
    return rows


def mean_over_seeds(rows: Sequence[Row], key: str) -> dict[tuple[str, str], dict[str, float]]:
    """(label, fit) -> session -> mean over seeds of a score; seeds whose score is not defined do not count."""
    values: dict[tuple[str, str], dict[str, list[float]]] = {}
    for row in rows:
        if row.scores[key] is not None:
            values.setdefault((row.label, row.fit), {}).setdefault(row.session, []).append(row.scores[key])
    return {who: {session: float(np.mean(v)) for session, v in of.items()} for who, of in values.items()}


def summarise(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """One entry for each model and way of fitting, best first within its way, as in Table 1.

    Returns:
        ``label``, ``fit``, ``sessions``, ``seeds``, ``seconds`` and, for ``correlation`` and ``mse``, the mean over
        sessions, ``_sem`` and ``_p``: of a two-sided paired t-test over sessions against the next best of those
        fitted the same way (anchors stand among the models of single sessions). None where there are too few sessions.
    """
    means = {key: mean_over_seeds(rows, key) for key in ("correlation", "mse")}
    entries = []
    for label, fit in dict.fromkeys((row.label, row.fit) for row in rows):
        mine = [row for row in rows if (row.label, row.fit) == (label, fit)]
        entry: dict[str, Any] = {
            "label": label,
            "fit": fit,
            "sessions": len({row.session for row in mine}),
            "seeds": len({row.seed for row in mine}),
            "seconds": float(np.mean([row.seconds for row in mine])),
        }
        for key, of in means.items():
            values = np.array(list(of.get((label, fit), {}).values()))
            entry[key] = float(values.mean()) if len(values) else None
            entry[f"{key}_sem"] = float(values.std(ddof=1) / len(values) ** 0.5) if len(values) > 1 else None
            entry[f"{key}_p"] = None
        entries.append(entry)
    ordered = []
    for group in (("single", "anchor"), ("multi",)):
        of_group = [entry for entry in entries if entry["fit"] in group]
        for key, sign in (("mse", 1), ("correlation", -1)):
            of_group.sort(key=lambda entry: np.inf if entry[key] is None else sign * entry[key])
            for better, worse in pairwise(of_group):
                better[f"{key}_p"] = paired_p(
                    means[key].get((better["label"], better["fit"]), {}),
                    means[key].get((worse["label"], worse["fit"]), {}),
                )
        ordered += of_group
    return ordered


def paired_p(one: Mapping[str, float], other: Mapping[str, float]) -> float | None:
    """Two-sided paired t-test over the sessions that both have; None for fewer than two, or where all are equal."""
    both = [session for session in one if session in other]
    a, b = (np.array([values[session] for session in both]) for values in (one, other))
    if len(both) < 2 or np.allclose(a - b, (a - b)[0]):
        return None
    return float(ttest_rel(a, b).pvalue)


def report(jobs: Sequence[Job], sessions: Sequence[Session]) -> dict[str, Any]:
    """Everything about a comparison, ready for JSON: command, versions, seeds, scores, summary, failures."""
    rows = rows_of(jobs)
    errors = {str(job.folder): read_error(job.folder) for job in jobs if read_scores(job) is None}
    return {
        "command": shlex.join(["synapsnet", *sys.argv[1:]]),
        "versions": versions(),
        "protocol": {
            "split": "80/10/10 in time, whole segments",
            "first scored bin of a segment": jobs[0].first,
            "preset": jobs[0].preset,
            "training": jobs[0].training,
            "seeds": sorted({job.seed for job in jobs}),
        },
        "sessions": {
            session.name: {"neurons": session.num_neurons, "bins": session.num_bins, "bin_size": session.bin_size}
            for session in sessions
        },
        "variants": {job.variant.label: {"model": job.variant.model, **job.variant.arguments} for job in jobs},
        "summary": summarise(rows) if rows else [],
        "scores": [row._asdict() for row in rows],
        "failed": errors,
    }
