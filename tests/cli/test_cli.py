import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import networkx as nx
import numpy as np
import pytest
import torch
from commands import refused, run
from helpers import make_session, read_csv
from on_disk import write_allen, write_bugeon

import synapsnet_pyg
from synapsnet_pyg.cli.main import COMMANDS, _command_parser, main
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.datasets.registry import DATASETS
from synapsnet_pyg.models.checkpoint import load_model
from synapsnet_pyg.models.registry import ANCHORS
from synapsnet_pyg.simulations.registry import SIMULATIONS

GROUPS = ("activity", "spikes", "time", "behaviour", "neurons")


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """Two small simulated sessions and a run fitted to both."""
    folder = tmp_path_factory.mktemp("cli")
    for seed in (0, 1):
        size = ["--bins", "600", "--neurons", "30", "--recorded", str(9 + seed)]
        assert main(["simulate", f"{folder}/sim{seed}.h5", "--seed", str(seed), *size]) == 0
    arguments = ["--out", f"{folder}/run", "--preset", "fast", "--epochs", "2", "--model-args.hidden_size", "8"]
    assert main(["fit", f"{folder}/sim0.h5", f"{folder}/sim1.h5", *arguments]) == 0
    return folder


def test_help_is_there_without_torch():
    code = """import sys
from synapsnet_pyg.cli.main import main
for words in sys.argv[1:]:
    try:
        main([*words.split(), "--help"])
    except SystemExit as end:
        assert not end.code, words
assert "torch" not in sys.modules
"""
    commands = ["", *(command.__name__.replace("_", " ") for command in COMMANDS)]
    told = subprocess.run([sys.executable, "-c", code, *commands], capture_output=True, text=True, check=True)
    assert told.stdout.count("usage: synapsnet") == len(commands)


def test_fit_leaves_a_whole_run(fitted):
    files = sorted(path.name for path in (fitted / "run").iterdir())
    assert files == ["best.ckpt", "history.csv", "last.ckpt", "run.json"]
    settings = json.loads((fitted / "run" / "run.json").read_text())
    assert settings["recipe"]["epochs"] == 2
    assert settings["recipe"]["targets"] == 16
    assert settings["model"]["arguments"] == {"hidden_size": 8}


def test_evaluate_as_json(fitted, capsys):
    status, out, _ = run(capsys, "evaluate", fitted / "run", "--json")
    scores = json.loads(out)
    assert status == 0
    assert list(scores["sessions"]) == ["sim0", "sim1"]
    for models in scores["sessions"].values():
        assert list(models) == ["synapsnet", *ANCHORS]
        for score in models.values():
            assert score.keys() == {"correlation", "mse", "pc_correlation", "connectivity"}
            assert score["connectivity"].keys() == {"pearson", "spearman", "auroc", "auprc"}
            assert len(score["pc_correlation"]) == 3
        assert models["mean"]["correlation"] == 0
        assert models["mean"]["connectivity"]["pearson"] is None
        assert -1 < models["var1"]["connectivity"]["pearson"] < 1
    summary = scores["summary"]["var1"]["correlation"]
    assert summary["mean"] == pytest.approx(np.mean([m["var1"]["correlation"] for m in scores["sessions"].values()]))


def test_evaluate_as_tables(fitted, capsys, tmp_path):
    _, out, _ = run(capsys, "evaluate", fitted / "run", "--neurons", tmp_path / "neurons.csv")
    assert [row["session"] for row in read_csv(tmp_path / "neurons.csv")] == ["sim0"] * 9 + ["sim1"] * 10
    for wanted in ("sim0: test part", "synapsnet", "var5", "AUPRC", "over 2 sessions", "9 of 9 neurons"):
        assert wanted in out


def test_connectivity_files(fitted, capsys, tmp_path):
    formats = ("--format", "npz,csv,graphml")
    status, _, _ = run(capsys, "connectivity", fitted / "run", "--out", tmp_path / "new", "--top-k", 7, *formats)
    assert status == 0
    with np.load(tmp_path / "new" / "sim1.npz", allow_pickle=False) as file:
        matrix, ids = file["connectivity"], file["neuron_id"].tolist()
    assert matrix.shape == (10, 10)
    rows = read_csv(tmp_path / "new" / "sim1-edges.csv")
    assert len(rows) == 7
    for row in rows:
        assert matrix[ids.index(row["target"]), ids.index(row["source"])] == pytest.approx(float(row["weight"]))
    graph = nx.read_graphml(tmp_path / "new" / "sim1.graphml")
    assert {(row["source"], row["target"]) for row in rows} == set(graph.edges)


def test_a_graph_is_written_of_significant_edges_or_on_request(fitted, capsys, tmp_path):
    for folder, options in (("plain", []), ("tested", ["--significance"])):
        assert run(capsys, "connectivity", fitted / "run", "--out", tmp_path / folder, *options)[0] == 0
    assert not list((tmp_path / "plain").glob("*.graphml"))
    rows = read_csv(tmp_path / "tested" / "sim0-edges.csv")
    tested = [row for row in rows if row["tested"] == "True"]
    significant = {(row["source"], row["target"]) for row in tested if float(row["q_value"]) <= 0.05}
    assert set(nx.read_graphml(tmp_path / "tested" / "sim0.graphml").edges) == significant


def test_figures_are_drawn(fitted, capsys, tmp_path):
    status, out, _ = run(capsys, "figures", fitted / "run", "--out", tmp_path)
    assert status == 0
    for name in ("sim0-connectivity.png", "sim0-forecast.png", "sim1-connectivity.png", "training.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
        assert name in out


def test_convert_then_fit_with_config(tmp_path, capsys):
    random = np.random.default_rng(0)
    np.savez(tmp_path / "lab.npz", counts=random.poisson(1.0, (200, 6)), running=random.standard_normal(200))
    arguments = ["--activity", "counts", "--axes", "bin,neuron", "--behaviour", "running", "--bin-size", "0.05"]
    status, out, _ = run(capsys, "convert", tmp_path / "lab.npz", tmp_path / "lab.h5", *arguments)
    assert status == 0
    assert "6 neurons, 200 bins" in out
    assert Session.load(tmp_path / "lab.h5").name == "lab"
    (tmp_path / "fit.yaml").write_text("preset: fast\nepochs: 1\nmodel_args:\n  hidden_size: 5\n")
    status, _, error = run(
        capsys, "fit", tmp_path / "lab.h5", "--out", tmp_path / "run", "--config", tmp_path / "fit.yaml"
    )
    assert status == 0
    assert "epoch   1/1" in error
    status, out, _ = run(capsys, "evaluate", tmp_path / "run", "--json")
    assert "connectivity" not in json.loads(out)["sessions"]["lab"]["synapsnet"]
    assert run(capsys, "figures", tmp_path / "run", "--out", tmp_path)[0] == 0


def test_print_config(capsys):
    status, out, _ = run(capsys, "fit", "a.h5", "--out", "b", "--epochs", "7", "--print_config")
    assert status == 0
    assert "epochs: 7" in out


@pytest.mark.parametrize("model", ["var1", "copy"])
def test_anchors_can_be_fitted_too(fitted, capsys, tmp_path, model):
    assert run(capsys, "fit", fitted / "sim0.h5", "--out", tmp_path / "run", "--model", model)[0] == 0
    status, out, _ = run(capsys, "evaluate", tmp_path / "run", "--json")
    assert status == 0
    assert next(iter(json.loads(out)["sessions"]["sim0"])) == model
    assert run(capsys, "connectivity", tmp_path / "run", "--out", tmp_path)[0] == 0


def test_resume_continues_the_same_fit_and_no_other(fitted, capsys, tmp_path):
    begin = ["fit", fitted / "sim0.h5", "--out", tmp_path / "run", "--preset", "fast", "--epochs"]
    assert run(capsys, *begin, 1)[0] == 0
    assert "holds a run already" in refused(capsys, *begin, 1)
    status, _, error = run(capsys, *begin, 3, "--resume")
    assert status == 0
    assert re.findall(r"epoch +(\d)/3", error) == ["2", "3"]
    assert "begun with targets 16 (got 4)" in refused(capsys, *begin, 3, "--resume", "--targets", 4)
    assert "begun with 3 epochs" in refused(capsys, *begin, 2, "--resume")
    assert "begun with sessions" in refused(
        capsys, "fit", fitted / "sim1.h5", "--out", tmp_path / "run", "--preset", "fast", "--resume"
    )


def test_bad_input_gets_one_line_and_leaves_nothing(fitted, capsys, tmp_path):
    no_session = tmp_path / "no.h5"
    no_session.write_text("this is no session")
    sim, out = fitted / "sim0.h5", tmp_path / "out"
    assert "missing.h5" in refused(capsys, "fit", tmp_path / "missing.h5", "--out", out)
    assert "no.h5" in refused(capsys, "fit", no_session, "--out", out)
    assert "a model among" in refused(capsys, "fit", sim, "--out", out, "--model", "grue")
    assert "hiden" in refused(capsys, "fit", sim, "--out", out, "--model-args.hiden", "3")
    assert "preset" in refused(capsys, "fit", sim, "--out", out, "--preset", "quick")
    assert "epochs" in refused(capsys, "fit", sim, "--out", out, "--epochs", "many")
    assert "epochs" in refused(capsys, "fit", sim, "--out", out, "--epochs", "0")
    assert "comes twice" in refused(capsys, "fit", sim, sim, "--out", out)
    assert "bins" in refused(capsys, "fit", sim, "--out", out, "--window", "500")
    assert "no such" in refused(capsys, "simulate", tmp_path / "no such" / "sim.h5")
    assert "recorded" in refused(capsys, "simulate", tmp_path / "sim.h5", "--recorded", "700")
    assert "missing.npz" in refused(
        capsys, "convert", tmp_path / "missing.npz", out, "--axes", "neuron,bin", "--bin-size", "1"
    )
    assert "not overwritten" in refused(capsys, "simulate", no_session)
    assert "a session file already" in refused(capsys, "convert", sim, tmp_path / "x.h5")
    assert "a file of that name" in refused(capsys, "fit", sim, "--out", sim)
    assert "top_k" in refused(capsys, "connectivity", fitted / "run", "--out", out, "--top-k", "0")
    assert "run.json" in refused(capsys, "evaluate", tmp_path)
    assert "no run" in refused(capsys, "evaluate", tmp_path / "no run")
    assert "xlsx" in refused(capsys, "connectivity", fitted / "run", "--out", out, "--format", "xlsx")
    assert "sim7" in refused(capsys, "figures", fitted / "run", "--out", out, "--session", "sim7")
    assert "following arguments are required" in refused(capsys, "fit", sim)
    assert "invalid choice" in refused(capsys, "fitt")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["no.h5"]


def test_a_recording_that_moved_or_changed_is_told(fitted, capsys, tmp_path):
    one = tmp_path / "sim.h5"
    one.write_bytes((fitted / "sim0.h5").read_bytes())
    assert run(capsys, "fit", one, "--out", tmp_path / "run", "--preset", "fast", "--epochs", 1)[0] == 0
    one.write_bytes((fitted / "sim1.h5").read_bytes())
    assert "not the recording" in refused(capsys, "evaluate", tmp_path / "run")
    other = Session.load(fitted / "sim0.h5")
    other.activity = other.activity.flip(0)  # as many neurons and bins, made in another way
    other.save(one)
    assert "not the recording" in refused(capsys, "evaluate", tmp_path / "run")
    one.unlink()
    assert "put it back" in refused(capsys, "evaluate", tmp_path / "run")
    (tmp_path / "run" / "run.json").write_text("{")
    assert "Expected JSON in" in refused(capsys, "evaluate", tmp_path / "run")


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """Fixtures of both public sets, long enough to be fitted."""
    root = tmp_path_factory.mktemp("sets")
    write_bugeon(root / "bugeon", frames=200)
    for session in (715093703, 719161530):
        write_allen(root / "allen" / f"session_{session}" / f"session_{session}.nwb", session)
    return root


@pytest.mark.parametrize(
    ("name", "stimulus", "count"),
    [
        ("bugeon", "natural scenes", 3),
        ("bugeon", "drifting gratings", 3),
        ("bugeon", "natural scenes, spontaneous", 4),
        ("allen-neuropixels", "natural scenes", 2),
        ("allen-neuropixels", "spontaneous", 2),
    ],
)
def test_from_a_public_set_to_scores(sets, capsys, tmp_path, name, stimulus, count):
    root = sets / name.split("-")[0]
    status, out, error = run(capsys, "prepare", name, root, "--stimulus", stimulus, "--out", tmp_path / "sessions")
    assert status == 0
    assert f"{count} session file(s) in" in out
    assert ("warning:" in error) == (name == "bugeon" or "copy of y" in error)
    folder = tmp_path / "sessions"
    fit = ["--preset", "fast", "--epochs", 1, "--model-args.hidden_size", 6]
    # All sessions in one model, then one session alone.
    for sessions in (folder, sorted(folder.glob("*.h5"))[0]):
        assert run(capsys, "fit", sessions, "--out", tmp_path / f"run-{sessions.stem}", *fit)[0] == 0
        status, out, _ = run(capsys, "evaluate", tmp_path / f"run-{sessions.stem}", "--json")
        scores = json.loads(out)["sessions"]
        assert len(scores) == (count if sessions is folder else 1)
        assert all(np.isfinite(models["synapsnet"]["mse"]) for models in scores.values())


def test_prepare_says_what_is_wrong(sets, capsys, tmp_path):
    def wrong(*arguments):
        return refused(capsys, "prepare", *arguments, "--out", tmp_path / "deep" / "out")

    assert "choose from 'bugeon'" in wrong("steinmetz", tmp_path)
    assert "stimuli among" in wrong("bugeon", sets / "bugeon", "--stimulus", "movies")
    assert "no folder" in wrong("bugeon", tmp_path / "none")
    assert "stimulus, behaviour, states" in wrong("bugeon", sets / "bugeon", "--set-args.wheel", "1")
    status, _, error = run(
        capsys, "prepare", "allen-neuropixels", sets / "allen", "--stimulus", "gabors", "--out", tmp_path / "out"
    )
    assert status == 2
    assert "(no session has gabors, so that all are left out)" in error
    assert "--sessions" in refused(capsys, "download", "allen-neuropixels", tmp_path)
    assert "choose from 'bugeon', 'allen-neuropixels'" in refused(capsys, "download", "suite2p", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_prepare_names_what_it_made_beside_other_files(sets, capsys, tmp_path):
    bugeon = ["prepare", "bugeon", sets / "bugeon", "--stimulus", "spontaneous", "--out", tmp_path / "two words"]
    _, out, _ = run(capsys, *bugeon)
    assert f"synapsnet fit '{tmp_path / 'two words'}' --out" in out
    _, out, error = run(capsys, *bugeon, "--sessions", "2020-01-08")
    assert "holds 3 other session files" in error
    assert "SB030-2020-01-08.h5' --out run" in out
    (tmp_path / "two words" / "SB030-2020-01-08.h5").write_text("mine")
    assert "not overwritten" in run(capsys, *bugeon)[2]


def test_inspect_tells_what_is_there(fitted, sets, capsys, tmp_path):
    def told(path, *options):
        status, out, error = run(capsys, "inspect", path, *options)
        assert status == 0, error
        return out

    out = told(fitted / "sim0.h5", "--figure", tmp_path / "sim.png")
    for wanted in ("neurons", "600 of 0.0333333 s", "counts, ", "behaviour 0: ", "true graph", "fit, paper", "epochs"):
        assert wanted in out
    assert (tmp_path / "sim.png").read_bytes().startswith(b"\x89PNG")
    assert "Session('sim1'" in told(fitted)
    assert "bugeon" in told(sets / "bugeon")
    assert "2 session(s): allen-715093703" in told(sets / "allen")
    nwb = told(next((sets / "allen").rglob("*.nwb")))
    for wanted in (
        "9 with",
        "good 8, noise 1",
        "processing/running/running_speed",
        "natural_scenes_presentations: 152 rows",
    ):
        assert wanted in nwb
    np.savez(tmp_path / "a.npz", counts=np.ones((3, 9)), area=np.array(["V1", "LM", "V1"]), odd=[1.0, np.nan])
    arrays = told(tmp_path / "a.npz")
    for wanted in ("float64 [3, 9], 1 to 1", "'V1', 'LM', 'V1'", "1 NaN or infinite", "synapsnet convert"):
        assert wanted in arrays


def test_inspect_says_what_is_wrong(fitted, capsys, tmp_path):
    assert "no file or folder" in refused(capsys, "inspect", tmp_path / "none")
    (tmp_path / "a.txt").write_text("text")
    assert "in a known format" in refused(capsys, "inspect", tmp_path / "a.txt")
    (tmp_path / "cut.h5").write_bytes((fitted / "sim0.h5").read_bytes()[:3000])
    assert "damaged" in refused(capsys, "inspect", tmp_path / "cut.h5")
    (tmp_path / "empty").mkdir()
    assert "found none" in refused(capsys, "inspect", tmp_path / "empty")
    assert "session file to draw" in refused(capsys, "inspect", tmp_path / "a.txt", "--figure", tmp_path / "a.png")


def test_readme_names_every_command():
    readme = Path(__file__).parents[2].joinpath("README.md").read_text()
    for command in COMMANDS:
        assert f"synapsnet {command.__name__.replace('_', ' ')}" in readme


def test_simulates_sessions_of_one_animal(capsys, tmp_path):
    size = ["--bins", "80", "--neurons", "30", "--recorded", "12"]
    for population in ("calcium", "neuropixels"):
        out = tmp_path / population
        assert run(capsys, "simulate", out, "--population", population, "--sessions", 2, *size)[0] == 0
        one, two = (Session.load(path) for path in sorted(out.glob("*.h5")))
        assert set(one.neuron_id) & set(two.neuron_id)
    assert run(capsys, "simulate", tmp_path / "one.h5", "--population", "calcium", *size)[0] == 0
    assert "at least 1" in refused(capsys, "simulate", tmp_path / "none", "--sessions", "0")


def test_adapts_a_run_to_a_new_session(fitted, capsys, tmp_path):
    out = tmp_path / "adapted"
    assert run(capsys, "adapt", fitted / "run", fitted / "sim1.h5", "--out", out, "--epochs", 1)[0] == 0
    settings = json.loads((out / "run.json").read_text())
    assert settings["adapted_from"] == str((fitted / "run").resolve())
    before = load_model(fitted / "run" / "best.ckpt").dynamics.state_dict()
    after = load_model(out / "best.ckpt")
    assert all(torch.equal(before[key], value) for key, value in after.dynamics.state_dict().items())
    assert list(after.sessions) == ["sim1"]
    assert "sim1" in run(capsys, "evaluate", out)[1]
    assert run(capsys, "adapt", fitted / "run", fitted / "sim1.h5", "--out", out, "--epochs", 2, "--resume")[0] == 0
    assert run(capsys, "fit", fitted / "sim0.h5", "--out", tmp_path / "var1", "--model", "var1")[0] == 0
    assert "shares nothing" in refused(capsys, "adapt", tmp_path / "var1", fitted / "sim1.h5", "--out", tmp_path / "x")
    make = ["--population", "neuropixels", "--bins", "200", "--neurons", "30", "--recorded", "9"]
    assert run(capsys, "simulate", tmp_path / "other.h5", *make)[0] == 0
    assert "behaviours of the run" in refused(
        capsys, "adapt", fitted / "run", tmp_path / "other.h5", "--out", tmp_path / "x"
    )
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("model", ["neuprint", "gru"])
def test_a_model_without_weights_tells_its_effects_all_the_same(fitted, capsys, tmp_path, model):
    out = tmp_path / "run"
    files = [fitted / "sim0.h5", fitted / "sim1.h5"]
    assert run(capsys, "fit", *files, "--out", out, "--model", model, "--preset", "fast", "--epochs", 1)[0] == 0
    status, told, _ = run(capsys, "evaluate", out, "--json")
    assert status == 0
    assert json.loads(told)["sessions"]["sim0"][model]["connectivity"]["pearson"] is not None
    assert run(capsys, "figures", out, "--out", tmp_path / "figures")[0] == 0
    drawn = {path.name for path in (tmp_path / "figures").glob("*.png")}
    curves = {"training.png"} if model == "neuprint" else {"sim0-training.png", "sim1-training.png"}
    pictures = {
        f"{name}-{what}.png"
        for name in ("sim0", "sim1")
        for what in ("connectivity", "forecast", "neurons-against-baseline")
    }
    assert drawn == pictures | curves
    assert run(capsys, "connectivity", out, "--out", tmp_path / "effects", "--format", "csv")[0] == 0
    assert {path.name for path in (tmp_path / "effects").iterdir()} == {"sim0-edges.csv", "sim1-edges.csv"}


def test_benchmark_on_the_command_line(fitted, capsys, tmp_path):
    out = tmp_path / "compared"
    begin = ["benchmark", "forecasting", fitted / "sim0.h5", "--out", out, "--preset", "fast", "--epochs", 1]
    status, told, error = run(capsys, *begin, "--models", "synapsnet,rnn")
    assert status == 0
    assert "rnn" in told
    assert "rnn/sim0/seed-0: correlation" in error
    assert json.loads((out / "forecasting.json").read_text())["command"].startswith("synapsnet")
    assert run(capsys, *begin, "--sweep", "window=1,2", "--models", "synapsnet")[0] == 0
    assert (out / "window.png").exists()
    assert "one of --models" in refused(capsys, *begin, "--ablations", "--dynamics")
    assert "window=1,2,5" in refused(capsys, *begin, "--sweep", "depth=3")
    assert "at least 1 seed" in refused(capsys, *begin, "--seeds", "0")
    assert "a model among" in refused(capsys, *begin, "--models", "synapsenet")
    assert "invalid choice" in refused(capsys, "benchmark", "everything")


def test_a_model_of_ones_own_is_found_in_the_working_folder(fitted, tmp_path):
    shutil.copy(Path(__file__).parents[2] / "examples" / "my_forecaster.py", tmp_path)
    command = Path(sys.executable).parent / "synapsnet"
    arguments = "--model my_forecaster.ReducedRank --model-args.rank 3 --preset fast --epochs 2 --out run".split()
    fit = [command, "fit", fitted / "sim0.h5", *arguments]
    assert subprocess.run(fit, cwd=tmp_path, capture_output=True, check=False).returncode == 0
    evaluate = [command, "evaluate", "run", "--trust", "my_forecaster.ReducedRank"]
    told = subprocess.run(evaluate, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "my_forecaster.ReducedRank" in told.stdout
    assert len((tmp_path / "my_forecaster.py").read_text().splitlines()) < 40


def test_significance_and_ensembles_stand_beside_the_weights(fitted, capsys, tmp_path):
    other = tmp_path / "other"
    again = ["--model-args.hidden_size", 6, "--model-args.embedding_dim", 3]
    files = [fitted / "sim0.h5", fitted / "sim1.h5"]
    assert run(capsys, "fit", *files, "--out", other, "--preset", "fast", "--epochs", 1, "--seed", 7, *again)[0] == 0
    out = tmp_path / "results"
    told = run(
        capsys, "connectivity", fitted / "run", "--out", out, "--significance", "--ensemble", other,
        "--format", "npz,csv,graphml",
    )  # fmt: skip
    assert told[0] == 0
    assert "tested pairs" in told[1]
    assert "How many neurons were not recorded" in told[1]
    (row, *_) = read_csv(out / "sim0-edges.csv")
    beside = {
        "effect",
        "error",
        "p_value",
        "q_value",
        "edge_probability",
        "posterior_mean",
        "lag",
        "same_bin",
        "sign_stability",
        "sign_agreement",
    }
    assert beside | {"source", "target", "weight", "seed_deviation"} <= row.keys()
    assert 0 <= float(row["p_value"]) <= 1
    with np.load(out / "sim0.npz", allow_pickle=False) as kept:
        assert kept["q_value"].shape == kept["connectivity"].shape
    graph = nx.read_graphml(out / "sim0.graphml")
    assert "p_value" in next(iter(graph.edges(data=True)))[2]
    few = tmp_path / "few"
    run(capsys, "connectivity", fitted / "run", "--out", few, "--significance", "--fdr", 0.05)
    q = [float(row["q_value"]) for row in read_csv(few / "sim0-edges.csv")]
    assert all(value <= 0.05 for value in q)
    assert "--significance beside --fdr" in refused(
        capsys, "connectivity", fitted / "run", "--out", tmp_path / "no", "--fdr", "0.05"
    )
    assert "same sessions" in refused(
        capsys,
        "connectivity",
        fitted / "run",
        "--out",
        tmp_path / "no",
        "--ensemble",
        _fit_one(capsys, fitted, tmp_path),
    )
    assert not (tmp_path / "no").exists()


def _fit_one(capsys, fitted, tmp_path):
    run(capsys, "fit", fitted / "sim0.h5", "--out", tmp_path / "one", "--model", "var1")
    return tmp_path / "one"


def test_milliseconds_taken_for_seconds_are_told(capsys, tmp_path):
    np.save(tmp_path / "counts.npy", np.ones((3, 40)))
    command = ["convert", tmp_path / "counts.npy", tmp_path / "counts.h5", "--axes", "neuron,bin", "--bin-size", 50]
    status, _, error = run(capsys, *command)
    assert status == 0
    assert "warning: bins of 50 s are long" in error


def test_report_and_recovery_on_the_command_line(fitted, capsys, tmp_path):
    told = run(capsys, "report", _fit_one(capsys, fitted, tmp_path), "--out", tmp_path / "page")
    assert told[0] == 0
    assert (tmp_path / "page" / "index.html").is_file()
    assert "index.html" in told[1]
    begin = ["benchmark", "connectivity", "--out", tmp_path / "found", "--seeds", 2]
    sizes = ["--bins", 400, "--neurons", 30, "--recorded", 8, "--sim-args.hidden_drive", 0]
    told = run(capsys, *begin, *sizes, "--methods", "ridge_var,lag1")
    assert told[0] == 0
    assert "paper: 2 seed(s)" in told[1]
    assert (tmp_path / "found" / "connectivity-paper.png").is_file()
    assert "other settings" in refused(capsys, *begin, "--methods", "lag1")
    assert "either --methods or" in refused(capsys, *begin, "--methods", "lag1", "--ablations")
    assert "granger" in refused(capsys, *begin, "--methods", "granger")


def test_older_names_of_simulations_are_accepted(capsys, tmp_path):
    status, out, _ = run(capsys, "simulate", tmp_path / "a.h5", "--population", "toy", "--bins", 20)
    assert status == 0
    assert "5 neurons x 20 bins" in out


def test_options_of_convert_stand_in_groups(capsys):
    status, out, _ = run(capsys, "convert", "--help")
    assert status == 0
    headings = [line for line in out.splitlines() if line.endswith(":") and not line.startswith(" ")]
    assert headings == ["positional arguments:", "options:", *(f"{group}:" for group in GROUPS), "examples:"]


def test_help_lists_what_the_registries_hold(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "2000")
    out = " ".join(run(capsys, "simulate", "--help")[1].split())
    assert all(f"{name}: " in out for name in SIMULATIONS)
    out = " ".join(run(capsys, "prepare", "--help")[1].split())
    assert all(f"{name}: " in out for name in DATASETS)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.__name__)
def test_help_is_plain_and_ends_with_two_examples(command, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    status, out, _ = run(capsys, *command.__name__.split("_", 1), "--help")
    assert status == 0
    assert not re.search(r"type:|default: (null|None|False)|Literal|<class", out)
    begin = f"  synapsnet {command.__name__.replace('_', ' ', 1)} "
    *_, one, other = out.rstrip().splitlines()
    assert one.startswith(begin)
    assert other.startswith(begin)
    for example in (one, other):
        words = shlex.split(example.split(" > ")[0])[len(begin.split()) :]
        _command_parser(command).parse_args(words)


def test_a_bug_shows_its_traceback(monkeypatch, tmp_path):
    """Only what a user can mend becomes one line: a RuntimeError or a plain TypeError is ours."""
    for error in (RuntimeError("lost"), TypeError("unsupported operand")):

        def broken(*_, error=error, **__):
            raise error

        monkeypatch.setattr("synapsnet_pyg.data.session.Session.save", broken)
        with pytest.raises(type(error)):
            main(["simulate", str(tmp_path / "a.h5"), "--bins", "20", "--neurons", "9", "--recorded", "4"])


def test_a_wrong_kind_of_input_is_one_line(capsys, tmp_path):
    np.savez(tmp_path / "texts.npz", a=np.full((3, 40), "x"))
    status, _, err = run(
        capsys, "convert", tmp_path / "texts.npz", tmp_path / "s.h5", "--axes", "neuron,bin", "--bin-size", 1
    )
    assert status == 2
    assert len(err.strip().splitlines()) == 1


@pytest.mark.parametrize("name", ["tensorboard", "wandb"])
def test_a_logger_that_is_not_installed_is_answered_by_the_pip_line(fitted, capsys, tmp_path, monkeypatch, name):
    monkeypatch.setitem(sys.modules, name, None)
    out = tmp_path / "run"
    status, _, err = run(capsys, "fit", fitted / "sim0.h5", "--out", out, "--epochs", 1, "--logger", name)
    assert status == 2
    assert "pip install" in err
    assert "log" in err
    assert not out.exists()


def test_scores_of_each_epoch_go_to_a_logger(fitted, capsys, tmp_path):
    begin = ("fit", fitted / "sim0.h5", "--out", tmp_path / "run", "--preset", "fast", "--epochs", 1)
    assert run(capsys, *begin, "--logger", "csv")[0] == 0
    (file,) = (tmp_path / "run" / "logs").rglob("metrics.csv")
    assert "validation_correlation" in file.read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("fit a.h5", "the following arguments are required: --out of 'synapsnet fit'"),
        (
            "benchmark forecasting",
            "the following arguments are required: SESSIONS, --out of 'synapsnet benchmark forecasting'",
        ),
        ("fit a.h5 --out x --epochs three", "expected --epochs as a whole number (got 'three')"),
        ("fit a.h5 --out x --learning-rate fast", "expected --learning-rate as a number (got 'fast')"),
        ("fit a.h5 --out x --logger cvs", "expected --logger as one of 'csv', 'tensorboard', 'wandb' (got 'cvs')"),
        ("fit a.h5 --out x --epoch 3", "unrecognized arguments: --epoch 3"),
        ("fit a.h5 --out x --epochs 0", "Expected epochs of at least 1 (got 0)"),
        ("connectivity x --out y --fdr 0.1", "Expected --significance beside --fdr"),
        ("connectivity x --out y --significance --fdr 5", "Expected --fdr between 0 and 1, such as 0.05 (got 5.0)"),
        ("evaluate nowhere --neurons table", "Expected a file name that ends in .csv (got 'table')"),
        ("evaluate nowhere", "Expected the folder of a run, which 'synapsnet fit' makes ('nowhere' is not there)"),
    ],
)
def test_wrong_words_are_answered_in_words_of_the_command_line(words, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_session(T=90).save("a.h5")
    assert message in refused(capsys, *words.split())


def test_version(capsys):
    status, out, _ = run(capsys, "--version")
    assert status == 0
    assert synapsnet_pyg.__version__ in out


def test_blocks_and_signs_refuse_what_does_not_fit(fitted, capsys):
    assert "there are: " in refused(capsys, "blocks", fitted / "run", "--group-by", "area")
    assert "there are: " in refused(capsys, "signs", fitted / "run", "--group-by", "area")
    assert "between 0 and 1" in refused(capsys, "signs", fitted / "run", "--fdr", "2")
    assert not (fitted / "run" / "blocks").exists()
    assert not (fitted / "run" / "signs").exists()


def test_parts_of_a_table_are_used(tmp_path, capsys):
    make_session(segment=torch.tensor([[0, 30], [30, 50], [50, 120]])).save(tmp_path / "s.h5")
    (tmp_path / "trials.csv").write_text("trial,split\n1,test\n2,validation\n3,train\n")
    table = ("--table", tmp_path / "trials.csv")
    status, out, _ = run(capsys, "divide", tmp_path / "s.h5", tmp_path / "p.h5", *table, "--column", "split")
    assert status == 0
    assert "train 70, validation 20, test 30 bins" in out
    assert Session.load(tmp_path / "p.h5").segment_part == ["test", "validation", "train"]
    assert "a column 'part'" in refused(capsys, "divide", tmp_path / "s.h5", tmp_path / "p.h5", *table)
    message = refused(
        capsys, "benchmark", "forecasting", tmp_path / "s.h5", "--out", tmp_path / "b", "--protocol", "mine"
    )
    assert "poco" in message
    assert "of 5" in refused(capsys, "fit", tmp_path / "s.h5", "--out", tmp_path / "r", "--fold", "9/5")


@pytest.mark.parametrize(
    "rows",
    [b"", b"part\n", b"part\ntrain\ntrain\ntest\n", b"part\ntrain\nvalidation\n", b"part\ntrain\nx\ntest\n",
     b"part\ntr\xe9in\n", b'part\n"train\n', b"other\na,b,c\n", b"part,\na,b,c\n"],
)  # fmt: skip
def test_a_wrong_table_of_parts_is_named(tmp_path, capsys, rows):
    Session(torch.randn(3, 60), bin_size=0.1, segment=torch.tensor([[0, 20], [20, 40], [40, 60]])).save(
        tmp_path / "s.h5"
    )
    (tmp_path / "rows.csv").write_bytes(rows)
    words = ("divide", tmp_path / "s.h5", tmp_path / "p.h5", "--table", tmp_path / "rows.csv")
    assert "rows.csv" in refused(capsys, *words)
    assert not (tmp_path / "p.h5").exists()


@pytest.mark.parametrize("name", ["#1", "a #b", "# 2 > 1"])
def test_a_name_with_a_number_sign_is_no_comment(name, tmp_path, capsys):
    status, _, error = run(
        capsys, "simulate", tmp_path / "s.h5", "--bins", 90, "--neurons", 9, "--recorded", 5, "--name", name
    )
    assert status == 0, error
    assert Session.load(tmp_path / "s.h5").name == name
