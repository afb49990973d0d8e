"""The file ``run.json`` of a run: its model, recordings, recipe and versions."""

import csv
import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from synapsnet_pyg.data.fingerprint import earlier_fingerprint
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.files import Json, atomic_path, first_difference
from synapsnet_pyg.files.checksums import DamagedFileError, json_checksum
from synapsnet_pyg.files.json_files import read_as, read_json, write_json
from synapsnet_pyg.intake.notes import warn
from synapsnet_pyg.runs.recipe import Recipe

FILE = "run.json"
FORMAT = "synapsnet run"
VERSION = 3
EVERY_FIELD = 3
"""Version since which fingerprints are of every field of a recording, and the file has a checksum."""


@dataclass(frozen=True)
class FittedSession:
    """Name, sizes and paths of a recording at the time of the fit."""

    name: str
    path: str
    relative_path: str
    neurons: int
    bins: int
    fingerprint: str

    @classmethod
    def of(cls, session: Session, path: str | os.PathLike[str], folder: Path) -> "FittedSession":
        """Returns the record of a session file, with its path relative to the folder of the run."""
        absolute = Path(path).resolve()
        return cls(
            name=session.name,
            path=str(absolute),
            relative_path=os.path.relpath(absolute, folder.resolve()),
            neurons=session.num_neurons,
            bins=session.num_bins,
            fingerprint=session.fingerprint,
        )


def _as_earlier(session: FittedSession) -> FittedSession:
    """Returns the record of a session file as files of earlier versions have it."""
    return replace(session, fingerprint=earlier_fingerprint(Session.load(session.path)))


@dataclass(frozen=True)
class _Model:
    """Model in ``run.json``."""

    kind: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class _Content:
    """Values that ``run.json`` must have."""

    model: _Model
    sessions: list[FittedSession]
    recipe: Recipe
    versions: dict[str, str]
    adapted_from: str | None = None


@dataclass(frozen=True)
class RunRecord:
    """Contents of ``run.json``.

    Attributes:
        kind: Name of the model.
        arguments: Arguments of the model; a part, such as its dynamics, is given by name.
        sessions: Recordings of the fit.
        recipe: Recipe of the fit.
        versions: Package -> version.
        adapted_from: Folder of the run with the shared parameters; None if the run was not adapted.
        file_version: Version of the file's format.
    """

    kind: str
    arguments: Mapping[str, Any]
    sessions: list[FittedSession]
    recipe: Recipe
    versions: Mapping[str, str]
    adapted_from: str | None = None
    file_version: int = VERSION

    def write(self, folder: Path, *, new: bool = False) -> None:
        """Writes ``run.json`` completely or not at all.

        Args:
            folder: Folder of the run, which exists.
            new: Whether the run begins.

        Raises:
            FileExistsError: The run begins, and there is one already.
        """
        values = {
            "format": FORMAT,
            "version": VERSION,
            "model": {"kind": self.kind, "arguments": dict(self.arguments)},
            **({} if self.adapted_from is None else {"adapted_from": self.adapted_from}),
            "sessions": [asdict(session) for session in self.sessions],
            "recipe": self.recipe.to_json(),
            "versions": dict(self.versions),
        }
        write_json(folder / FILE, values, indent=2, new=new)

    @classmethod
    def read(cls, folder: Path) -> "RunRecord":
        """Reads ``run.json``, also of version 0.1.0.

        Raises:
            FileNotFoundError: The folder holds no run.
            ValueError: The file is damaged or of a newer version.
        """
        path = folder / FILE
        if not path.is_file():
            found = "is a file" if folder.is_file() else f"has no {FILE}" if folder.is_dir() else "is not there"
            raise FileNotFoundError(f"Expected the folder of a run, which 'synapsnet fit' makes ('{folder}' {found}).")
        values, sealed = read_json(path)
        number = values.get("version")
        if values.get("format") != FORMAT or not isinstance(number, int) or number > VERSION:
            raise DamagedFileError(f"'{path}' is not a readable run (of another program or a newer version).")
        if not sealed:
            warn(f"'{path}' has no checksum (an earlier version wrote it), so damage cannot be seen.")
        if number < 2:  # 0.1.0 called the kind a name, and the recipe training
            renamed = {"training": "recipe"}
            values = {renamed.get(key, key): value for key, value in values.items()}
            model = read_as(Json, values.get("model"), "model", path)
            values["model"] = {"kind" if key == "name" else key: value for key, value in model.items()}
        own = {key: value for key, value in values.items() if key not in ("format", "version")}
        content = read_as(_Content, own, "run", path)
        return cls(
            kind=content.model.kind,
            arguments=content.model.arguments,
            sessions=content.sessions,
            recipe=content.recipe,
            versions=content.versions,
            adapted_from=content.adapted_from,
            file_version=number,
        )

    def require_same(self, folder: Path) -> None:
        """Raises an error if a folder holds a fit of other settings, which cannot be continued.

        Raises:
            ValueError: The fit in the folder has other settings, more epochs, or is of version 0.1.0.
        """
        begun = RunRecord.read(folder)
        if begun.file_version < 2:
            raise ValueError(
                f"'{folder}' was begun by version 0.1.0, whose unfinished fits cannot be continued; give the same "
                "command with another --out."
            )
        if self.recipe.epochs < begun.recipe.epochs:
            raise ValueError(
                f"'{folder}' was begun with {begun.recipe.epochs} epochs (got {self.recipe.epochs}); resume it with as "
                "many or more."
            )
        now = (
            self
            if begun.file_version >= EVERY_FIELD
            else replace(self, sessions=[_as_earlier(s) for s in self.sessions])
        )
        if difference := first_difference(now._fixed(), begun._fixed()):
            raise ValueError(f"'{folder}' was begun with {difference}; give the same command again to resume it.")

    def _fixed(self) -> Json:
        """Returns all values that must be equal to continue a fit."""
        recipe = self.recipe.to_json()
        del recipe["epochs"]
        names = [(session.name, session.fingerprint) for session in self.sessions]
        model = {"model": self.kind, "model arguments": json.loads(json.dumps(dict(self.arguments)))}
        return {"sessions (name, fingerprint)": names, **model, **recipe}


def versions() -> dict[str, str]:
    """Returns the versions of Python and the packages that results depend on."""
    packages = ("synapsnet_pyg", "torch", "torch_geometric", "numpy")
    return {"python": platform.python_version(), **{package: version(package) for package in packages}}


MARGIN = 0.01
"""Share by which an epoch must be better than a solved start to replace it: the best of many epochs is so by chance."""


def best_epoch(rows: Sequence[Mapping[str, Any]], horizon: int) -> int:
    """Returns the index of the epoch that a fit keeps, by :func:`validation_score`.

    A model that starts from a solution has an epoch 0, which is kept unless a later one is better by 1 %.

    Args:
        rows: Rows of ``history.csv``.
        horizon: Number of bins that the model forecasts directly.
    """
    scores = [validation_score(row, horizon) for row in rows]
    solved = int(rows[0]["epoch"]) == 0
    best = 0
    for index, score in enumerate(scores):
        margin = MARGIN * abs(scores[0]) if solved and best == 0 else 0.0
        if score > scores[best] + margin or (scores[best] != scores[best] and score == score):
            best = index
    return best


def patience_is_over(history: Sequence[Mapping[str, float]], patience: int | None, horizon: int) -> bool:
    """Returns whether the last ``patience`` epochs brought no better validation score."""
    scores = [validation_score(row, horizon) for row in history]
    return patience is not None and len(scores) > patience and max(scores[:-patience]) >= max(scores[-patience:])


def write_history(path: Path, rows: Sequence[Mapping[str, float]]) -> None:
    """Writes the rows of ``history.csv``; each ends with the checksum of all rows.

    Args:
        path: Path of the file, in an existing folder.
        rows: Column -> number, for each epoch.
    """
    texts = [{column: str(value) for column, value in row.items()} for row in rows]
    check = {CHECKSUM: json_checksum({"rows": texts})[:16]}
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [*rows[0], CHECKSUM])
        writer.writeheader()
        writer.writerows(row | check for row in texts)


def read_history(path: Path) -> list[Mapping[str, float]]:
    """Reads the rows of ``history.csv``.

    Args:
        path: Path of the file.

    Raises:
        DamagedFileError: A column or every row is missing, a value is no number, the epochs are not in order, or the
            values are not those that were written.
    """
    rows: list[Mapping[str, float]] = []
    try:
        with path.open(newline="", encoding="utf-8") as file:
            texts = list(csv.DictReader(file, strict=True))
        for number, row in enumerate(texts, 1):
            if missing := [column for column in HISTORY[:2] if column not in row]:
                raise ValueError(f"no column {missing[0]}")
            if None in row or None in row.values():
                raise ValueError(f"row {number} of another length")
            rows.append({column: float(row[column]) for column in HISTORY if column in row})
            if rows[-1]["epoch"] % 1 or (rows[:-1] and rows[-1]["epoch"] <= rows[-2]["epoch"]):
                raise ValueError(f"epoch {row['epoch']} in row {number}")
        if not rows:
            raise ValueError("no row")
        checks = [row.pop(CHECKSUM, None) for row in texts]  # files of earlier versions have none
        if set(checks) - {None, json_checksum({"rows": texts})[:16]} or not set(texts[0]) <= set(COLUMNS):
            raise ValueError("other values than those that were written")
    except (ValueError, csv.Error) as error:
        raise DamagedFileError(f"Expected a row of numbers for each epoch in '{path}' (got: {error}).") from None
    return rows


HISTORY = ("epoch", "validation_correlation", "validation_mse")
"""Columns of ``history.csv`` that are read; files of earlier versions lack the last."""

COLUMNS = (*HISTORY, "train_mse", "train_loss", "learning_rate", "seconds")
"""All its columns but the checksum, also of earlier versions; a column of another name is a damaged one."""

CHECKSUM = "checksum"


def validation_score(row: Mapping[str, Any], horizon: int) -> float:
    """Returns the score of an epoch by which the best one is chosen; larger is better.

    It is the correlation on the validation parts, and minus the squared error of a model that forecasts several bins.

    Args:
        row: Row of ``history.csv``.
        horizon: Number of bins that the model forecasts directly.
    """
    return float(row["validation_correlation"]) if horizon == 1 else -float(row["validation_mse"])
