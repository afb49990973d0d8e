"""Results of the recovery benchmark: scores, their summary, tables and figure."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from synapsnet_pyg.benchmarks.edge_calls import CalibratedPopulation, calls_table
from synapsnet_pyg.files import Json
from synapsnet_pyg.metrics import ConnectivityScore, paired_p
from synapsnet_pyg.plots.canvas import Figure, make_matrices_figure
from synapsnet_pyg.plots.comparisons import draw_recoveries
from synapsnet_pyg.plots.connectivity import draw_matrix
from synapsnet_pyg.runs.scores import number_or_none
from synapsnet_pyg.runs.tables import Table, number_text, p_text, plus_minus_text

_COLUMNS = {
    "pearson": "Pearson",
    "spearman": "Spearman",
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "sign_accuracy": "sign",
    "fit": "fit",
}


@dataclass(frozen=True)
class RecoveryRow:
    """Scores of one method on one population."""

    population: str
    seed: int
    seconds: float
    fit: float | None
    method: str
    scores: ConnectivityScore

    def value(self, key: str) -> float | None:
        """Returns a score by name; None replaces NaN."""
        value = self.fit if key == "fit" else getattr(self.scores, key)
        return None if value is None else number_or_none(value)

    def to_json(self) -> Json:
        """Returns name -> value of the row, ready for JSON."""
        scores = {key: number_or_none(value) for key, value in self.scores._asdict().items()}
        return {**asdict(self), "scores": scores}


class Spread(NamedTuple):
    """Mean and sample standard deviation over seeds; None if there are too few values."""

    mean: float | None
    deviation: float | None


@dataclass(frozen=True)
class RecoverySummary:
    """Scores of one method over all populations of a kind.

    Attributes:
        population: Kind of the populations.
        method: Label of the method.
        seeds: Number of seeds.
        seconds: Mean duration in seconds.
        scores: Name of a score -> mean and deviation over seeds; ``fit`` comes first.
        better_than_next: Number of seeds with a higher Pearson correlation than the next best method has; None for the
            last method.
        p: p-value of the Pearson correlations against those of the next best method, from a two-sided paired t-test
            over seeds; None for the last method or for too few seeds.
    """

    population: str
    method: str
    seeds: int
    seconds: float
    scores: Mapping[str, Spread]
    better_than_next: int | None
    p: float | None

    def to_json(self) -> Json:
        """Returns name -> value, ready for JSON; the deviation of a score is ``<score>_deviation``."""
        scores: Json = {}
        for key, spread in self.scores.items():
            scores |= {key: spread.mean, f"{key}_deviation": spread.deviation}
        counts = {"population": self.population, "method": self.method, "seeds": self.seeds, "seconds": self.seconds}
        return {**counts, **scores, "better_than_next": self.better_than_next, "p": self.p}


def summarise_recovery(rows: Sequence[RecoveryRow]) -> list[RecoverySummary]:
    """Returns an entry for each population and method, ordered by mean Pearson correlation, best first."""
    entries = []
    for population in dict.fromkeys(row.population for row in rows):
        here = [row for row in rows if row.population == population]
        pearson: dict[str, dict[str, float]] = {method: {} for method in dict.fromkeys(row.method for row in here)}
        for row in here:
            if (value := row.value("pearson")) is not None:
                pearson[row.method][str(row.seed)] = value
        mean = {method: np.mean(list(values.values())) if values else -np.inf for method, values in pearson.items()}
        ranked = sorted(pearson, key=mean.__getitem__, reverse=True)
        for better, worse in zip(ranked, [*ranked[1:], None], strict=True):
            own_rows = [row for row in here if row.method == better]
            entries.append(_summary(own_rows, pearson[better], None if worse is None else pearson[worse]))
    return entries


def _summary(
    rows: Sequence[RecoveryRow], ours: Mapping[str, float], theirs: Mapping[str, float] | None
) -> RecoverySummary:
    """Returns the entry of a method from its rows, its correlations, and those of the next best method by seed."""
    both = ours.keys() & (theirs or {}).keys()
    return RecoverySummary(
        rows[0].population,
        rows[0].method,
        seeds=len(rows),
        seconds=float(np.mean([row.seconds for row in rows])),
        scores={key: _spread([row.value(key) for row in rows]) for key in ("fit", *ConnectivityScore._fields)},
        better_than_next=None if theirs is None else sum(ours[seed] > theirs[seed] for seed in both),
        p=None if theirs is None else paired_p(ours, theirs),
    )


def _spread(values: Sequence[float | None]) -> Spread:
    """Computes mean and deviation of the values that are known."""
    known = [value for value in values if value is not None]
    deviation = float(np.std(known, ddof=1)) if len(known) > 1 else None
    return Spread(float(np.mean(known)) if known else None, deviation)


@dataclass(frozen=True)
class RecoveryBenchmark:
    """Scores and settings of a benchmark of connectivity recovery.

    Attributes:
        command: Command line of the benchmark.
        versions: Package -> version.
        settings: Parameters of the simulations and recipe of the models.
        methods: Label -> name and arguments.
        rows: Scores of each population, seed and method.
        summary: Means over seeds.
        calibrations: Calls and calibration of the test of edges on each population.
        failed: Folder of a failed job -> reason.
    """

    command: str
    versions: Mapping[str, str]
    settings: Mapping[str, Any]
    methods: Mapping[str, Mapping[str, Any]]
    rows: Sequence[RecoveryRow]
    summary: Sequence[RecoverySummary]
    calibrations: Sequence[CalibratedPopulation]
    failed: Mapping[str, str]

    def to_json(self) -> Json:
        """Returns name -> value of scores and settings, ready for JSON."""
        return {
            "command": self.command,
            "versions": self.versions,
            **self.settings,
            "methods": self.methods,
            "summary": [entry.to_json() for entry in self.summary],
            "scores": [row.to_json() for row in self.rows],
            "calibrations": [
                {"population": row.population, "seed": row.seed, **row.calibration.to_json()}
                for row in self.calibrations
            ],
            "failed": self.failed,
        }

    def write_tables(self, out: Path) -> None:
        """Writes the summary and the scores of each seed as Markdown, CSV and LaTeX."""
        self.table().write(out / "connectivity")
        self.seed_table().write(out / "connectivity-seeds")
        if self.calibrations:
            calls_table(self.calibrations, self.command).write(out / "edges-called")

    def table(self) -> Table:
        """Returns the table of the summary."""
        header = ["population", "method", "seeds", *_COLUMNS.values(), "ahead of the next", "p", "s"]
        rows = []
        for entry in self.summary:
            ahead = "-" if entry.better_than_next is None else f"{entry.better_than_next} of {entry.seeds}"
            scores = [plus_minus_text(*entry.scores[key]) for key in _COLUMNS]
            counted = [entry.population, entry.method, str(entry.seeds)]
            rows.append([*counted, *scores, ahead, p_text(entry.p), f"{entry.seconds:.0f}"])
        notes = [
            "Off the diagonal, mean +- deviation over seeds. Pearson and Spearman: of signed weights; AUROC, AUPRC: of "
            "absolute weights against which pairs have an edge; sign: share of true edges whose sign is right.",
            "fit: correlation of the test forecast with the truth (models), pVar (CURBD).",
            f"By `{self.command}`.",
            *(f"FAILED: {folder}: {error}" for folder, error in self.failed.items()),
        ]
        return Table("Recovery of known wiring", header, rows, notes)

    def seed_table(self) -> Table:
        """Returns the table of scores, one row for each population, seed and method."""
        header = ["population", "seed", "method", *_COLUMNS.values(), "s"]
        rows = [
            [row.population, str(row.seed), row.method, *(number_text(row.value(key)) for key in _COLUMNS),
             f"{row.seconds:.1f}"]
            for row in self.rows
        ]  # fmt: skip
        return Table("Recovery, each seed", header, rows, [f"By `{self.command}`."])

    def short_tables(self) -> list[Table]:
        """Returns a table of the summary for each kind of population, with fewer columns, for a narrow terminal."""
        tables = []
        for population in dict.fromkeys(entry.population for entry in self.summary):
            entries = [entry for entry in self.summary if entry.population == population]
            rows = [
                [
                    entry.method,
                    plus_minus_text(*entry.scores["pearson"]),
                    *(number_text(entry.scores[key].mean) for key in ("spearman", "auroc", "auprc", "sign_accuracy")),
                    f"{entry.seconds:.0f}",
                ]
                for entry in entries
            ]
            title = f"{population}: {max(entry.seeds for entry in entries)} seed(s), mean +- deviation"
            tables.append(Table(title, ["method", "Pearson", "rho", "AUROC", "AUPRC", "sign", "s"], rows))
        if self.calibrations:
            tables.append(calls_table(self.calibrations, self.command))
        return tables


def draw_recovery(
    truth: torch.Tensor, matrices: Mapping[str, torch.Tensor], pearson: Mapping[str, Sequence[float]]
) -> Figure:
    """Draws figure 5: matrices of one population side by side, and the recovery of every method over seeds.

    Args:
        truth: True connectivity [N, N].
        matrices: Label of a method -> its connectivity [N, N].
        pearson: Label of a method -> Pearson correlation of each seed.
    """
    figure, upper, lower = make_matrices_figure(len(matrices) + 1)
    draw_matrix(upper[0], truth, "true connectivity", bar=False)
    for ax, (label, matrix) in zip(upper[1:], matrices.items(), strict=True):
        draw_matrix(ax, matrix, label, bar=False)
    draw_recoveries(lower, pearson)
    return figure
