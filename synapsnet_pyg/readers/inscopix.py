"""Cell sets of Inscopix: ``.isxd`` files, and the tables that its software exports."""

import csv
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from synapsnet_pyg.files import optional_import
from synapsnet_pyg.readers.segmentations import Segmentation, SegmentationReader

_STATES = frozenset({"accepted", "rejected", "undecided"})
"""Decisions on a cell."""


class InscopixReader(SegmentationReader):
    """Cell sets of Inscopix. Rejected cells are left out unless ``--where`` says otherwise; undecided ones stay.

    ``.isxd`` needs Inscopix's package ``isx``. A table has the names of the cells in its first row, their states in
    its second one and the time in its first column.
    """

    name = "inscopix"
    usual = ("traces",)

    def recognises(self, path: Path) -> bool:
        """Returns True for an ``.isxd`` file, or a table with the states of cells in its second row."""
        if path.suffix.lower() == ".isxd":
            return path.is_file()
        if path.suffix.lower() != ".csv" or not path.is_file():
            return False
        with path.open("rb") as file:
            lines = file.read(1 << 20).decode("utf-8-sig", "replace").splitlines()[:2]
        if len(lines) < 2 or "," not in lines[0]:
            return False
        states = [state.strip().lower() for state in lines[1].split(",")[1:] if state.strip()]
        return bool(states) and set(states) <= _STATES

    def found(self, path: Path) -> Segmentation:
        """Finds the cells of a file."""
        return _of_cell_set(path) if path.suffix.lower() == ".isxd" else _of_table(path)


def _of_table(path: Path) -> Segmentation:
    """Finds the cells of an exported table."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.reader(file)
        names, states = next(rows)[1:], next(rows)[1:]
    names = [name.strip() for name in names]
    while names and not names[-1]:  # a comma at the end of each row
        names.pop()
    states = [state.strip().lower() for state in states[: len(names)]]
    pandas = optional_import("pandas", "lab")
    table = np.zeros((0, 1))
    try:
        with suppress(pandas.errors.EmptyDataError):
            table = pandas.read_csv(
                path, header=None, skiprows=2, usecols=range(len(names) + 1), skipinitialspace=True, dtype=np.float64
            ).to_numpy()
    except ValueError:
        raise ValueError(
            f"Expected numbers for {len(names)} cells in each row of '{path}' after the first two (got others)."
        ) from None
    if not len(table):
        raise ValueError(f"Expected frames in '{path}' (there is none after the states of the cells).")
    values = table[:, 1:].T.astype(np.float32)
    return _segmentation(values, names, states, times=table[:, 0])


def _of_cell_set(path: Path) -> Segmentation:
    """Finds the cells of an ``.isxd`` file."""
    isx = optional_import("isx", "lab")
    try:
        cells: Any = isx.CellSet.read(str(path), read_only=True)
        count = int(cells.num_cells)
        names = [str(cells.get_cell_name(i)).strip() for i in range(count)]
        states = [str(cells.get_cell_status(i)).strip().lower() for i in range(count)]
        traces = [np.array(cells.get_cell_trace_data(i), dtype=np.float32) for i in range(count)]  # copies
        step = float(cells.timing.period.secs_float)
    except Exception as error:  # a library in C, with errors of its own
        raise ValueError(f"Expected a cell set of Inscopix in '{path}' ({type(error).__name__} of isx).") from None
    if not count:
        raise ValueError(f"Expected cells in '{path}' (there are none).")
    values = np.stack(traces)
    return _segmentation(values, names, states, rate=(1 / step, "the cell set"))


def _segmentation(
    values: np.ndarray,
    names: list[str],
    states: list[str],
    *,
    times: np.ndarray | None = None,
    rate: tuple[float, str] | None = None,
) -> Segmentation:
    """Returns cells by their names and states."""
    status = np.array(states, dtype=np.str_)
    count = int((status == "rejected").sum())
    return Segmentation(
        {"traces": lambda: values},
        (len(values), values.shape[1]),
        rate=rate,
        times=times,
        labels=names,
        columns={"status": status},
        kept=status != "rejected",
        rejected=f"{count} rejected (--where 'status==accepted' chooses the accepted ones, 'status!=none' takes all)",
    )
