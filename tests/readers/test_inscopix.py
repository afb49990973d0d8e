import sys
from types import SimpleNamespace

import numpy as np
import pytest

from synapsnet_pyg import Session
from synapsnet_pyg.intake.notes import DataWarning
from synapsnet_pyg.intake.recording import Selection
from synapsnet_pyg.readers.inscopix import InscopixReader

NAMES, STATES = ["C00", "C01", "C02", "C10"], ["accepted", "rejected", "undecided", "accepted"]


def values(frames=20):
    return np.random.default_rng(2).normal(size=(len(NAMES), frames)).round(4)


def write_table(path, head=" ", states=STATES, end="\n", tail="", lost=()):
    """A table as Inscopix's software exports it."""
    lines = [
        ",".join([head, *(f" {name}" for name in NAMES)]),
        ",".join(["Time(s)/Cell Status", *(f" {s}" for s in states)]),
    ]
    for frame, row in enumerate(values().T):
        cells = ["" if (frame, i) in lost else str(value) for i, value in enumerate(row)]
        lines.append(",".join([f"{0.05 * (frame + 1):.6f}", *cells]))
    path.write_text(end.join(line + tail for line in lines) + end, newline="")


def read(path, **choices):
    selection = Selection(**choices)
    return Session.from_recording(InscopixReader().read(path, "m", selection), selection)


@pytest.mark.parametrize(("end", "tail"), [("\n", ""), ("\r\n", ","), ("\r\n", "")])
def test_rejected_cells_of_a_table_go_out(tmp_path, end, tail):
    path = tmp_path / "traces.csv"
    write_table(path, end=end, tail=tail)
    assert InscopixReader().recognises(path)
    session = read(path)
    np.testing.assert_allclose(session.activity, values()[[0, 2, 3]], rtol=1e-6)
    assert session.neuron_id == ["m/C00", "m/C02", "m/C10"]
    assert session.status == ["accepted", "undecided", "accepted"]
    assert session.bin_size == pytest.approx(0.05)
    assert any("kept 3 of 4: 1 rejected" in note and "--where" in note for note in session.notes)
    assert read(path, where="status==accepted").neuron_id == ["m/C00", "m/C10"]
    assert read(path, where="status!=none").num_neurons == 4


def test_empty_cells_are_missing(tmp_path):
    path = tmp_path / "traces.csv"
    write_table(path, lost=[(7, i) for i in range(4)])
    with pytest.warns(DataWarning, match="1 frames hold NaN in every neuron"):
        assert read(path).segment.tolist() == [[0, 7], [7, 19]]


def test_other_tables_and_damaged_ones(tmp_path):
    path = tmp_path / "traces.csv"
    for text in ("a,b\n1,2\n", "time,C00\n0.1,accepted\n0.2,x\n"[:14], "", "one\ntwo\n", ", C00\nstate, good\n"):
        path.write_text(text)
        assert not InscopixReader().recognises(path)
    write_table(path)
    path.write_text(path.read_text().replace("0.100000", "late"))
    with pytest.raises(ValueError, match="numbers for 4 cells in each row"):
        read(path)
    path.write_text("\n".join(path.read_text().splitlines()[:2]) + "\n")
    with pytest.raises(ValueError, match=r"frames in|numbers for"):
        read(path)


class CellSet:
    """A cell set as the package isx gives it."""

    num_cells = len(NAMES)
    timing = SimpleNamespace(period=SimpleNamespace(secs_float=0.1))

    @classmethod
    def read(cls, path, read_only):
        if "broken" in path:
            raise RuntimeError("isx internals")
        return cls()

    def get_cell_name(self, i):
        return NAMES[i]

    def get_cell_status(self, i):
        return STATES[i]

    def get_cell_trace_data(self, i):
        return values()[i].astype(np.float32)


def test_cell_sets_need_isx(tmp_path, monkeypatch):
    path = tmp_path / "cells.isxd"
    path.write_bytes(b"x")
    assert InscopixReader().recognises(path)
    monkeypatch.setitem(sys.modules, "isx", None)
    with pytest.raises(ImportError, match="pip install isx"):
        read(path)
    monkeypatch.setitem(sys.modules, "isx", SimpleNamespace(CellSet=CellSet))
    session = read(path)
    np.testing.assert_allclose(session.activity, values()[[0, 2, 3]], rtol=1e-6)
    assert session.bin_size == pytest.approx(0.1)
    assert dict(InscopixReader().describe(path))["cells"] == "4, 3 accepted"
    path.rename(tmp_path / "broken.isxd")
    with pytest.raises(ValueError, match=r"cell set of Inscopix in .*broken.isxd"):
        read(tmp_path / "broken.isxd")


def test_a_file_that_isx_writes(tmp_path):
    isx = pytest.importorskip("isx")
    path = tmp_path / "cells.isxd"
    timing = isx.Timing(num_samples=20, period=isx.Duration.from_msecs(50))
    cells = isx.CellSet.write(str(path), timing, isx.Spacing(num_pixels=(3, 4)))
    for i, name in enumerate(NAMES):
        cells.set_cell_data(i, np.zeros((3, 4), dtype=np.float32), values()[i].astype(np.float32), name)
    for i, state in enumerate(STATES):  # after all data: isx overwrites data that it writes after a state
        cells.set_cell_status(i, state)
    cells.flush()
    del cells
    session = read(path)
    np.testing.assert_allclose(session.activity, values()[[0, 2, 3]], rtol=1e-6)
    assert session.bin_size == pytest.approx(0.05)
