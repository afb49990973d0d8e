import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest
from helpers import make_session

from synapsnet_pyg.benchmarks.forecasting import compare_forecasts, plan
from synapsnet_pyg.benchmarks.horizon_figures import draw_horizon_results
from synapsnet_pyg.benchmarks.horizon_results import HorizonResults, HorizonRow, check_horizon
from synapsnet_pyg.benchmarks.jobs import read_result, run_jobs
from synapsnet_pyg.benchmarks.variants import Variant, named, over_horizons
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.models.registry import ANCHORS
from synapsnet_pyg.runs.horizon_scores import HorizonScore, score_horizons
from synapsnet_pyg.runs.recipe import Preset
from synapsnet_pyg.runs.run import Run

FADED = "helpers.Faded"
SMALL = Preset("fast", {"epochs": 1})


def scores(*correlations):
    return [HorizonScore(value, 1.0, 0.5, 0.1, 0.2, 0.3, bits_per_spike=math.nan) for value in correlations]


def row(label, session, seed, *correlations, fit="single"):
    return HorizonRow(label, fit, session, seed, scores(*correlations))


@pytest.fixture
def paths(tmp_path):
    paths = []
    for number, name in enumerate(("one", "two")):
        session = make_session(N=4 + number, T=250, name=name)
        for t in range(1, session.num_bins):  # something to forecast
            session.activity[:, t] += 0.8 * session.activity[:, t - 1]
        session.save(tmp_path / f"{name}.h5")
        paths.append(str(tmp_path / f"{name}.h5"))
    return paths


def test_arguments_of_the_models_that_take_them():
    variants = [*named(["gru", "var5", FADED]), Variant("short", "gru", {"window": 2})]
    assert over_horizons(variants, None, 1) == variants
    arguments = [dict(variant.arguments) for variant in over_horizons(variants, 9, 4)]
    assert arguments == [{"window": 9}, {}, {"window": 9, "horizon": 4}, {"window": 2}]
    with pytest.raises(ValueError, match=r"at least 1 bin \(got None and 0\)"):
        over_horizons(variants, None, 0)


def test_settings_are_those_of_one_step_unless_they_differ(paths, tmp_path):
    sessions = {path: Session.load(path) for path in paths}
    one = plan(sessions, tmp_path, named(["gru", FADED]), preset=SMALL)
    ahead = plan(sessions, tmp_path, named(["gru", FADED]), preset=SMALL, context=7, horizon=3)
    assert not any({"horizon", "context"} & job.settings().keys() for job in one)
    assert all((job.settings()["horizon"], job.settings()["context"]) == (3, 7) for job in ahead)
    assert {job.first for job in one} == {5}
    assert {job.first for job in ahead} == {7}
    with pytest.raises(ValueError, match="bins in the validation part of session 'one'"):
        plan(sessions, tmp_path, named(["gru"]), preset=SMALL, context=7, horizon=40)
    with pytest.raises(ValueError, match="at least 27 bins"):
        check_horizon([make_session(T=200)], 5, 22)


def test_means_over_seeds_then_sessions_and_the_best(tmp_path):
    rows = [row("a", "x", 0, 0.2, 0.1), row("a", "x", 1, 0.4, 0.1), row("a", "y", 0, 0.5, math.nan)]
    rows += [row("b", "x", 0, 0.3, 0.3), row("b", "y", 0, 0.4, 0.2), row("b", "x", 0, 0.9, 0.8, fit="multi")]
    results = HorizonResults(2, {"x": 0.1, "y": 0.1}, rows)
    means = results.means("correlation")
    assert list(means) == ["b (multi-session)", "b", "a"]
    assert means["a"] == pytest.approx([(0.3 + 0.5) / 2, 0.1])
    assert results.summary("correlation")["b"][0].sem == pytest.approx(np.std([0.3, 0.4], ddof=1) / 2**0.5)
    told = json.loads(json.dumps(results.to_json()))
    assert told["best"]["correlation"] == ["b (multi-session)"] * 2
    assert told["scores"][2]["scores"][1]["correlation"] is None
    table = results.tables(["by hand"])["correlation"]
    assert table.title == "Forecasting: correlation over bins ahead, of 0.1 s"
    assert table.rows[1] == ["b", "0.350 +- 0.050", "0.250 +- 0.050", "0.300 +- 0.000"]
    assert table.notes == ["Best: 1-2: b (multi-session).", "all: mean.", "by hand"]
    results.write(tmp_path, "forecasting", "by hand")
    with (tmp_path / "forecasting-horizons.csv").open() as file:
        written = list(csv.DictReader(file))
    assert len(written) == 2 * len(rows)
    assert (written[1]["horizon"], written[1]["seconds"], written[1]["correlation"]) == ("2", "0.2", "0.1")


def test_figure_has_a_line_for_each_model():
    rows = [row(label, "x", 0, 0.3, 0.2, 0.1) for label in ("a", "b")]
    left, right = draw_horizon_results(HorizonResults(3, {"x": 0.1}, rows)).axes
    assert left.lines[0].get_xdata().tolist() == pytest.approx([0.1, 0.2, 0.3])
    assert left.lines[0].get_ydata().tolist() == [0.3, 0.2, 0.1]
    assert left.get_xlabel() == "horizon (s)"
    assert [text.get_text() for text in right.get_legend().get_texts()] == ["a", "b"]
    left, _ = draw_horizon_results(HorizonResults(3, {"x": 0.1, "y": 0.2}, rows)).axes
    assert left.get_xlabel() == "horizon (bins)"


def test_benchmark_over_horizons_goes_on_where_it_was(paths, tmp_path):
    out = tmp_path / "out"
    variants = [Variant("faded", FADED), Variant("ours", "gru", {"hidden_size": 4})]
    options = {"preset": SMALL, "multi": False, "context": 6, "horizon": 4}
    result = compare_forecasts(paths[:1], out, variants, **options)
    assert result.failed == {}
    labels = {row.label for row in result.horizons.rows}
    both = {f"{label} (rolled out)" for label in ("faded", "damped_copy", "linear", "linear_rrr")}
    assert labels == {"faded", "ours", *ANCHORS, *both}
    assert {row.label for row in result.rows} == labels - both
    stems = ("correlation", "against-copy", "mae")
    names = {f"forecasting-horizons-{stem}{end}" for stem in stems for end in (".md", ".csv", ".tex")}
    names |= {"forecasting-horizons.csv", "forecasting-horizons.png", "forecasting.json"}
    assert names <= {path.name for path in out.iterdir()}
    told = json.loads((out / "forecasting.json").read_text())
    assert told["horizons"] == json.loads(json.dumps(result.horizons.to_json()))
    assert told["protocol"]["context"] == 6
    assert told["horizons"]["means"]["against_copy"]["copy"] == [0.0] * 4
    run = Run.load(out / "runs" / "ours" / "one" / "seed-0")
    assert run.model.window == 6
    session = run.sessions["one"]
    expected = score_horizons(run.model, session, session.split(), 4, targets=run.targets, first=6)
    ours = next(row for row in result.horizons.rows if (row.label, row.session) == ("ours", "one"))
    assert ours.scores[3].correlation == pytest.approx(expected[3].correlation)
    sessions = {str(Path(paths[0]).resolve()): Session.load(paths[0])}
    jobs = plan(sessions, out, variants, **options)
    results = [read_result(job).to_json() for job in jobs]
    before = [(job.folder / "result.json").stat().st_mtime_ns for job in jobs]
    (jobs[0].folder / "result.json").unlink()
    run_jobs(jobs, out)
    after = [(job.folder / "result.json").stat().st_mtime_ns for job in jobs]
    assert [read_result(job).to_json() for job in jobs] == results
    assert after[0] > before[0]
    assert after[1:] == before[1:]
    with pytest.raises(ValueError, match=r"other settings: horizon 4 \(got 5\)"):
        compare_forecasts(paths[:1], out, variants[1:], **options | {"horizon": 5})


def test_all_bins_together_are_scored_by_their_summed_errors():
    copied, errors = [1.0, 2.0, 4.0], [0.9, 1.5, 2.0]
    by_bin = [
        HorizonScore(*scores(0.5)[0])._replace(mse=e, against_copy=1 - e / c)
        for e, c in zip(errors, copied, strict=True)
    ]
    results = HorizonResults(3, {"one": 0.1}, [HorizonRow("ours", "single", "one", 0, by_bin)])
    assert results.overall("against_copy")["ours"].mean == pytest.approx(1 - 4.4 / 7)
    assert results.overall("mse")["ours"].mean == pytest.approx(4.4 / 3)
    assert results.tables()["against_copy"].header[-1] == "all"
