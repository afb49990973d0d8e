"""Benchmark of connectivity recovery: every method on every simulated population and seed, as resumable jobs."""

import json
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from synapsnet_pyg.analysis.significance import EdgeSignificance, edge_significance
from synapsnet_pyg.benchmarks.edge_calls import CalibratedPopulation, Calibration, draw_calibrations
from synapsnet_pyg.benchmarks.jobs import (
    JobsFailed,
    Workers,
    errors_of,
    keep_settings,
    require_same_settings,
    results_of,
    run_jobs,
)
from synapsnet_pyg.benchmarks.recovery_results import (
    RecoveryBenchmark,
    RecoveryRow,
    draw_recovery,
    summarise_recovery,
)
from synapsnet_pyg.benchmarks.variants import Variant
from synapsnet_pyg.connectivity.registry import ESTIMATORS, estimate
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.files import Json, atomic_path, file_name, label_name, make_folder
from synapsnet_pyg.files.archives import read_npz
from synapsnet_pyg.files.checksums import DamagedFileError
from synapsnet_pyg.metrics import ConnectivityScore, connectivity_score
from synapsnet_pyg.models.forecasting import forecast_session
from synapsnet_pyg.models.registry import model_class
from synapsnet_pyg.plots.image_files import write_image
from synapsnet_pyg.processes.locks import held
from synapsnet_pyg.runs.recipe import Preset
from synapsnet_pyg.runs.run import Run
from synapsnet_pyg.runs.run_file import FILE, versions
from synapsnet_pyg.runs.scores import number_or_none, score_forecast
from synapsnet_pyg.simulations.edge_truth import edge_truth
from synapsnet_pyg.simulations.registry import simulation, tells_response
from synapsnet_pyg.simulations.zoo import ZOO

POSTERIOR_MEAN = "posterior_mean"
"""Method: posterior means of the test of edges, which also counts its calls. It needs no model."""
DEFAULT_METHODS = ("synapsnet", POSTERIOR_MEAN, *ESTIMATORS)


class Population(NamedTuple):
    """A recording whose wiring is known."""

    kind: str
    """Name of the simulation, or of a given session."""
    path: Path
    """Path of the session file; a simulated one is written on first use."""
    seed: int
    """Seed of the simulation, or of a fit to a given session."""
    parameters: Mapping[str, Any]
    """Parameters of the simulation."""
    fingerprint: str | None = None
    """Fingerprint of a given session; None for a simulation."""

    def load(self) -> Session:
        """Reads the session; simulates and saves it first if there is no file."""
        if not self.path.exists():
            simulate = simulation(self.kind, self.parameters)
            session = simulate(0, self.seed, name=f"{self.kind}-{self.seed}")
            session.save(make_folder(self.path.parent) / self.path.name)
        return Session.load(self.path)


@dataclass(frozen=True)
class RecoveryResult:
    """Scores of one method on one population."""

    seconds: float
    fit: float | None
    """Correlation of a model's forecast with the test part; explained variance (pVar) of CURBD; None for the others."""
    scores: ConnectivityScore
    calibration: Calibration | None = None
    """Calls and calibration of the test of edges; None for other methods."""
    posterior: ConnectivityScore | None = None
    """Scores of the posterior means that a test of edges makes of SynapsNet's weights; None for other methods."""

    def to_json(self) -> Json:
        """Returns name -> value, ready for JSON; None replaces NaN."""
        scores = {key: number_or_none(value) for key, value in self.scores._asdict().items()}
        further: Json = {} if self.calibration is None else {"calibration": self.calibration.to_json()}
        if self.posterior is not None:
            further["posterior"] = {key: number_or_none(value) for key, value in self.posterior._asdict().items()}
        return {"seconds": self.seconds, "fit": self.fit, "scores": scores, **further}


class _Recovered(NamedTuple):
    """Connectivity of one population from one method."""

    connectivity: Tensor
    """Connectivity [N, N]."""
    fit: float | None = None
    edges: EdgeSignificance | None = None
    """Result of the test of edges; None for other methods."""
    posterior_mean: Tensor | None = None
    """Posterior means of a model's weights [N, N]; None for other methods."""


@dataclass(frozen=True)
class RecoveryJob:
    """One method on one population; also writes ``connectivity.npz`` to the folder.

    Attributes:
        folder: Folder of the job.
        population: Population with known wiring.
        method: Estimator or model with its arguments.
        preset: Recipe of a model.
    """

    folder: Path
    population: Population
    method: Variant
    preset: Preset = field(default_factory=Preset)

    def settings(self) -> Json:
        """Returns population, method and recipe."""
        recipe = {"preset": self.preset.name, **self.preset.changes}
        population = {key: value for key, value in self.population._asdict().items() if key != "path"}
        return {**population, "method": self.method.kind, "arguments": dict(self.method.arguments), **recipe}

    def run(self) -> RecoveryResult:
        """Estimates the connectivity and compares it with the true one."""
        session = self.population.load().standardise()
        truth = session.true_connectivity
        assert truth is not None
        start = time.monotonic()
        recovered = self._recover(session)
        seconds = time.monotonic() - start
        with atomic_path(self.folder / "connectivity.npz") as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, connectivity=recovered.connectivity.detach().cpu().numpy())
        edges = recovered.edges
        calibration = None if edges is None else Calibration.of(edges, edge_truth(session), truth)
        score, mean = connectivity_score(recovered.connectivity, truth), recovered.posterior_mean
        posterior = None if mean is None else connectivity_score(mean, truth)
        return RecoveryResult(seconds, recovered.fit, score, calibration, posterior)

    def _recover(self, session: Session) -> _Recovered:
        """Estimates the connectivity by the method."""
        if self.method.kind == POSTERIOR_MEAN:
            edges = edge_significance(session.split().train)
            return _Recovered(edges.posterior_mean.nan_to_num(), edges=edges)
        return self._estimate(session) if self.method.kind in ESTIMATORS else self._fit(session)

    def _estimate(self, session: Session) -> _Recovered:
        """Estimates the connectivity by an estimator."""
        parts = session.split()
        estimated = estimate(self.method.kind, parts.train, parts.validation)
        return _Recovered(estimated.connectivity, estimated.details.get("p_var"))

    def _fit(self, session: Session) -> _Recovered:
        """Fits a model and returns its connectivity."""
        folder = self.folder / "run"
        recipe = Preset(self.preset.name, {**self.preset.changes, "seed": self.population.seed})
        run = Run.fit(
            [self.population.path],
            folder,
            self.method.kind,
            arguments=self.method.arguments,
            recipe=recipe,
            resume=(folder / FILE).exists(),
            progress=False,
        )
        split = session.split()
        test = forecast_session(run.model, split.test, run.targets)
        connectivity, mean = run.model.connectivity(split.train), None
        if run.kind == "synapsnet":
            mean = edge_significance(split.train, learned=connectivity).posterior_mean.nan_to_num()
        return _Recovered(connectivity, score_forecast(session, test).correlation, posterior_mean=mean)

    def read(self, values: Mapping[str, Any]) -> RecoveryResult:
        """Reads the scores."""

        def score(name: str) -> ConnectivityScore:
            """Reads the scores of a name; NaN replaces None."""
            return ConnectivityScore(**{key: np.nan if value is None else value for key, value in values[name].items()})

        calibration = Calibration.read(values["calibration"]) if "calibration" in values else None
        posterior = score("posterior") if "posterior" in values else None
        return RecoveryResult(values["seconds"], values["fit"], score("scores"), calibration, posterior)

    def describe(self, result: RecoveryResult) -> str:
        """Returns the Pearson correlation with the true weights and the duration as text."""
        return f"Pearson {result.scores.pearson:.3f}, {result.seconds:.0f} s"

    def matrix(self) -> Tensor:
        """Reads the connectivity [N, N] that the job wrote."""
        path = self.folder / "connectivity.npz"
        arrays = read_npz(path, ("connectivity",), "connectivity")
        if "connectivity" not in arrays or arrays["connectivity"].dtype.kind != "f":
            raise DamagedFileError(f"Expected a matrix 'connectivity' in '{path}'; remove its folder to run it again.")
        return torch.from_numpy(arrays["connectivity"])


class Populations(NamedTuple):
    """Populations with known wiring: simulations, or given sessions instead."""

    simulations: Sequence[str] = ("paper",)
    """Names of simulations, labels of the zoo, or ``"zoo"`` for all of these; each seed gives another population."""
    parameters: Mapping[str, Any] = {}
    """Parameters of the simulations, such as ``bins``."""
    sessions: Sequence[str] = ()
    """Session files with a true connectivity. With them, no simulation is run and seeds are those of the fits."""

    def all(self, out: Path, seeds: Sequence[int]) -> list[Population]:
        """Returns every population for every seed; simulations that can do so compute their true response as well.

        Raises:
            ValueError: There is no such simulation, or a session has no true connectivity.
        """
        kinds = dict.fromkeys(kind for name in self.simulations for kind in (ZOO if name == "zoo" else [name]))
        for kind in kinds:
            simulation(kind, self.parameters)
        if not self.sessions:
            return [
                Population(kind, out / "populations" / f"{kind}-{seed}.h5", seed, self._parameters_of(kind))
                for kind in kinds
                for seed in seeds
            ]
        populations = []
        for file in self.sessions:
            session = Session.load(file)
            if session.true_connectivity is None:
                raise ValueError(
                    f"Expected sessions with a true connectivity ('{file}' has none); add it with 'convert --truth'."
                )
            path, fingerprint = Path(file).resolve(), session.fingerprint
            populations += [Population(session.name, path, seed, {}, fingerprint=fingerprint) for seed in seeds]
        return populations

    def _parameters_of(self, kind: str) -> Mapping[str, Any]:
        """Returns all parameters of a simulation or world of the zoo, which decide its numbers."""
        own = ZOO[kind].parameters if kind in ZOO else {}
        return {**own, **({"response": True} if tells_response(kind) else {}), **self.parameters}


def plan_recovery(
    out: Path,
    methods: Sequence[Variant],
    populations: Populations = Populations(),  # noqa: B008
    *,
    seeds: Sequence[int] = (0,),
    preset: Preset = Preset("fast"),  # noqa: B008
) -> list[RecoveryJob]:
    """Returns all jobs of a benchmark: every method on every population and seed.

    Args:
        out: Folder of the benchmark.
        methods: Estimators and models.
        populations: Populations with known wiring.
        seeds: Seeds of the populations.
        preset: Recipe of the models.

    Raises:
        ValueError: There is no such method or population, or a session has no true connectivity.
    """
    if not seeds or not methods:
        raise ValueError(f"Expected at least one method and one seed (got {len(methods)} and {len(seeds)}).")
    for method in methods:
        if method.kind not in (POSTERIOR_MEAN, *ESTIMATORS):
            try:
                model_class(method.kind)
            except ValueError as error:
                raise ValueError(f"{error} Or an estimator: {', '.join((POSTERIOR_MEAN, *ESTIMATORS))}.") from None
    return [
        RecoveryJob(
            out / "runs" / label_name(method.label) / f"{file_name(population.kind)}-{population.seed}",
            population,
            method,
            preset,
        )
        for population in populations.all(out, seeds)
        for method in methods
    ]


def compare_recovery(
    out: Path,
    methods: Sequence[Variant],
    populations: Populations = Populations(),  # noqa: B008
    *,
    seeds: int = 10,
    preset: Preset = Preset("fast"),  # noqa: B008
    workers: Workers = Workers(),  # noqa: B008
) -> RecoveryBenchmark:
    """Compares methods that estimate connectivity on populations with known wiring, and writes the results.

    Finished jobs are not repeated. A failed job does not stop the others.

    Args:
        out: Folder of the benchmark, created if needed; its folder ``runs`` holds the results of each method.
        methods: Estimators and models.
        populations: Populations with known wiring.
        seeds: Number of seeds, counted from 0.
        preset: Recipe of the models.
        workers: Number and place of the processes.

    Raises:
        ValueError: An argument or a session is invalid, or ``out`` holds results of other settings.
        JobsFailed: Every job failed.
        BlockingIOError: Another process runs a benchmark in the folder.
    """
    jobs = plan_recovery(out, methods, populations, seeds=range(seeds), preset=preset)
    changes = {key: value for key, value in preset.changes.items() if value is not None}
    simulated = {"parameters": dict(populations.parameters)}
    if not populations.sessions:
        require_same_settings(out / "populations", simulated)
        keep_settings(out / "populations", simulated)
    # One process runs all methods of a population: most of them are faster than the start of a process.
    with held(make_folder(out)):
        run_jobs(jobs, out, workers, together=lambda job: (job.population.path, job.population.seed))
    rows = [
        RecoveryRow(
            job.population.kind,
            job.population.seed,
            result.seconds,
            result.fit,
            method=label,
            scores=scores,
        )
        for job, result in results_of(jobs)
        for label, scores in (
            (job.method.label, result.scores),
            (f"{job.method.label}, posterior mean", result.posterior),
        )
        if scores is not None
    ]
    calibrations = [
        CalibratedPopulation(job.population.kind, job.population.seed, result.calibration)
        for job, result in results_of(jobs)
        if result.calibration is not None
    ]
    benchmark = RecoveryBenchmark(
        command=shlex.join(["synapsnet", *sys.argv[1:]]),
        versions=versions(),
        settings={**simulated, "preset": preset.name, "training": changes},
        methods={job.method.label: {"name": job.method.kind, **job.method.arguments} for job in jobs},
        rows=rows,
        summary=summarise_recovery(rows),
        calibrations=calibrations,
        failed=errors_of(jobs),
    )
    if not rows:
        raise JobsFailed(f"Every job failed; the first: {next(iter(benchmark.failed.values()))}")
    with atomic_path(out / "connectivity.json") as temporary:
        temporary.write_text(json.dumps(benchmark.to_json(), indent=1) + "\n")
    benchmark.write_tables(out)
    if calibrations:
        write_image(draw_calibrations(calibrations), out / "calibration.png")
    for kind in dict.fromkeys(job.population.kind for job in jobs):
        _draw([job for job in jobs if job.population.kind == kind], benchmark, out)
    return benchmark


def _draw(jobs: Sequence[RecoveryJob], benchmark: RecoveryBenchmark, out: Path) -> None:
    """Draws the scores on populations of one kind, and the matrices of the five best methods on the first one."""
    finished = [job for job, _ in results_of(jobs)]
    if not finished:
        return
    kind = finished[0].population.kind
    rows = [row for row in benchmark.rows if row.population == kind and row.value("pearson") is not None]
    ranked = [entry.method for entry in benchmark.summary if entry.population == kind]
    pearson = {label: [row.scores.pearson for row in rows if row.method == label] for label in ranked}
    pearson = {label: values for label, values in pearson.items() if values}
    first = {job.method.label: job for job in finished if job.population.seed == finished[0].population.seed}
    truth = finished[0].population.load().true_connectivity
    assert truth is not None
    matrices = {label: first[label].matrix() for label in [label for label in pearson if label in first][:5]}
    write_image(draw_recovery(truth, matrices, pearson), out / f"connectivity-{file_name(kind)}.png")
