"""Real recordings, as their users would type it. Each is skipped where its folder is absent."""

import json

import pytest

from synapsnet_pyg.cli import main
from synapsnet_pyg.session import Session


def run(capsys, *arguments):
    assert main([str(argument) for argument in arguments]) == 0
    return capsys.readouterr().out


def scores(capsys, run_folder, session):
    return json.loads(run(capsys, "evaluate", run_folder, "--json"))["sessions"][session]


def test_monkey_anchors_are_those_of_the_design(recording, tmp_path, capsys):
    source = recording("monkey-m1-stevenson/m1_stevenson_2011.mat")
    arguments = "--activity spikes --axes neuron,bin --behaviour handVel,handPos --bin-size 0.05".split()
    out = run(capsys, "convert", source, tmp_path / "m1.h5", *arguments)
    assert "171 neurons, 15536 bins" in out
    run(capsys, "fit", tmp_path / "m1.h5", "--out", tmp_path / "run", "--model", "var1")
    models = scores(capsys, tmp_path / "run", "m1")
    for anchor, wanted in {"copy": 0.135, "ar5": 0.200, "var1": 0.240, "var5": 0.2415}.items():
        assert models[anchor]["correlation"] == pytest.approx(wanted, abs=0.003)


@pytest.mark.slow
def test_monkey_synapsnet_beats_the_anchors(recording, tmp_path, capsys):
    source = recording("monkey-m1-stevenson/m1_stevenson_2011.mat")
    arguments = "--activity spikes --axes neuron,bin --behaviour handVel,handPos --bin-size 0.05".split()
    run(capsys, "convert", source, tmp_path / "m1.h5", *arguments)
    run(capsys, "fit", tmp_path / "m1.h5", "--out", tmp_path / "run", "--epochs", 20)
    models = scores(capsys, tmp_path / "run", "m1")
    assert models["synapsnet"]["correlation"] >= 0.245
    assert models["synapsnet"]["correlation"] > max(s["correlation"] for m, s in models.items() if m != "synapsnet")


def test_worm_with_behaviour(recording, tmp_path, capsys):
    folder = recording("celegans-flavell-wholebrain")
    source = sorted(folder.glob("*.npz"))[0]
    arguments = (
        "--activity trace_zscored --axes bin,neuron --bin-size 0.6 --behaviour behavior_velocity,behavior_head_angle"
    )
    run(capsys, "convert", source, tmp_path / "worm.h5", *arguments.split(), "--fields", "neuron_label")
    session = Session.load(tmp_path / "worm.h5")
    assert session.num_behaviours == 2
    assert len(session.neuron_label) == session.num_neurons
    fit = ["--preset", "fast", "--epochs", 2, "--model-args.forecast_change", "true"]
    run(capsys, "fit", tmp_path / "worm.h5", "--out", tmp_path / "run", *fit)
    models = scores(capsys, tmp_path / "run", "worm")
    # Spikes reward connectivity, slow calcium rewards persistence.
    assert models["copy"]["correlation"] > models["var1"]["correlation"]


def test_steinmetz_trials_are_segments(recording, tmp_path, capsys):
    source = sorted(recording("mouse-steinmetz-neuropixels").glob("*.npz"))[0]
    arguments = "--activity spks --axes trial,neuron,bin --bin-size 0.01 --rebin 3 --areas brain_area"
    out = run(
        capsys, "convert", source, tmp_path / "s.h5", *arguments.split(), "--behaviour", "contrast_left,contrast_right"
    )
    session = Session.load(tmp_path / "s.h5")
    assert f"{len(session.segment)} segment(s)" in out
    assert set((session.segment[:, 1] - session.segment[:, 0]).tolist()) == {13}
    assert len(set(session.area)) > 1
    run(capsys, "fit", tmp_path / "s.h5", "--out", tmp_path / "run", "--model", "var1")
    assert 0 < scores(capsys, tmp_path / "run", "s")["var1"]["correlation"] < 1
