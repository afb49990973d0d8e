"""Results of the forecasting benchmark over horizons: scores, tables and the best model at each horizon."""

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from synapsnet_pyg.benchmarks.forecast_results import Fit, titled
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.data.windows import windows_of
from synapsnet_pyg.files import Json, atomic_path
from synapsnet_pyg.files.texts import cells
from synapsnet_pyg.metrics import MeanSem, mean_and_sem
from synapsnet_pyg.models.forecasting import Method
from synapsnet_pyg.runs.horizon_scores import HorizonScore, HorizonScores
from synapsnet_pyg.runs.horizon_tables import TITLES, best_models, horizon_table
from synapsnet_pyg.runs.scores import number_or_none
from synapsnet_pyg.runs.tables import Table, plus_minus_text

SessionScores = Mapping[str, Mapping[Method, HorizonScores]]
"""Session name -> way of forecasting -> scores of each horizon, of one fit."""


def scores_to_json(scores: SessionScores) -> Json:
    """Returns session name -> way of forecasting -> scores of each horizon, ready for JSON."""
    return {
        name: {method: [score.to_json() for score in ahead] for method, ahead in by_method.items()}
        for name, by_method in scores.items()
    }


def scores_from_json(values: Mapping[str, Mapping[Method, Sequence[Mapping[str, Any]]]]) -> SessionScores:
    """Reads the scores of :func:`scores_to_json`."""
    return {
        name: {method: [HorizonScore.from_json(score) for score in ahead] for method, ahead in by_method.items()}
        for name, by_method in values.items()
    }


def check_horizon(sessions: Sequence[Session], first: int, horizon: int) -> None:
    """Raises an error if a test part has no segment for a forecast of so many bins.

    Args:
        sessions: Recordings.
        first: Position of the first scored bin in each segment.
        horizon: Number of bins ahead H.

    Raises:
        ValueError: A test part is too short.
    """
    for session in sessions:
        if not windows_of(session.split().test, first, horizon=horizon):
            raise ValueError(
                f"Expected a segment of at least {first + horizon} bins in the test part of session '{session.name}'; "
                "use a shorter context or horizon, or longer segments."
            )


class HorizonRow(NamedTuple):
    """Scores of one variant on one session with one seed for each horizon."""

    label: str
    """Label of the variant, with a mark if a model that forecasts directly is rolled out."""
    fit: Fit
    session: str
    seed: int
    scores: HorizonScores

    @property
    def title(self) -> str:
        """Label in the tables."""
        return titled(self.label, self.fit)


@dataclass(frozen=True)
class HorizonResults:
    """Scores of a forecasting benchmark for each number of bins ahead.

    Attributes:
        horizon: Number of bins ahead H.
        bin_size: Session name -> duration of a bin in seconds.
        rows: Scores of each variant, session and seed.
    """

    horizon: int
    bin_size: Mapping[str, float]
    rows: Sequence[HorizonRow]

    def summary(self, key: str) -> dict[str, list[MeanSem]]:
        """Computes title -> mean and standard error over sessions for each horizon.

        Seeds are averaged first. Titles are in the order of the mean correlation over horizons, the best first.

        Args:
            key: Name of a score.
        """
        ordered = sorted(self._summary("correlation").items(), key=lambda entry: -_mean_over_horizons(entry[1]))
        values = self._summary(key)
        return {title: values[title] for title, _ in ordered}

    def _summary(self, key: str) -> dict[str, list[MeanSem]]:
        """Computes title -> mean and standard error over sessions for each horizon, in the order of the rows."""
        titles = dict.fromkeys(row.title for row in self.rows)
        return {title: [self._mean(title, key, h) for h in range(self.horizon)] for title in titles}

    def _mean(self, title: str, key: str, h: int) -> MeanSem:
        """Computes mean and standard error over sessions of a score h + 1 bins ahead."""
        values = [(row.session, getattr(row.scores[h], key)) for row in self.rows if row.title == title]
        return _over_sessions([(session, value) for session, value in values if value == value])

    def means(self, key: str) -> dict[str, list[float]]:
        """Computes title -> mean over sessions for each horizon, NaN where it is not defined.

        Args:
            key: Name of a score.
        """
        return {title: [value.mean for value in values] for title, values in self.summary(key).items()}

    def tables(self, notes: Sequence[str] = (), *, with_errors: bool = True) -> dict[str, Table]:
        """Returns score -> table with horizons as columns, means over sessions.

        Args:
            notes: Further lines below each table.
            with_errors: Whether standard errors follow the means; a terminal is too narrow for them.
        """
        sizes = " or ".join(sorted({f"{size:.3g}" for size in self.bin_size.values()}))
        tables = {}
        for key in TITLES:
            summary = self.summary(key)
            cells = {
                model: [plus_minus_text(value.mean, value.sem if with_errors else None) for value in values]
                for model, values in summary.items()
            }
            title = f"Forecasting: {TITLES[key]} over bins ahead, of {sizes} s"
            table = horizon_table(title, key, self.means(key), cells=cells)
            all_bins = self.overall(key)
            rows = [
                [*row, plus_minus_text(all_bins[row[0]].mean, all_bins[row[0]].sem if with_errors else None)]
                for row in table.rows
            ]
            explained = "all: of the squared errors of all bins ahead" if key == "against_copy" else "all: mean"
            tables[key] = Table(table.title, [*table.header, "all"], rows, [*table.notes, f"{explained}.", *notes])
        return tables

    def overall(self, key: str) -> dict[str, MeanSem]:
        """Computes title -> mean and standard error over sessions of a score of all bins ahead together.

        The score against copy is that of the summed squared errors, as POCO's; of other scores it is the mean.

        Args:
            key: Name of a score.
        """
        by_title: dict[str, list[tuple[str, float]]] = {}
        for row in self.rows:
            if key == "against_copy":
                copied = [s.mse / (1 - s.against_copy) if s.against_copy < 1 else math.nan for s in row.scores]
                value = 1 - sum(score.mse for score in row.scores) / sum(copied)
            else:
                value = sum(getattr(score, key) for score in row.scores) / len(row.scores)
            by_title.setdefault(row.title, []).append((row.session, value))
        return {title: _over_sessions(values) for title, values in by_title.items()}

    def write(self, out: Path, kind: str, note: str) -> None:
        """Writes a table of each score as Markdown, CSV and LaTeX, and all scores as one CSV.

        Args:
            out: Existing folder.
            kind: Beginning of the file names, as in ``<kind>-horizons-correlation.md`` and ``<kind>-horizons.csv``.
            note: Line below each table.
        """
        for key, table in self.tables([note]).items():
            table.write(out / f"{kind}-horizons-{key.replace('_', '-')}")
        with (
            atomic_path(out / f"{kind}-horizons.csv") as temporary,
            temporary.open("w", newline="", encoding="utf-8") as file,
        ):
            writer = csv.writer(file)
            writer.writerow(["session", "model", "fit", "seed", "horizon", "seconds", *HorizonScore._fields])
            for row in self.rows:
                for h, score in enumerate(row.scores, start=1):
                    seconds = round(h * self.bin_size[row.session], 9)
                    writer.writerow(cells([row.session, row.label, row.fit, row.seed, h, seconds, *score]))

    def to_json(self) -> Json:
        """Returns the best model at each horizon and all scores, ready for JSON; None replaces NaN."""
        means = {key: self.means(key) for key in TITLES}
        return {
            "horizon": self.horizon,
            "best": {key: best_models(key, values) for key, values in means.items()},
            "means": {
                key: {title: list(map(number_or_none, scores)) for title, scores in values.items()}
                for key, values in means.items()
            },
            "scores": [{**row._asdict(), "scores": [score.to_json() for score in row.scores]} for row in self.rows],
        }


def _mean_over_horizons(values: Sequence[MeanSem]) -> float:
    """Computes the mean over horizons that have a score; minus infinity if none has."""
    known = [value.mean for value in values if value.mean == value.mean]
    return sum(known) / len(known) if known else float("-inf")


def _over_sessions(values: Sequence[tuple[str, float]]) -> MeanSem:
    """Computes mean and standard error over sessions of pairs of session and score; seeds are averaged first."""
    by_session: dict[str, list[float]] = {}
    for session, value in values:
        by_session.setdefault(session, []).append(value)
    return mean_and_sem(mean_and_sem(scores).mean for scores in by_session.values())
