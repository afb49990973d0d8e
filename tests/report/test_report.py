import re
import shlex
import shutil
import subprocess
from dataclasses import replace
from html import escape

import numpy as np
import pandas as pd
import pytest
import torch
from helpers import make_session

from synapsnet_pyg.cli.main import main
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.models.forecasting import forecast_session
from synapsnet_pyg.models.registry import build_model
from synapsnet_pyg.report.connectivity_figures import currents_figure, matrices_figure
from synapsnet_pyg.report.figure import evenly_chosen
from synapsnet_pyg.report.forecast_excerpt import forecast_excerpt
from synapsnet_pyg.report.graph import strongest_graph
from synapsnet_pyg.report.neuron_order import group_neurons, pooled
from synapsnet_pyg.report.report import write_report
from synapsnet_pyg.report.reproduction import commands_of
from synapsnet_pyg.report.sections import run_chapter, session_chapter
from synapsnet_pyg.report.session_results import collect_results
from synapsnet_pyg.report.significance_figures import block_figure, distance_figure, p_value_figure
from synapsnet_pyg.runs.fitting import fit_files
from synapsnet_pyg.runs.run import Run
from synapsnet_pyg.simulations.population import simulate_population

FULL = (
    "Recordings and fit",
    "Training",
    "Scores beside simple forecasts",
    "Forecasts",
    "Connectivity",
    "Graph",
    "Input currents",
    "Significant edges",
    "Weights by area",
    "Weight against distance",
    "Hubs and reciprocity",
)
NO_SCORES = {"sessions": {"known <b>": {}}, "neurons": {"known <b>": {}}, "left_out": []}
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def known_session() -> Session:
    """Returns a session with every field of neurons, some of them hard to show."""
    simulated = simulate_population(600, neurons=30, recorded=11, name="known <b>")
    ids = ["<script>alert(1)</script>", "$x_", "12", "a & b", *simulated.neuron_id[4:]]
    position = torch.randn(11, 3)
    position[4] = torch.nan
    return Session(
        simulated.activity,
        simulated.behaviour,
        bin_size=simulated.bin_size,
        neuron_id=ids,
        name=simulated.name,
        edge_index=simulated.edge_index,
        edge_weight=simulated.edge_weight,
        area=["V1", "LM", "V1", "LM", "", "V1", "LM", "V1", "LM", "V1", "$L$"],
        position=position,
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("report")
    known_session().save(folder / "known.h5")
    return fit_files(
        [folder / "known.h5"], folder / "run", "synapsnet", {"hidden_size": 8}, "fast", {"epochs": 2}, progress=False
    )


@pytest.fixture(scope="module")
def written(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("page") / "new"
    return folder, write_report(run, folder)


@pytest.fixture(scope="module")
def results(run):
    return collect_results(run, "known <b>", NO_SCORES)


def fit_in_memory(name: str, session: Session) -> Run:
    model, split = build_model(name, [session]), session.split()
    model.initialise({session.name: split.train}, {session.name: split.validation})
    return Run.of(model, [session], name)


def titles(chapter) -> list[str]:
    return [section.title for section in chapter.sections]


def test_the_page_has_every_section_and_all_its_files(written):
    folder, files = written
    page = (folder / "index.html").read_text()
    for title in FULL:
        assert f">{title}</h3>" in page
    linked = re.findall(r'href="((?:figures|tables)/[^"]+)"', page)
    assert {folder / link for link in linked} == set(files) - {folder / "index.html", folder / "plotly.min.js"}
    assert sorted(path for path in folder.rglob("*") if path.is_file()) == sorted(files)
    for path in files:
        if path.suffix == ".png":
            assert path.read_bytes().startswith(b"\x89PNG")
        if path.suffix == ".svg":
            assert b"</svg>" in path.read_bytes()
    assert not any(" " in link or "<" in link for link in linked)
    edges = pd.read_csv(folder / "tables" / "known__b_-surest-edges.csv")
    assert list(edges) == ["source", "target", "weight", "learned", "effect", "error", "p_value", "q_value"]
    assert len(edges) == 11 * 10


def test_the_page_needs_no_network_and_sends_nothing(written):
    page = (written[0] / "index.html").read_text()
    assert not re.search(r"""(?:src|href)\s*=\s*["']?(?:https?:)?//""", page)
    assert page.count('"showSendToCloud": false') == page.count("Plotly.newPlot")


def test_texts_of_a_recording_are_shown_as_they_are(written):
    page = (written[0] / "index.html").read_text()
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page  # in a table
    assert "<h2" in page
    assert ">known &lt;b&gt;</h2>" in page


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium to open the page in")
def test_a_browser_draws_every_figure(written, tmp_path):
    folder, files = written
    quiet = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
    quiet += " --disable-component-update --disable-sync --enable-logging=stderr --virtual-time-budget=20000 --dump-dom"
    browser = subprocess.run(
        [CHROMIUM, *quiet.split(), f"--user-data-dir={tmp_path}", (folder / "index.html").as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    figures = {path.stem for path in files if path.suffix == ".png"}
    assert browser.stdout.count('class="plotly-graph-div js-plotly-plot"') == len(figures)
    assert browser.stdout.count('class="main-svg"') >= len(figures)
    assert "Uncaught" not in browser.stderr


def test_figures_show_the_results(run, results):
    session, analysis = results.session, results.connectivity
    order = analysis.neuron_order.order
    learned = run.model.connectivity(session.split().train).fill_diagonal_(0)
    matrices = matrices_figure(session, analysis).plotly
    assert [title.text for title in matrices.layout.annotations] == list(analysis.matrices)
    assert list(analysis.matrices)[1:] == ["its significant edges", "correlation one bin apart", "true connectivity"]
    drawn = matrices.data[0]
    for row, i in enumerate(order):
        for column, j in enumerate(order):
            assert drawn.z[row][column] == pytest.approx(learned[i, j].item())
            if i != j:
                p = analysis.significance.edges.p_value[i, j].item()
                assert drawn.customdata[row][column] == pytest.approx(p)
    ids = [escape(session.neuron_id[i]) for i in order]
    assert [name.rstrip("\u200b") for name in drawn.y] == ids
    assert list(drawn.x) == list(drawn.y)
    excerpt = results.excerpt
    test = forecast_session(run.model, session.split().test, run.targets)
    assert np.allclose(excerpt.forecast, test.forecast[:, : len(excerpt.seconds)], atol=1e-5)
    assert excerpt.seconds[0] == pytest.approx((540 + run.model.window) * session.bin_size)
    best, worst = excerpt.score[excerpt.chosen["best"]], excerpt.score[excerpt.chosen["worst"]]
    assert (best, worst) == (np.nanmax(excerpt.score), np.nanmin(excerpt.score))
    curve = currents_figure(analysis).plotly.data[1]
    assert np.allclose(curve.y, analysis.currents["learned connectivity"].mean)
    assert p_value_figure(analysis.significance).plotly.data[0].y.sum() == 11 * 10


def test_the_model_is_left_as_it_was(run):
    session = run.sessions["known <b>"]
    var = fit_in_memory("var1", session)
    before = var.model.connectivity(session.split().train).clone()
    collect_results(var, session.name, NO_SCORES)
    assert torch.equal(before, var.model.connectivity(session.split().train))


def test_sections_that_do_not_apply_are_left_out(tmp_path):
    session = make_session(N=6, T=300, name="plain").standardise()
    files = write_report(fit_in_memory("var1", session), tmp_path)
    page = (tmp_path / "index.html").read_text()
    for absent in ("Training", "Weights by", "Weight against distance", "repeat the run"):
        assert absent not in page
    assert "correlation in the same bin" in page
    assert "Positions are not known" in page
    assert not any("run-training" in path.name for path in files)
    write_report(fit_in_memory("mean", session), tmp_path / "mean")
    page = (tmp_path / "mean" / "index.html").read_text()
    assert ">Forecasts</h3>" in page
    assert ">Connectivity</h3>" not in page


def test_a_short_recording_in_trials_says_why_edges_are_not_tested(tmp_path):
    starts = torch.arange(0, 180, 12)
    session = make_session(N=4, T=180, K=0, segment=torch.stack([starts, starts + 12], 1)).standardise()
    write_report(fit_in_memory("var1", session), tmp_path)
    page = (tmp_path / "index.html").read_text()
    assert "The edges could not be tested: Expected at least 200 bins" in page
    assert forecast_excerpt(fit_in_memory("var1", session), "demo").breaks == [11]


def test_the_best_model_is_named_though_it_is_not_the_fitted_one(tmp_path):
    slow = torch.randn(5, 400).cumsum(1)
    run = fit_in_memory("mean", Session(slow, bin_size=0.1, name="slow").standardise())
    write_report(run, tmp_path)
    page = (tmp_path / "index.html").read_text()
    assert re.search(r"Best by correlation: (copy|ar5|var1|var5);", page)
    assert "The fitted model, mean, is not: a simpler forecast does better here." in page


def test_several_sessions_share_a_page_or_one_is_chosen(tmp_path):
    sessions = []
    for N, name in ((4, "first"), (5, "second")):
        sessions.append(tmp_path / f"{name}.h5")
        make_session(N=N, T=250, name=name).save(sessions[-1])
    run = fit_files(sessions, tmp_path / "run", "var1", progress=False)
    write_report(run, tmp_path / "all")
    page = (tmp_path / "all" / "index.html").read_text()
    assert re.findall(r"<h2[^>]*>([^<]*)</h2>", page) == ["Run", "first", "second"]
    assert ">Scores over sessions</h3>" in page
    names = {path.name for path in write_report(run, tmp_path / "one", "second")}
    assert "second-connectivity.svg" in names
    assert not any(name.startswith("first") for name in names)
    with pytest.raises(ValueError, match=r"among first, second \(got 'third'\)"):
        write_report(run, tmp_path / "none", "third")
    assert not (tmp_path / "none").exists()


def test_the_commands_of_the_page_make_the_same_run(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fit, *others = commands_of(run)
    assert others == ["synapsnet evaluate again", "synapsnet report again"]
    assert main(shlex.split(fit)[1:]) == 0
    again = Run.load(tmp_path / "again")
    for key in ("model", "training"):
        assert again.settings[key] == run.settings[key]
    for ours, theirs in zip(again.model.parameters(), run.model.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_an_adapted_run_is_made_again_by_adapting():
    settings = {
        "sessions": [{"path": "my file.h5"}],
        "training": {"epochs": 3, "targets": 1, "seed": 2},
        "model": {"name": "synapsnet", "arguments": {}},
        "adapted_from": "/first",
    }
    run = Run.of(None, [])
    run.settings = settings
    assert commands_of(run)[0] == "synapsnet adapt /first 'my file.h5' --out again --epochs 3 --seed 2"


def test_neurons_are_grouped_by_what_is_known_of_them():
    connectivity = torch.zeros(7, 7)
    connectivity[:3, :3], connectivity[3:6, 3:6] = 1.0, -1.0
    connectivity = connectivity[[0, 3, 1, 4, 2, 5, 6]][:, [0, 3, 1, 4, 2, 5, 6]]
    by_community = group_neurons(make_session(N=7), connectivity)
    assert by_community.by == "community"
    assert by_community.order.tolist() == [0, 2, 4, 1, 3, 5, 6]
    assert by_community.ordered_groups == ["C1"] * 3 + ["C2"] * 3 + ["none"]
    types = ["x", "y", "x", "y", "y", "y", "x"]
    assert group_neurons(make_session(N=7, area=["V1"] * 7, cell_type=types), connectivity).by == "cell_type"


def test_a_large_matrix_shows_the_strongest_of_each_square():
    random = np.random.default_rng(0)
    matrix, order = random.standard_normal((11, 11)), random.permutation(11)
    cells = pooled(matrix, order, most=4)
    ordered = matrix[np.ix_(order, order)]
    assert cells.receiver.shape == (4, 4)
    for a in range(4):
        for b in range(4):
            square = ordered[3 * a : 3 * a + 3, 3 * b : 3 * b + 3]
            assert abs(matrix[cells.receiver[a, b], cells.sender[a, b]]) == np.abs(square).max()
    assert cells.first.tolist() == order[::3].tolist()
    assert evenly_chosen(np.arange(700)).tolist() == list(range(0, 700, 3))


def test_the_graph_has_the_two_strongest_senders_of_each_neuron():
    session, connectivity = make_session(N=6), torch.randn(6, 6)
    connectivity[2] = 0
    graph = strongest_graph(session, connectivity)
    expected = set()
    for i in (0, 1, 3, 4, 5):
        senders = sorted((j for j in range(6) if j != i), key=lambda j: -abs(connectivity[i, j]))[:2]
        expected |= {(j, i) for j in senders}
    assert set(map(tuple, graph.edge_index.T.tolist())) == expected
    assert not graph.placed
    assert np.isfinite(graph.position).all()
    assert len(strongest_graph(make_session(N=230), torch.randn(230, 230)).edge_weight) == 400
    flat = torch.randn(6, 2)
    flat[1, 0] = torch.nan
    placed = strongest_graph(make_session(N=6, position=flat), connectivity)
    assert placed.widest == [0, 1]
    assert np.isnan(placed.position[1]).all()
    assert placed.position[0].tolist() == [*flat[0].tolist(), 0]


def test_blocks_and_distances_are_those_of_the_tables(results):
    blocks, distance = results.connectivity.blocks["area"], results.connectivity.distance
    drawn = block_figure("area", blocks).plotly.data[0]
    for _, row in blocks.table.iterrows():
        value = drawn.z[list(drawn.y).index(row["receiver"])][list(drawn.x).index(row["sender"])]
        assert value == pytest.approx(row["mean_weight"], nan_ok=True)
    curve = distance_figure(distance).plotly.data[1]
    assert list(curve.y) == distance.table["mean_absolute_weight"].tolist()


def test_chapters_have_the_sections_of_the_page(run, results):
    scores = {"summary": {}, "sessions": {}}
    assert titles(run_chapter(run, ["known <b>"], scores)) == list(FULL[:2])
    scored = replace(
        results,
        scores={"synapsnet": {"correlation": 0.1, "mse": None, "pc_correlation": []}},
        counts={"scored": 10, "recorded": 11},
    )
    assert titles(session_chapter(scored)) == list(FULL[2:])
