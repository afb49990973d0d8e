"""Results of the forecasting benchmark: scores, their summary, tables and figures."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from synapsnet_pyg.files import Json
from synapsnet_pyg.metrics import mean_and_sem, paired_p
from synapsnet_pyg.runs.intervals import IntervalScore
from synapsnet_pyg.runs.score_tables import PCS, score_texts
from synapsnet_pyg.runs.scores import Score, number_or_none
from synapsnet_pyg.runs.tables import Table, number_text, p_text, plus_minus_text

if TYPE_CHECKING:
    from synapsnet_pyg.benchmarks.horizon_results import HorizonResults

Kind = Literal["forecasting", "window", "embedding", "ablations", "dynamics"]
Fit = Literal["single", "multi", "anchor"]
"""Sessions of a fit: one session, all sessions together, or (anchors, in closed form) all sessions one by one."""


@dataclass(frozen=True)
class Row:
    """Scores of one variant on one session with one seed."""

    label: str
    fit: Fit
    session: str
    seed: int
    scores: Score
    seconds: float
    fold: str | None = None
    intervals: IntervalScore | None = None

    def to_json(self) -> Json:
        """Returns name -> value of the row, ready for JSON."""
        intervals = None if self.intervals is None else self.intervals.to_json()
        return {**{key: getattr(self, key) for key in ("label", "fit", "session", "seed", "fold")},
                "scores": self.scores.to_json(), "intervals": intervals, "seconds": self.seconds}  # fmt: skip


@dataclass(frozen=True)
class SummaryEntry:
    """Scores of one variant, fitted in one way, over sessions.

    Attributes:
        label: Label of the variant.
        fit: Sessions of a fit.
        sessions: Number of sessions.
        seeds: Number of seeds.
        seconds: Mean duration of a fit.
        correlation: Mean correlation over sessions; None if no session has one.
        correlation_sem: Standard error of the mean correlation; None for a single session.
        correlation_p: p-value of the correlations against those of the next best variant, from a two-sided paired
            t-test over sessions. Multi-session fits are compared with each other, and single-session fits with anchors
            and each other. None if there are too few sessions.
        mse: Mean squared error over sessions; None if no session has one.
        mse_sem: Standard error of the mean squared error; None for a single session.
        mse_p: p-value of the squared errors against those of the next best variant; None if there are too few
            sessions.
        coverage: Level -> coverage of the intervals one bin ahead, mean over sessions and seeds.
    """

    label: str
    fit: Fit
    sessions: int
    seeds: int
    seconds: float
    correlation: float | None = None
    correlation_sem: float | None = None
    correlation_p: float | None = None
    mse: float | None = None
    mse_sem: float | None = None
    mse_p: float | None = None
    coverage: Mapping[str, float] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """Label in the tables."""
        return titled(self.label, self.fit)


def titled(label: str, fit: Fit) -> str:
    """Returns the label of a variant in tables, with a mark for multi-session fits."""
    return label + (" (multi-session)" if fit == "multi" else "")


class Variation(NamedTuple):
    """Label of a variant and sessions of its fit."""

    label: str
    fit: Fit


def mean_over_seeds(rows: Iterable[Row], key: Literal["correlation", "mse"]) -> dict[Variation, dict[str, float]]:
    """Computes variation -> session -> mean of a score over the seeds and folds whose score is not NaN."""
    values: dict[Variation, dict[str, list[float]]] = {}
    for row in rows:
        if (value := getattr(row.scores, key)) == value:
            values.setdefault(Variation(row.label, row.fit), {}).setdefault(row.session, []).append(value)
    return {
        variation: {session: float(np.mean(scores)) for session, scores in by_session.items()}
        for variation, by_session in values.items()
    }


def summarise(rows: Sequence[Row]) -> list[SummaryEntry]:
    """Returns an entry for each variant: single-session fits and anchors, then multi-session fits, each best first."""
    means = {key: mean_over_seeds(rows, key) for key in ("correlation", "mse")}
    variations = dict.fromkeys(Variation(row.label, row.fit) for row in rows)
    entries = [_entry(variation, rows, means) for variation in variations]
    ordered = []
    for group in (("single", "anchor"), ("multi",)):
        members = [entry for entry in entries if entry.fit in group]
        for key in ("mse", "correlation"):
            members = _ranked(members, key, means[key])
        ordered += members
    return ordered


def _entry(
    variation: Variation, rows: Sequence[Row], means: Mapping[str, Mapping[Variation, Mapping[str, float]]]
) -> SummaryEntry:
    """Returns the means of a variant over sessions, without p-values."""
    own_rows = [row for row in rows if (row.label, row.fit) == variation]
    correlation, mse = (mean_and_sem(means[key].get(variation, {}).values()) for key in ("correlation", "mse"))
    return SummaryEntry(
        variation.label,
        variation.fit,
        sessions=len({row.session for row in own_rows}),
        seeds=len({row.seed for row in own_rows}),
        seconds=float(np.mean([row.seconds for row in own_rows])),
        correlation=number_or_none(correlation.mean),
        correlation_sem=number_or_none(correlation.sem),
        mse=number_or_none(mse.mean),
        mse_sem=number_or_none(mse.sem),
        coverage=_coverage([row.intervals for row in own_rows if row.intervals is not None]),
    )


def _coverage(scores: Sequence[IntervalScore]) -> dict[str, float]:
    """Returns level -> mean coverage one bin ahead, over the scores that are numbers."""
    values: dict[str, list[float]] = {}
    for score in scores:
        for level, each in score.coverage.items():
            if each[0] == each[0]:
                values.setdefault(level, []).append(each[0])
    return {level: float(np.mean(each)) for level, each in values.items()}


def _ranked(
    entries: Sequence[SummaryEntry], key: str, means: Mapping[Variation, Mapping[str, float]]
) -> list[SummaryEntry]:
    """Returns entries by a score, best first, each with the p-value of the test against the next."""

    def rank(entry: SummaryEntry) -> float:
        score = getattr(entry, key)
        return np.inf if score is None else (score if key == "mse" else -score)

    ordered = sorted(entries, key=rank)
    by_session = [means.get(Variation(entry.label, entry.fit), {}) for entry in ordered]
    p_values = [*(paired_p(better, worse) for better, worse in pairwise(by_session)), None]
    return [
        replace(entry, mse_p=p) if key == "mse" else replace(entry, correlation_p=p)
        for entry, p in zip(ordered, p_values, strict=False)
    ]


@dataclass(frozen=True)
class ForecastBenchmark:
    """Scores and settings of a forecasting benchmark.

    Attributes:
        kind: Kind of the comparison; also the name of its files.
        command: Command line of the benchmark.
        versions: Package -> version.
        protocol: Split, first scored bin, recipe and seeds.
        sessions: Session name -> numbers of neurons and bins, and bin size.
        variants: Label -> model, arguments and tuned values of the recipe.
        tuned: Label -> number of trials by which the model was tuned, or that its fit chooses on validation.
        rows: Scores of each variant, session and seed.
        summary: Means over sessions.
        failed: Folder of a failed job -> reason.
        horizons: Scores several bins ahead; None for a horizon of 1.
    """

    kind: Kind
    command: str
    versions: Mapping[str, str]
    protocol: Mapping[str, Any]
    sessions: Mapping[str, Mapping[str, float]]
    variants: Mapping[str, Mapping[str, Any]]
    tuned: Mapping[str, str]
    rows: Sequence[Row]
    summary: Sequence[SummaryEntry]
    failed: Mapping[str, str]
    horizons: "HorizonResults | None" = None

    def to_json(self) -> Json:
        """Returns name -> value of scores and settings, ready for JSON."""
        return {
            "command": self.command,
            "versions": self.versions,
            "protocol": self.protocol,
            "sessions": self.sessions,
            "variants": self.variants,
            "tuned": self.tuned,
            "summary": [asdict(entry) for entry in self.summary],
            "scores": [row.to_json() for row in self.rows],
            "failed": self.failed,
            **({} if self.horizons is None else {"horizons": self.horizons.to_json()}),
        }

    def write_tables(self, out: Path) -> None:
        """Writes the summary and the scores of each session as Markdown, CSV and LaTeX."""
        self.table(out).write(out / self.kind)
        self.session_table().write(out / f"{self.kind}-sessions")
        if self.horizons is not None:
            self.horizons.write(out, self.kind, f"By `{self.command}`.")

    def table(self, out: Path) -> Table:
        """Returns the table of the summary, as Table 1 in the SynapsNet paper.

        Args:
            out: Folder of the benchmark; failed jobs are named by their path in it.
        """
        rows = [
            [
                entry.title,
                str(entry.sessions),
                plus_minus_text(entry.correlation, entry.correlation_sem, 4),
                p_text(entry.correlation_p),
                plus_minus_text(entry.mse, entry.mse_sem, 4),
                p_text(entry.mse_p),
                " ".join(f"{value:.2f}" for value in entry.coverage.values()) or "-",
                f"{entry.seconds:.0f}",
                self.tuned[entry.label],
            ]
            for entry in self.summary
        ]
        notes = [
            f"Test parts{self._folds}, mean +- SEM over sessions; corr: Pearson over time, mean over neurons; MSE: "
            "standardised.",
            f"Parts by {self.protocol['split']}.",
            "p: two-sided paired t-test over sessions against the next best model with the same kind of fit.",
            "coverage: share of the test bins within the 50, 80 and 95 % interval of the forecast.",
            "tuned: trials of `synapsnet tune`, 0 for the defaults; on validation: each fit chooses a penalty there.",
            f"By `{self.command}`.",
            *(f"FAILED: {Path(folder).relative_to(out)}: {error}" for folder, error in self.failed.items()),
        ]
        header = ["model", "sessions", "corr", "p", "MSE", "p (MSE)", "coverage", "fit (s)", "tuned"]
        return Table(self._title, header, rows, notes)

    def short_table(self) -> Table:
        """Returns the table of the summary with fewer columns, for a narrow terminal."""
        rows = [
            [
                entry.title,
                plus_minus_text(entry.correlation, entry.correlation_sem),
                p_text(entry.correlation_p),
                plus_minus_text(entry.mse, entry.mse_sem),
                f"{entry.seconds:.0f}",
            ]
            for entry in self.summary
        ]
        note = "p: paired t-test of corr over sessions, against the next best model with the same kind of fit."
        title = f"{len(self.sessions)} session(s){self._folds}, mean +- SEM"
        return Table(title, ["model", "corr", "p", "MSE", "fit (s)"], rows, [note])

    def session_table(self) -> Table:
        """Returns the table of scores, one row for each session, model and seed."""
        with_truth = any(row.scores.connectivity is not None for row in self.rows)
        header = ["session", "model", "seed", *(["fold"] if self._folds else []), "corr", "MSE", *PCS]
        header += ["conn r", "AUROC"] if with_truth else []
        rows = []
        for row in sorted(self.rows, key=lambda row: (row.session, row.fit, -_zero_for_nan(row.scores.correlation))):
            connectivity = row.scores.connectivity or {}
            truth = [number_text(connectivity.get(key)) for key in ("pearson", "auroc")] if with_truth else []
            fit = [titled(row.label, row.fit), str(row.seed), *([] if row.fold is None else [row.fold])]
            rows.append([row.session, *fit, *score_texts(row.scores), *truth])
        return Table(f"{self._title}, each session", header, rows, [f"By `{self.command}`."])

    @property
    def _folds(self) -> str:
        """Number of the folds as a remark; an empty text without a cross-validation."""
        folds = {row.fold for row in self.rows if row.fold is not None}
        return f", mean over {len(folds)} folds" if folds else ""

    @property
    def _title(self) -> str:
        """Title of the tables."""
        return "Forecasting" if self.kind == "forecasting" else f"Forecasting: {self.kind}"


def _zero_for_nan(value: float) -> float:
    """Returns a number; zero replaces NaN."""
    return value if value == value else 0.0
