from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from helpers import make_session

from synapsnet_pyg.analysis.perturbation import perturb
from synapsnet_pyg.analysis.perturbation_kinds import Drive, RemoveEdge, Silence
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.models.linear import VectorAutoregression
from synapsnet_pyg.models.synapsnet import SynapsNet
from synapsnet_pyg.results.perturbation import PerturbedNeurons, save_perturbations
from synapsnet_pyg.runs.run import Run


def session(name: str, ids: str) -> Session:
    return make_session(N=len(ids), T=400, name=name, neuron_id=list(ids)).standardise()


def linear_run(*sessions: Session) -> Run:
    model = VectorAutoregression(sessions[:1], 1, ridges=[1.0])
    model.initialise({sessions[0].name: sessions[0]}, {sessions[0].name: sessions[0]})
    return Run.of(model, sessions[:1])


def test_writes_table_figure_and_lines(tmp_path: Path) -> None:
    run = linear_run(session("monday", "abcde"))
    asked = PerturbedNeurons(stimulate=["b"], silence=["a", "c"], amount=0.5, held=True)
    lines = save_perturbations([run], asked, tmp_path / "new", horizon=2, formats=["csv", "parquet"])
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [
        f"monday-perturbation.{ending}" for ending in ("csv", "parquet", "pdf", "png", "svg")
    ]
    table = pd.read_csv(tmp_path / "new" / "monday-perturbation.csv")
    assert len(table) == 3 * 4 * 2
    assert list(table.columns) == list(pd.read_parquet(tmp_path / "new" / "monday-perturbation.parquet").columns)
    expected = perturb(run.model, run.sessions["monday"], Drive(1, 0.5, held=True), horizon=2, max_windows=100).effect
    found = table[(table["source"] == "b") & (table["target"] == "e")]["effect"]
    assert found.tolist() == pytest.approx(expected[4].tolist())
    assert any(line.startswith("monday, b stimulated by 0.5 (held): ") for line in lines)
    assert lines[-1].startswith("intervals (95 %) cover starting states, learned weights (to first order); they do not")


def test_every_neuron_makes_matrices(tmp_path: Path) -> None:
    run = linear_run(session("monday", "abcdefgh"))
    save_perturbations([run], PerturbedNeurons(["all"]), tmp_path, horizon=2)
    with np.load(tmp_path / "monday-effects.npz") as file:
        assert file["effect"].shape == file["q_value"].shape == (2, 8, 8)
        assert file["neuron_id"].tolist() == list("abcdefgh")
        connectivity = run.model.connectivity(run.sessions["monday"]).numpy()
        assert file["effect"][0] == pytest.approx(connectivity, abs=1e-5)
    assert len(pd.read_csv(tmp_path / "monday-perturbation.csv")) == 8 * 7 * 2


def test_takes_the_sessions_that_have_the_neurons(tmp_path: Path) -> None:
    both = [session("monday", "abc"), session("tuesday", "bcde")]
    model = SynapsNet(both)
    parts = {one.name: one for one in both}
    model.initialise(parts, parts)
    run = Run.of(model, both)

    def written(**options: object) -> list[str]:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        save_perturbations([run], PerturbedNeurons(**options), folder, horizon=1, weights=False)  # type: ignore[arg-type]
        return sorted(path.stem for path in folder.glob("*.csv"))

    assert written(stimulate=["a"]) == ["monday-perturbation"]
    assert written(silence=["b"]) == ["monday-perturbation", "tuesday-perturbation"]
    assert written(remove_edges=["e:d"]) == ["tuesday-perturbation"]
    for wrong, got in ((["a", "d"], r"got d\)"), (["x", "y"], r"got x, y\)")):
        with pytest.raises(ValueError, match=got):
            written(stimulate=wrong)
    with pytest.raises(ValueError, match=r"as SENDER:RECEIVER \(got b-c\)"):
        written(remove_edges=["b-c"])
    with pytest.raises(ValueError, match=r"got 0 -> 0"):
        written(remove_edges=["a:a"])
    with pytest.raises(ValueError, match="a neuron to stimulate"):
        written()


def test_ids_may_hold_colons() -> None:
    recorded = make_session(N=3, neuron_id=["a:1", "a", "1:b"])
    assert PerturbedNeurons(remove_edges=["a:1:b"]).perturbations(recorded) == [RemoveEdge(1, receiver=2)]
    assert PerturbedNeurons(silence=["a:1"]).perturbations(recorded) == [Silence(0)]
    assert not PerturbedNeurons(["all"], silence=["a"]).every_neuron


def test_ids_may_lack_the_name_of_the_session_before_them() -> None:
    recorded = make_session(N=3, name="m1", neuron_id=["m1/0", "m1/1", "1"])
    asked = PerturbedNeurons(silence=["0", "1", "m1/1"], remove_edges=["0:m1/1"])
    assert asked.perturbations(recorded) == [Silence(0), Silence(2), Silence(1), RemoveEdge(0, receiver=1)]
    assert PerturbedNeurons(silence=["2"]).missing(recorded) == ["2"]


def test_a_short_session_needs_its_weights_left_out(tmp_path: Path) -> None:
    run = linear_run(make_session(N=4, T=90, name="short").standardise())
    asked = PerturbedNeurons(stimulate=[run.sessions["short"].neuron_id[0]])
    with pytest.raises(ValueError, match="--states-only leaves"):
        save_perturbations([run], asked, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    lines = save_perturbations([run], asked, tmp_path / "out", weights=False)
    assert lines[-1].endswith("nor the learned weights, so that there are no p-values")


def test_several_runs_are_one_table(tmp_path: Path) -> None:
    recorded = session("monday", "abcd")
    runs = [linear_run(recorded), linear_run(recorded)]
    with torch.no_grad():
        runs[1].model.coefficients_0.mul_(3)
    asked = PerturbedNeurons(stimulate=["a"])
    lines = save_perturbations(runs, asked, tmp_path, horizon=1, weights=False)
    assert "seeds of 2 runs" in lines[-1]
    weights = runs[0].model.connectivity(recorded)[1:, 0]
    table = pd.read_csv(tmp_path / "monday-perturbation.csv")
    assert table["effect"].tolist() == pytest.approx((2 * weights).tolist(), rel=1e-4)
    assert table["error"].tolist() == pytest.approx((2**0.5 * weights.abs()).tolist(), rel=1e-3)
