import re
import shutil
import subprocess

import matplotlib
import pandas as pd
import pytest
import torch
from helpers import make_session

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.nn.threads import threads
from synapsnet_pyg.report import report
from synapsnet_pyg.report.report import write_report
from synapsnet_pyg.results.connectivity import EDGE_COLUMNS
from synapsnet_pyg.results.forecast_excerpt import forecast_excerpt
from synapsnet_pyg.runs.run import Run

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="module")
def written(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("page") / "new"
    return folder, write_report(run, folder)


def test_the_page_has_every_section_and_all_its_files(written, full_titles):
    folder, files = written
    page = (folder / "index.html").read_text()
    for title in full_titles:
        assert f">{title}</h3>" in page
    linked = re.findall(r'href="((?:figures|tables)/[^"]+)"', page)
    assert {folder / link for link in linked} == set(files) - {folder / "index.html", folder / "plotly.min.js"}
    assert sorted(path for path in folder.rglob("*") if path.is_file()) == sorted(files)
    for path in files:
        if path.suffix == ".png":
            assert path.read_bytes().startswith(b"\x89PNG")
        if path.suffix == ".svg":
            assert b"</svg>" in path.read_bytes()
        if path.suffix == ".pdf":
            assert path.read_bytes().startswith(b"%PDF")
    assert not any(" " in link or "<" in link for link in linked)
    (table,) = (folder / "tables").glob("known__b_-*-significant-edges.csv")
    edges = pd.read_csv(table)
    assert list(edges) == ["source", "target", "weight", *EDGE_COLUMNS[4:-2]]  # all of them are tested
    assert 0 < len(edges) < 11 * 10
    assert (edges["q_value"] <= 0.05).all()
    shown = page.split("Significant edges</h3>")[1].split("</table>")[0] if "Significant edges</h3>" in page else page
    assert shown.count("<tr>") <= len(edges) + 1
    assert len(page) < 5_000_000


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


def test_sections_that_do_not_apply_are_left_out(tmp_path, fit_in_memory):
    session = make_session(N=6, T=300, name="plain").standardise()
    files = write_report(fit_in_memory("var1", session), tmp_path, formats=["png"])
    page = (tmp_path / "index.html").read_text()
    for absent in ("Training", "Weights by", "Weight against distance", "repeat the run"):
        assert absent not in page
    # Independent noise: the first words on edges say that there is none, and nothing is drawn of any.
    assert "No edge is significant" in page.split("Significant edges</h3>")[1][:300]
    for absent in (">Graph</h3>", ">Hubs and reciprocity</h3>", "significant-edges.csv"):
        assert absent not in page
    assert "correlation in the same bin" in page
    assert not any("run-training" in path.name for path in files)
    write_report(fit_in_memory("mean", session), tmp_path / "mean", formats=["png"])
    page = (tmp_path / "mean" / "index.html").read_text()
    assert ">Forecasts</h3>" in page
    assert ">Connectivity</h3>" not in page


def test_a_short_recording_in_trials_says_why_edges_are_not_tested(tmp_path, fit_in_memory):
    def trials(T):
        starts = torch.arange(0, T, 12)
        return make_session(N=4, T=T, K=0, segment=torch.stack([starts, starts + 12], 1)).standardise()

    write_report(fit_in_memory("var1", trials(60)), tmp_path, formats=["png"])
    page = (tmp_path / "index.html").read_text()
    assert "The edges could not be tested: Expected at least 50 bins" in page
    session = trials(180)
    assert forecast_excerpt(fit_in_memory("var1", session), "demo").breaks == [11]


def test_the_best_model_is_named_though_it_is_not_the_fitted_one(tmp_path, fit_in_memory):
    slow = torch.randn(5, 400).cumsum(1)
    run = fit_in_memory("mean", Session(slow, bin_size=0.1, name="slow").standardise())
    write_report(run, tmp_path, formats=["png"])
    page = (tmp_path / "index.html").read_text()
    assert re.search(r"Best by correlation: (copy|damped_copy|ar5|linear|linear_rrr|var1|var5);", page)
    assert "The fitted model, mean, is not: a simpler forecast does better here." in page


def test_several_sessions_have_a_page_each_or_one_is_chosen(tmp_path):
    sessions = []
    for N, name in ((4, "first"), (5, "second")):
        sessions.append(tmp_path / f"{name}.h5")
        make_session(N=N, T=250, name=name).save(sessions[-1])
    run = Run.fit(sessions, tmp_path / "run", "var1", progress=False)
    write_report(run, tmp_path / "all", formats=["png"])
    pages = {name: (tmp_path / "all" / f"{name}.html").read_text() for name in ("index", "first", "second")}
    titles = {name: re.findall(r"<h2[^>]*>([^<]*)</h2>", page) for name, page in pages.items()}
    assert titles == {"index": ["Run"], "first": ["first"], "second": ["second"]}
    assert ">Scores over sessions</h3>" in pages["index"]
    for name in ("first", "second"):  # its summary on both pages, and links from one to the other
        summary = re.search(rf'<div class="summary"><strong>{name}</strong>.*?</div>', pages[name])[0]
        assert summary in pages["index"]
        assert all(f"<p>{word}: " in summary for word in ("Recorded", "Forecast", "Edges")) or "Forecast one" in summary
    for name, page in pages.items():
        for target, anchor in re.findall(r'href="([^"#]+)#([^"]+)"', page):
            assert f'id="{anchor}"' in pages[target.removesuffix(".html")], name
    names = {path.name for path in write_report(run, tmp_path / "one", "second", formats=["png"])}
    assert "second-connectivity.png" in names
    assert not any(name.startswith("first") for name in names)
    with pytest.raises(ValueError, match=r"among first, second \(got 'third'\)"):
        write_report(run, tmp_path / "none", "third")
    assert not (tmp_path / "none").exists()


def test_sessions_in_several_processes_give_the_same_report(tmp_path, monkeypatch):
    sessions, used, children = [], [], report.together
    for N, name in ((4, "first"), (5, "second")):
        sessions.append(tmp_path / f"{name}.h5")
        make_session(N=N, T=250, name=name).save(sessions[-1])
    run = Run.fit(sessions, tmp_path / "run", "var1", progress=False)
    monkeypatch.setitem(matplotlib.rcParams, "axes.titlesize", 17.0)  # of the user, for other processes too
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    with threads(1):
        alone = write_report(run, tmp_path / "alone", formats=["svg"])
        monkeypatch.setattr(report, "FEWEST_NEURONS", 4)
        monkeypatch.setattr(
            report, "together", lambda *calls, **options: used.append(calls) or children(*calls, **options)
        )
        together = write_report(run, tmp_path / "together", formats=["svg"])
    assert len(used) == 1
    names = [path.relative_to(tmp_path / "together") for path in together]
    assert names == [path.relative_to(tmp_path / "alone") for path in alone]
    for name in names:
        assert (tmp_path / "together" / name).read_bytes() == (tmp_path / "alone" / name).read_bytes(), name
    assert "17px" in (tmp_path / "alone" / "figures" / "first-raster.svg").read_text()
