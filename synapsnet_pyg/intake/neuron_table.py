"""Ids and fields of neurons as a file has them, and the choice of neurons by their fields."""

import keyword
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from synapsnet_pyg.files import shorten
from synapsnet_pyg.intake.notes import warn
from synapsnet_pyg.intake.plain import kind_of, plain_array, texts

MICROMETRES = "μm"
"""Unit of positions in the formats that say it."""

Fields = dict[str, Any]
"""Name of a field -> N entries of any kind: array, column of pandas, masked array, list."""


@dataclass
class NeuronTable:
    """Ids and fields of the N neurons of a recording, as found.

    Args:
        count: Number of neurons N.
        ids: Id of each neuron, the same in every session in which the neuron was recorded. None: unknown.
        labels: Number or text of each neuron within this recording; its id becomes ``"<session>/<label>"``. None: the
            row.
        columns: Name of a field -> N entries; names and kinds of entries may be any.
        truth: True weights :math:`(N, N)`, ``[i, j]`` the effect of j on i, or None.
        prefix: Text before names of fields that a session has itself, such as ``nwb``.
        position_unit: Unit of the column ``position``, where the format says it; else empty.
        rows: Row of each neuron in the file, for neurons without an id. None: all rows.
    """

    count: int
    ids: Any = None
    labels: Any = None
    columns: Fields = field(default_factory=dict)
    truth: np.ndarray | None = None
    prefix: str = "field"
    position_unit: str = ""
    rows: np.ndarray | None = None

    def column(self, name: str) -> np.ndarray:
        """Returns a column as a plain array [N]; the first column of a table of numbers.

        Raises:
            ValueError: There is no such column; the message lists all.
        """
        if name == "id" and name not in self.columns:
            known = self.labels if self.ids is None else self.ids
            return np.arange(self.count) if known is None else plain_array(known).ravel()
        if name not in self.columns:
            known = ", ".join(self.columns) or "none"
            raise ValueError(f"Expected a field of the neurons among {known} (got '{name}').")
        values = plain_array(self.columns[name])
        return values.reshape(self.count, -1)[:, 0] if values.size else values.ravel()

    def names(self, session: str) -> list[str]:
        """Returns a different id for each neuron.

        Entries that are empty, NaN, ``None``, ``<NA>`` or -1 are no ids; their neurons, and neurons whose id comes
        twice, are named after the session and their row.

        Args:
            session: Name of the session.
        """
        known = self.ids if self.ids is not None else self.labels
        entries = [""] * self.count if known is None else ["" if t == "-1" else t for t in texts(known)]
        if len(entries) != self.count:
            raise ValueError(f"Expected an id for each of the {self.count} neurons (got {len(entries)}).")
        if known is not None and self.ids is None:
            entries = [entry and f"{session}/{entry}" for entry in entries]
        number = Counter(entries)
        twice = sorted(entry for entry, times in number.items() if entry and times > 1)
        if twice:
            shown = shorten([repr(entry) for entry in twice])
            warn(f"the ids {shown} come more than once; their neurons are taken as new ones.")
        used = {entry for entry, times in number.items() if times == 1 and entry}
        names = []
        rows = range(self.count) if self.rows is None else self.rows.tolist()
        for row, entry in zip(rows, entries, strict=True):
            if not entry or number[entry] > 1:
                entry = f"{session}/{row}"
                while entry in used:
                    entry += "-new"
                used.add(entry)
            names.append(entry)
        return names

    def fields(self, reserved: frozenset[str]) -> dict[str, np.ndarray]:
        """Returns the fields under names that a session can have, as plain arrays with N entries.

        Args:
            reserved: Names that a session has itself.
        """
        safe: dict[str, np.ndarray] = {}
        for name, entries in self.columns.items():
            values = plain_array(entries)
            if values.dtype.kind not in "fibU" or (values.dtype.kind == "U" and values.ndim > 1):
                warn(f"the field '{name}' of the neurons is left out: it holds {kind_of(values)}.")
                continue
            if not len(values) == self.count:
                raise ValueError(
                    f"Expected {self.count} entries, one for each neuron, in '{name}' (got {list(values.shape)})."
                )
            key = safe_name(str(name), reserved, self.prefix)
            while key in safe:
                key += "_2"
            safe[key] = values
        return safe

    def take(self, rows: np.ndarray) -> "NeuronTable":
        """Returns the table of some neurons."""

        def taken(values: Any) -> Any:
            return None if values is None else plain_array(values)[rows]

        return NeuronTable(
            len(rows),
            taken(self.ids),
            taken(self.labels),
            columns={name: taken(values) for name, values in self.columns.items()},
            truth=None if self.truth is None else self.truth[np.ix_(rows, rows)],
            prefix=self.prefix,
            position_unit=self.position_unit,
            rows=rows if self.rows is None else self.rows[rows],
        )


def safe_name(name: str, reserved: frozenset[str], prefix: str) -> str:
    """Returns a name of a field as one that a session can have: letters, digits and ``_``, and not reserved.

    Example:
        >>> safe_name("spike width (ms)", frozenset(), "field"), safe_name("segment", frozenset({"segment"}), "nwb")
        ('spike_width_ms', 'nwb_segment')
    """
    plain = re.sub(r"\W+", "_", name.strip()).strip("_") or prefix
    if plain in reserved or not plain[0].isalpha() or keyword.iskeyword(plain):
        return f"{prefix}_{plain}"
    return plain


@dataclass(frozen=True)
class Condition:
    """Condition on a field of the neurons.

    Args:
        column: Name of the field.
        operator: One of ``==``, ``!=``, ``<``, ``<=``, ``>`` and ``>=``.
        values: Values to compare with; a neuron fulfils ``==`` if its entry equals one of them.
    """

    column: str
    operator: str
    values: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.column}{self.operator}{'|'.join(self.values)}"

    def holds(self, entries: np.ndarray) -> np.ndarray:
        """Returns the entries [N] that fulfil the condition; missing entries fulfil none but ``!=``.

        Raises:
            ValueError: Texts are compared by size, or numbers with a text.
        """
        if entries.dtype.kind == "U":
            if self.operator not in ("==", "!="):
                raise ValueError(f"Expected == or != for '{self.column}', which holds texts (got '{self}').")
            equal = np.isin(np.char.lower(entries), [value.lower() for value in self.values])
        else:
            limits = [self._number(value) for value in self.values]
            numbers = entries.astype(np.float64)
            if self.operator not in ("==", "!="):
                compare = {"<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal}
                holds: np.ndarray = compare[self.operator](numbers, limits[0])
                return holds
            equal = np.isin(numbers, limits)
        return ~equal if self.operator == "!=" else equal

    def _number(self, text: str) -> float:
        """Returns a value as a number."""
        try:
            return float({"true": "1", "false": "0"}.get(text.lower(), text))
        except ValueError:
            raise ValueError(f"Expected a number for '{self.column}', which holds numbers (got '{text}').") from None


def conditions_of(where: str | Mapping[str, Any] | Sequence[Condition] | None) -> list[Condition]:
    """Returns conditions from a text such as ``"group==good, depth<500"``, or from a mapping of column to value.

    Conditions are separated by commas or ``and``; ``|`` separates values of which one must fit.

    Raises:
        ValueError: A condition cannot be understood.

    Example:
        >>> [str(condition) for condition in conditions_of("group == good|mua and depth<500")]
        ['group==good|mua', 'depth<500']
    """
    if not where:
        return []
    if isinstance(where, Mapping):
        return [
            Condition(str(key), "==", tuple(map(str, value if isinstance(value, list | tuple) else [value])))
            for key, value in where.items()
        ]
    if not isinstance(where, str):
        return list(where)
    conditions = []
    for part in re.split(r",|&+|\band\b", where):
        found = re.fullmatch(r"\s*(.+?)\s*(==|!=|<=|>=|=|<|>)\s*(.+?)\s*", part)
        if not found:
            raise ValueError(f"Expected conditions such as 'group==good' or 'depth<500' (got '{part.strip()}').")
        operator = "==" if found[2] == "=" else found[2]
        values = tuple(value.strip().strip("'\"") for value in found[3].split("|"))
        conditions.append(Condition(found[1].strip("'\""), operator, values))
    return conditions


def chosen(table: NeuronTable, conditions: Sequence[Condition], notes: list[str]) -> np.ndarray:
    """Returns the rows of the neurons that fulfil all conditions, and notes how many went and why.

    Args:
        table: Table of the neurons.
        conditions: Conditions to fulfil.
        notes: List that is added to.

    Raises:
        ValueError: There is no such field, or no neuron is left.
    """
    kept = np.ones(table.count, dtype=bool)
    for condition in conditions:
        entries = table.column(condition.column)
        holds = condition.holds(entries)
        gone = kept & ~holds
        if gone.any():
            names = Counter(text or "(empty)" for text in texts(entries[gone]))
            shown = shorten([f"{count} {name}" for name, count in names.most_common()], 4) if len(names) <= 8 else ""
            notes.append(f"{int(gone.sum())} left out by {condition}" + (f" ({shown})" if shown else ""))
        kept &= holds
    if not kept.any():
        column = conditions[0].column
        present = shorten(sorted({text or "(empty)" for text in texts(table.column(column))}), 8)
        raise ValueError(
            f"Expected neurons with {', '.join(map(str, conditions))} (none of {table.count} has them; {column} is "
            f"{present})."
        )
    return np.flatnonzero(kept)
