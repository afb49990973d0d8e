"""How well known wiring is found again: estimators and models, populations and seeds, as jobs that are done once."""

import json
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from synapsnet_pyg.analysis.significance import edge_significance
from synapsnet_pyg.benchmarks.forecast_jobs import paired_p
from synapsnet_pyg.benchmarks.jobs import keep_error, read_error, require_same, run_all
from synapsnet_pyg.benchmarks.tables import recovery_seed_rows, recovery_table, write_table
from synapsnet_pyg.benchmarks.variants import Variant, ablations
from synapsnet_pyg.connectivity.registry import ESTIMATORS, estimate
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.files import atomic_path, file_name, make_folder
from synapsnet_pyg.metrics import connectivity_score
from synapsnet_pyg.models.forecasting import forecast_session
from synapsnet_pyg.models.registry import model_class
from synapsnet_pyg.plots.canvas import make_matrices_figure
from synapsnet_pyg.plots.comparisons import draw_recoveries
from synapsnet_pyg.plots.connectivity import draw_matrix
from synapsnet_pyg.runs.fitting import fit_files
from synapsnet_pyg.runs.run import Run, versions
from synapsnet_pyg.runs.scores import score_forecast
from synapsnet_pyg.simulations.registry import simulation

DEFAULT_METHODS = (
    "synapsnet",
    "sparse_low_rank_var",
    "soft_ridge",
    "lasso_var",
    "ridge_var",
    "poisson_glm",
    "partial_correlation",
    "lag0",
    "lag1",
    "lag2",
    "curbd",
)


class Recovery(NamedTuple):
    """One method on one population."""

    folder: Path
    population: str
    """Which kind: its simulator's name, or the name of a session."""
    path: Path
    """Of the session file; simulated when first needed."""
    seed: int
    laws: dict[str, Any]
    method: Variant
    preset: str
    training: dict[str, Any]


def recovery_ablations() -> list[Variant]:
    """SynapsNet, and with each of the parts that serve its connectivity left out or changed."""
    changed: dict[str, dict[str, Any]] = {
        "without common drive": {"latents": 0},
        "without penalty": {"penalty_weight": 0.0},
        "with Poisson loss": {"loss": "poisson"},
    }
    return [
        ablations()[0],
        *(Variant(label, "synapsnet", arguments) for label, arguments in changed.items()),
        Variant("without linear path", "synapsnet", {"linear_path": False}),
    ]


def compare_recovery(
    out: Path,
    methods: Sequence[Variant],
    populations: Sequence[str] = ("paper",),
    sessions: Sequence[str] = (),
    seeds: int = 10,
    laws: Mapping[str, Any] | None = None,
    preset: str = "fast",
    training: Mapping[str, Any] | None = None,
    jobs: int = 1,
    cluster: Literal["local", "slurm"] = "local",
) -> dict[str, Any]:
    """Estimates the connectivity of populations whose wiring is known by every method, and writes what came of it.

    Jobs that are done are not repeated, and one that fails is told and stops no other.

    Args:
        out: Folder of the comparison, made if need be; ``runs`` in it holds what each method found.
        methods: Names of estimators or models as ``model`` of each variant.
        populations: Keys of :data:`~synapsnet_pyg.simulations.registry.SIMULATIONS`, a population a seed each.
        sessions: Session files that know their graph, instead of simulations; the seeds are then those of the fits.
        seeds: How many, from 0 on.
        laws: Arguments of the simulator, such as ``bins``.
        preset: Key of :data:`~synapsnet_pyg.runs.recipe.PRESETS`, for models.
        training: Instead of the preset's; None entries are ignored.
        jobs: How many at once.
        cluster: Where.

    Returns:
        What the JSON file holds.

    Raises:
        ValueError: An argument or a session does not do, or ``out`` holds results of other settings.
        RuntimeError: Every job failed.
    """
    given = {key: value for key, value in (training or {}).items() if value is not None}
    planned = plan_recovery(out, methods, populations, sessions, range(seeds), dict(laws or {}), preset, given)
    make_folder(out)
    settings = {"laws": dict(laws or {}), "preset": preset, "training": given}
    require_same(out / "settings.json", settings)
    # All methods of a population in one process: most take less time than a process takes to start.
    of_population: dict[Path, list[Recovery]] = {}
    for job in planned:
        if read_recovery(job) is None:
            of_population.setdefault(job.path / str(job.seed), []).append(job)
    pieces = list(of_population.values())
    run_all(recover_all, pieces, jobs, cluster, out / "jobs", lambda piece: "\n".join(_told(job, out) for job in piece))
    told = _report(planned, settings)
    if not told["scores"]:
        raise RuntimeError(f"Every job failed; the first: {next(iter(told['failed'].values()))}")
    with atomic_path(out / "connectivity.json") as temporary:
        temporary.write_text(json.dumps(told, indent=1) + "\n")
    notes = [
        "Off the diagonal, mean +- deviation over seeds. Pearson and Spearman: of signed weights; AUROC, AUPRC: of "
        "absolute weights against which pairs have an edge; sign: share of true edges whose sign is right.",
        "fit: correlation of the test forecast with the truth (models), pVar (CURBD).",
        f"By `{told['command']}`.",
        *(f"FAILED: {folder}: {error}" for folder, error in told["failed"].items()),
    ]
    write_table(out / "connectivity", "Recovery of known wiring", *recovery_table(told["summary"]), notes)
    write_table(out / "connectivity-seeds", "Recovery, each seed", *recovery_seed_rows(told["scores"]), notes[2:3])
    for population in dict.fromkeys(job.population for job in planned):
        mine = [job for job in planned if job.population == population]
        _draw(mine, out / f"connectivity-{file_name(population)}.png")
    return told


def plan_recovery(
    out: Path,
    methods: Sequence[Variant],
    populations: Sequence[str],
    sessions: Sequence[str],
    seeds: Sequence[int],
    laws: dict[str, Any],
    preset: str,
    training: dict[str, Any],
) -> list[Recovery]:
    """All jobs of a comparison.

    Raises:
        ValueError: There is no such method or population, or a session does not know its graph.
    """
    for method in methods:
        if method.model not in ESTIMATORS:
            try:
                model_class(method.model)
            except ValueError as error:
                raise ValueError(f"{error} Or an estimator: {', '.join(ESTIMATORS)}.") from None
    if not seeds or not methods:
        raise ValueError(f"Expected at least one method and one seed (got {len(methods)} and {len(seeds)}).")
    for name in populations:
        simulation(name, laws)
    places: list[tuple[str, Path, int]] = []
    for file in sessions:
        session = Session.load(file)
        if session.true_connectivity is None:
            raise ValueError(f"Expected sessions that know their graph ('{file}' does not); see 'convert --truth'.")
        places += [(session.name, Path(file).resolve(), seed) for seed in seeds]
    if not sessions:
        places = [(kind, out / "populations" / f"{kind}-{seed}.h5", seed) for kind in populations for seed in seeds]
    return [
        Recovery(
            out / "runs" / file_name(method.label) / f"{file_name(kind)}-{seed}",
            kind, path, seed, laws, method, preset, training,
        )
        for kind, path, seed in places
        for method in methods
    ]  # fmt: skip


def recover_all(jobs: Sequence[Recovery], threads: int | None = None) -> None:
    """Does jobs one after the other."""
    if threads:
        torch.set_num_threads(threads)
    for job in jobs:
        recover(job)


def recover(job: Recovery) -> None:
    """Does one job, unless that is done; leaves ``scores.json`` and ``connectivity.npz``, or ``error.txt``."""
    if read_recovery(job) is not None:
        return
    make_folder(job.folder)
    (job.folder / "error.txt").unlink(missing_ok=True)
    try:
        if not job.path.exists():
            made = simulation(job.population, job.laws)(0, job.seed, name=f"{job.population}-{job.seed}")
            made.save(make_folder(job.path.parent) / job.path.name)
        session = Session.load(job.path).standardise()
        began = time.monotonic()
        found, fit = _find(job, session)
        seconds = time.monotonic() - began
        scores = {label: _plain_score(matrix, session) for label, matrix in found.items()}
        with atomic_path(job.folder / "connectivity.npz") as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, connectivity=found[job.method.label].detach().cpu().numpy())
        told = {"seconds": seconds, "fit": fit, "scores": scores}
        with atomic_path(job.folder / "scores.json") as temporary:
            temporary.write_text(json.dumps(told, indent=1) + "\n")
    except Exception as problem:
        keep_error(job.folder, problem)


def _find(job: Recovery, session: Session) -> tuple[dict[str, Tensor], float | None]:
    """What a method finds, a matrix a row of the table, and how well it describes the recording, if it tells that."""
    method = job.method
    if method.model in ESTIMATORS:
        parts = session.split()
        estimated = estimate(method.model, parts.train, parts.validation)
        return {method.label: estimated.connectivity}, estimated.details.get("p_var")
    folder = job.folder / "run"
    begun = (folder / "run.json").exists()
    settings = (method.model, method.arguments, job.preset, job.training, job.seed)
    run: Run = fit_files([job.path], folder, *settings, resume=begun, progress=False)
    split = session.split()
    found = {method.label: run.model.connectivity(split.train)}
    if run.settings["model"]["name"] == "synapsnet":
        connectivity = found[method.label]
        significance = edge_significance(run.model, split.train, targets=run.targets, connectivity=connectivity)
        found[f"{method.label}, believed"] = significance.posterior_mean.nan_to_num()
    test = forecast_session(run.model, split.test, run.targets)
    return found, score_forecast(session, test).correlation


def _plain_score(matrix: Tensor, session: Session) -> dict[str, float | None]:
    assert session.true_connectivity is not None
    scores = connectivity_score(matrix, session.true_connectivity)._asdict()
    return {key: value if np.isfinite(value) else None for key, value in scores.items()}


def read_recovery(job: Recovery) -> dict[str, Any] | None:
    """What a finished job left; None if it is not finished."""
    path = job.folder / "scores.json"
    return dict(json.loads(path.read_text())) if path.is_file() else None


def summarise_recovery(scores: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """One entry for each population and method, best Pearson first.

    Returns:
        ``population``, ``method``, ``seeds``, ``seconds``, and for ``fit`` and every score its mean and ``_deviation``
        over seeds (None where it is not defined or there is one seed); ``better_than_next`` and ``p``: on how many
        seeds the next best has a lower Pearson, and the two-sided paired t-test over seeds.
    """
    entries = []
    for population, method in dict.fromkeys((one["population"], one["method"]) for one in scores):
        mine = [one for one in scores if (one["population"], one["method"]) == (population, method)]
        entry: dict[str, Any] = {"population": population, "method": method, "seeds": len(mine)}
        entry["seconds"] = float(np.mean([one["seconds"] for one in mine]))
        for key in ("fit", *mine[0]["scores"]):
            values = [one["fit"] if key == "fit" else one["scores"][key] for one in mine]
            known = [value for value in values if value is not None]
            entry[key] = float(np.mean(known)) if known else None
            entry[f"{key}_deviation"] = float(np.std(known, ddof=1)) if len(known) > 1 else None
        entries.append(entry)
    pearson = {
        (one["population"], one["method"], str(one["seed"])): one["scores"]["pearson"]
        for one in scores
        if one["scores"]["pearson"] is not None
    }

    def of(entry: dict[str, Any]) -> dict[str, float]:
        return {s: v for (p, m, s), v in pearson.items() if (p, m) == (entry["population"], entry["method"])}

    ordered = []
    for population in dict.fromkeys(entry["population"] for entry in entries):
        ranked = [entry for entry in entries if entry["population"] == population]
        ranked.sort(key=lambda entry: -np.inf if entry["pearson"] is None else entry["pearson"], reverse=True)
        for better, worse in zip(ranked, [*ranked[1:], None], strict=True):
            ours, theirs = of(better), of(worse) if worse else {}
            both = ours.keys() & theirs.keys()
            better["better_than_next"] = sum(ours[seed] > theirs[seed] for seed in both) if worse else None
            better["p"] = paired_p(ours, theirs) if worse else None
        ordered += ranked
    return ordered


def _report(jobs: Sequence[Recovery], settings: dict[str, Any]) -> dict[str, Any]:
    scores = []
    for job in jobs:
        told = read_recovery(job)
        for label, values in told["scores"].items() if told else ():
            common = {"population": job.population, "seed": job.seed, "seconds": told["seconds"], "fit": told["fit"]}  # type: ignore[index]
            scores.append({**common, "method": label, "scores": values})
    return {
        "command": shlex.join(["synapsnet", *sys.argv[1:]]),
        "versions": versions(),
        **settings,
        "methods": {job.method.label: {"name": job.method.model, **job.method.arguments} for job in jobs},
        "summary": summarise_recovery(scores),
        "scores": scores,
        "failed": {str(job.folder): read_error(job.folder) for job in jobs if read_recovery(job) is None},
    }


def _told(job: Recovery, out: Path) -> str:
    told, where = read_recovery(job), job.folder.relative_to(out / "runs")
    if told is None:
        return f"{where}: FAILED: {read_error(job.folder)}"
    pearson = [score["pearson"] for score in told["scores"].values()]
    shown = " and, believed, ".join("-" if value is None else f"{value:.3f}" for value in pearson)
    return f"{where}: Pearson {shown}, {told['seconds']:.0f} s"


def _draw(jobs: Sequence[Recovery], path: Path) -> None:
    """Figure 5: the first population's matrices side by side, and every method's recovery over seeds."""
    done = [job for job in jobs if read_recovery(job) is not None]
    if not done:
        return
    pearson: dict[str, list[float]] = {}
    for job in done:
        for label, values in read_recovery(job)["scores"].items():  # type: ignore[index]
            if values["pearson"] is not None:
                pearson.setdefault(label, []).append(values["pearson"])
    ranked = sorted(pearson, key=lambda label: -float(np.mean(pearson[label])))
    first = {job.method.label: job for job in done if job.seed == done[0].seed}
    shown = [first[label] for label in ranked if label in first][:5]
    truth = Session.load(done[0].path).true_connectivity
    assert truth is not None
    figure, upper, lower = make_matrices_figure(len(shown) + 1)
    draw_matrix(upper[0], truth, "true connectivity", bar=False)
    for ax, job in zip(upper[1:], shown, strict=True):
        with np.load(job.folder / "connectivity.npz", allow_pickle=False) as kept:
            draw_matrix(ax, torch.from_numpy(kept["connectivity"]), job.method.label, bar=False)
    draw_recoveries(lower, {label: pearson[label] for label in ranked})
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=120, format="png")
