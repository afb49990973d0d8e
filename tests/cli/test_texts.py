"""Commands on sessions whose names, ids, fields and behaviours are markup somewhere."""

import csv
import json
from xml.etree import ElementTree

import networkx as nx
import numpy as np
import pytest
import torch

from synapsnet_pyg import Session, read_connectivity
from synapsnet_pyg.files import file_name, plain
from tests.commands import run

HOSTILE = (
    "[/b]",
    "[red]x[/red]",
    ":smile:",
    "$x_{$",
    r"\frac{",
    r"a\input{b}",
    "a|b",
    "line\nbreak",
    "\x1b[31mred",
    "=1+1",
    "<script>alert(1)</script>",
    "a & b < c",
    "#",
    "%",
    "~",
    "%{x}<extra>",
    "x" * 300,
    "\u202egnp.exe",
    "\U0001f41f",
    "e\u0301\u0323",
    "nul\x00",
    "half\udcff",
    "..",
    ".",
    "",
    "-rf",
    "'quoted' \"twice\"",
    "`code`",
    "a/b",
    "{0}",
)
MIXED = (
    "[/b] :x: $x_{$ {0} a|b\nc",
    r"=1+1 \frac{ \input{b}",
    "<script>alert(1)</script> & `c` %{x}",
    "..",
    "\x1b[31mred \u202e \U0001f41f nul\x00 half\udcff",
    "x" * 300,
)
"""Texts of one session that are tried at every change; the others are tried one after the other."""


def hostile(texts, *, name=None):
    """Returns a session with these texts in every field that a user can write."""
    random = torch.Generator().manual_seed(len(texts))
    N, T = len(texts), 240
    activity = torch.randn(N, T, generator=random)
    activity[:, 1:] += 0.8 * activity[:, :-1].roll(1, 0)
    return Session(
        activity,
        torch.randn(T, 2, generator=random),
        bin_size=0.05,
        name=texts[0] if name is None else name,
        neuron_id=list(texts),
        behaviour_name=[texts[1], texts[-1]],
        area=[texts[i % 2] for i in range(N)],
        cell_type=[texts[2 + i % 2] for i in range(N)],
        position=torch.randn(N, 3, generator=random),
        notes=list(texts[:3]),
    )


def works(capsys, *arguments):
    """Returns what a command prints, which succeeds and prints no code of a terminal."""
    status, out, error = run(capsys, *arguments)
    assert status == 0, error
    for printed in (out, error):
        assert not set(printed) & set(map(chr, [*range(10), *range(11, 32), 127, 0x202E]))
    return out


def check_files(folder):
    """Raises an error unless the files of a folder can be read, and hold no text as markup."""
    for path in folder.rglob("*"):
        if path.suffix in (".svg", ".graphml", ".gexf"):
            ElementTree.parse(path)
        elif path.suffix == ".json":
            json.loads(path.read_text(encoding="utf-8"))
        elif path.suffix == ".csv":
            with path.open(newline="", encoding="utf-8") as file:
                rows = list(csv.reader(file))
            assert len({len(row) for row in rows}) <= 1, path
            assert not [entry for row in rows for entry in row if entry.startswith(("=", "@", "-r"))], path
        elif path.suffix == ".html":
            page = path.read_text(encoding="utf-8")
            assert "<script>alert" not in page
            assert not set(page) & {"\x1b", "\u202e"}
        elif path.suffix == ".md":
            lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
            assert len({line.count("|") - line.count(r"\|") for line in lines}) <= 1, path
            assert not [line for line in lines if "<script>" in line.replace(r"\<", "")], path
        elif path.suffix == ".tex":
            text = path.read_text(encoding="utf-8")
            assert r"\input" not in text
            assert r"\frac" not in text


def use(capsys, folder, session):
    """Runs the commands on a session and checks all their files."""
    session.save(folder / "s.h5")
    session = Session.load(folder / "s.h5")
    assert plain(session.name) in works(capsys, "inspect", folder / "s.h5", "--figure", folder / "s.png")
    fit = ("--epochs", 1, "--preset", "fast", "--model-args.hidden_size", 4, "--model-args.embedding_dim", 2)
    works(capsys, "fit", folder / "s.h5", "--out", folder / "run", *fit)
    told = works(capsys, "evaluate", folder / "run", "--horizon", 2, "--neurons", folder / "n.csv")
    assert plain(session.name) in told.replace("\n", "")  # a long one is on several lines
    formats = ("npz", "csv", "parquet", "graphml", "gexf", "sparse")
    for out, options in ((folder / "c", ("--format", ",".join(formats))), (folder / "t", ("--significance",))):
        works(capsys, "connectivity", folder / "run", "--out", out, *options)
    stem = file_name(session.name)
    with np.load(folder / "c" / f"{stem}.npz") as file:
        learned = torch.from_numpy(file["connectivity"]).fill_diagonal_(0)
    for ending in ("-edges.csv", "-edges.parquet", ".graphml", ".gexf"):
        torch.testing.assert_close(read_connectivity(folder / "c" / f"{stem}{ending}", session), learned)
    assert len(nx.read_graphml(folder / "c" / f"{stem}.graphml")) == session.num_neurons
    works(capsys, "figures", folder / "run", "--out", folder / "f")
    works(capsys, "report", folder / "run", "--out", folder / "r")
    works(
        capsys, "dynamics", folder / "run", "--out", folder / "d", "--group-by", "area", f"--states={_state(session)}"
    )
    works(capsys, "blocks", folder / "run", "--out", folder / "g", "--group-by", "area")
    works(capsys, "signs", folder / "run", "--out", folder / "g", "--group-by", "cell_type")
    check_files(folder)


def _state(session):
    """Returns a condition on a behaviour whose name options can hold."""
    return f"{session.behaviour_name[0]}>0"


@pytest.mark.slow
def test_texts_of_a_session_are_texts_everywhere(tmp_path, capsys):
    use(capsys, tmp_path, hostile(MIXED))


@pytest.mark.slow
@pytest.mark.parametrize("place", range(len(HOSTILE)))
def test_each_text_is_a_text_everywhere(place, tmp_path, capsys):
    use(capsys, tmp_path, hostile([HOSTILE[(place + k) % len(HOSTILE)] for k in range(6)]))


@pytest.mark.slow
def test_a_benchmark_keeps_odd_names_apart(tmp_path, capsys):
    for place, name in enumerate(("..", "all sessions", "all_sessions", r"a|b [/b]\frac{", "a b", "a_b")):
        session = hostile([f"{name} {i}" for i in range(6)], name=name)
        session.behaviour_name = ["x", "y"]
        session.save(tmp_path / f"{place}.h5")
    files = [tmp_path / f"{place}.h5" for place in range(6)]
    out = tmp_path / "parent" / "out"
    works(capsys, "benchmark", "forecasting", *files, "--models", "var1,damped_copy", "--horizon", 2, "--out", out)
    assert [path.name for path in (tmp_path / "parent").iterdir()] == ["out"]
    runs = {path.parent for path in out.rglob("run.json")}
    assert len({json.loads((path / "run.json").read_text())["sessions"][0]["fingerprint"] for path in runs}) >= 1
    check_files(out)
