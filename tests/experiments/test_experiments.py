import json

import numpy as np
import pytest
import torch
from helpers import make_session
from on_disk import write_bugeon

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.data.windows import Windows, windows_of
from synapsnet_pyg.experiments import rings, stdp, tasks, toy
from synapsnet_pyg.experiments.cell_types import from_type_to_type
from synapsnet_pyg.experiments.experiment import (
    LEAST_SQUARES,
    NETFORMER,
    SYNAPSNET,
    Experiment,
    Outcome,
    Trial,
    run_experiment,
)
from synapsnet_pyg.experiments.methods import least_squares
from synapsnet_pyg.experiments.registry import EXPERIMENTS, experiment
from synapsnet_pyg.experiments.seed_ensemble import to_zero, train_together
from synapsnet_pyg.models.netformer import NetFormer
from synapsnet_pyg.plots.canvas import Figure
from synapsnet_pyg.simulations.cell_types import CELL_TYPES, STRENGTH, simulate_cell_types


def models(session: Session, count: int) -> list[NetFormer]:
    made = []
    for seed in range(count):
        torch.manual_seed(seed)
        made.append(NetFormer([session], window=3, embedding_dim=4).double())
    return made


def test_training_together_is_training_alone():
    """The same batches, each model by a loop of its own."""
    session = make_session(N=4, T=60, K=2)
    session.activity, session.behaviour = session.activity.double(), session.behaviour.double()
    windows = windows_of(session, 3)[0]
    together, alone = models(session, 3), models(session, 3)
    train_together(together, windows, epochs=2, batch_size=16, learning_rate=0.01, schedule=to_zero(2))
    for seed, model in enumerate(alone):
        order, optimiser = torch.Generator().manual_seed(seed), torch.optim.Adam(model.parameters())
        steps = -(-len(windows) // 16)
        for epoch in range(2):
            for step, which in enumerate(torch.randperm(len(windows), generator=order).split(16)):
                optimiser.param_groups[0]["lr"] = 0.01 * (1 - (epoch + step / steps) / 2)
                window = windows.gather(which)
                optimiser.zero_grad()
                torch.nn.functional.mse_loss(model(window).activity, window.target).backward()
                optimiser.step()
    for one, other in zip(together, alone, strict=True):
        assert not one.training
        for found, expected in zip(one.parameters(), other.parameters(), strict=True):
            torch.testing.assert_close(found, expected, atol=1e-9, rtol=1e-7)


def test_least_squares_finds_a_plane_again():
    inputs = torch.randn(50, 3).double()
    weights, intercept = torch.randn(2, 3).double(), torch.tensor([0.5, -2.0]).double()
    found = least_squares(inputs, inputs @ weights.t() + intercept)
    torch.testing.assert_close(found[0], weights)
    torch.testing.assert_close(found[1], intercept)
    through_zero, nothing = least_squares(inputs, inputs @ weights.t(), intercept=False)
    torch.testing.assert_close(through_zero, weights)
    assert nothing.abs().max() == 0


def counted(calls: list[str], value: float, settings: dict | None = None) -> Experiment:
    def run() -> Outcome:
        calls.append("run")
        return Outcome([{"r": value}, {"r": value + 0.2}], {"matrix": np.eye(2)})

    cases = ("r = 0.5", "r = 0.75")
    return Experiment(
        "small",
        "A small one",
        {"r": "a score"},
        {(cases[0], NETFORMER): {"r": "0.9"}},
        [Trial(case, NETFORMER, run) for case in cases],
        lambda arrays: Figure(),
        settings or {"seeds": 2},
    )


def test_a_trial_is_run_once_and_stands_above_what_was_published(tmp_path):
    calls: list[str] = []
    told = run_experiment(counted(calls, 0.3), tmp_path)
    again = run_experiment(counted(calls, 0.3), tmp_path)
    assert len(calls) == 2
    assert told == again == json.loads((tmp_path / "small.json").read_text())
    assert told["rows"] == [
        ["r = 0.5", "NetFormer", "ours", "2", "0.400 +- 0.141"],
        ["r = 0.5", "NetFormer", "published", "", "0.9"],
        ["r = 0.75", "NetFormer", "ours", "2", "0.400 +- 0.141"],
    ]
    assert {path.suffix for path in tmp_path.glob("small.*")} == {".md", ".csv", ".tex", ".json", ".png"}
    with pytest.raises(ValueError, match="other settings"):
        run_experiment(counted(calls, 0.3, {"seeds": 3}), tmp_path)


def test_rows_are_brought_to_the_true_scale_even_against_their_sign():
    truth = torch.randn(4, 4)
    learned = truth * torch.tensor([2.0, -0.5, 1.0, 3.0])[:, None]
    off = ~torch.eye(4, dtype=torch.bool)
    torch.testing.assert_close(rings.rescaled(learned, truth)[off], truth.double()[off])


def test_types_are_averaged_over_true_edges_alone():
    session = simulate_cell_types(bins=20, neurons=60, seed=1)
    truth = session.true_connectivity
    found = from_type_to_type(truth + 5.0 * (truth == 0), session)
    for g, receiver in enumerate(CELL_TYPES):
        for h, sender in enumerate(CELL_TYPES):
            weights = [
                float(truth[i, j])
                for i in range(60)
                for j in range(60)
                if session.cell_type[i] == receiver and session.cell_type[j] == sender and truth[i, j] != 0
            ]
            assert found[g, h] == pytest.approx(np.mean(weights) if weights else 0.0, abs=1e-6)
    assert found.shape == STRENGTH.shape


def test_spikes_are_the_target_of_activation():
    spikes = rings.simulate_spiking_ring(300, coupling=0.015, skip=2000)
    session = rings.as_activation(spikes)
    window = Windows(session, torch.arange(7), 1, 1, target=spikes.activity).gather(torch.arange(7))
    assert torch.equal(window.target[..., 0], spikes.activity[:, 1:8].t())
    torch.testing.assert_close(window.activity[..., 0], session.activity[:, :7].t())


@pytest.mark.parametrize("name", ["netformer-toy", "stdp", "ring"])
def test_an_experiment_runs_through(name, tmp_path):
    small = {
        "netformer-toy": lambda: toy.toy(2, epochs=1),
        "stdp": lambda: stdp.plasticity(2, epochs=1, bins=1500),
        "ring": lambda: rings.ring(1, epochs=1, bins=600),
    }[name]()
    told = run_experiment(small, tmp_path)
    methods = {row[1] for row in told["rows"]}
    assert {NETFORMER, LEAST_SQUARES, SYNAPSNET} <= methods
    assert (tmp_path / f"{name}.png").stat().st_size > 5000


def test_least_squares_reproduces_what_was_published_of_toys(tmp_path):
    for system in toy.SYSTEMS:
        (score,) = toy._least_squares(system, 1).scores
        published = toy.PUBLISHED[system, LEAST_SQUARES]
        assert score["Spearman"] == pytest.approx(float(published[0]), abs=6e-4)
        assert score["Pearson"] == pytest.approx(float(published[1]), abs=6e-4)


def test_least_squares_reproduces_what_was_published_of_tasks(recording):
    for folder, task in (("netformer-perceptualdecision", "perceptual-decision"), ("netformer-gonogo", "go-nogo")):
        (trial,) = [
            trial
            for trial in tasks.tasks(1, published=[recording(folder)]).trials
            if (trial.case, trial.method) == (task, LEAST_SQUARES)
        ]
        (score,) = trial.run().scores
        published = tasks.PUBLISHED[task, LEAST_SQUARES]
        assert score["Spearman"] == pytest.approx(float(published[0]), abs=6e-4)
        assert score["Pearson"] == pytest.approx(float(published[1]), abs=6e-4)


def test_the_mice_are_analysed_by_type_and_state(tmp_path):
    write_bugeon(tmp_path / "bugeon", frames=800)
    made = experiment("states", quick=True, data=[str(tmp_path / "bugeon")])
    (mice,) = [trial for trial in made.trials if trial.case == "mice"]
    outcome = mice.run()
    assert outcome.arrays["learned"].shape == (3, 4, 4)
    assert -1 <= outcome.scores[0]["pooled r"] <= 1


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("toys", {}, "an experiment among"),
        ("stdp", {"seeds": 0}, "at least 1 seed"),
        ("ring", {"data": ["somewhere"]}, "recordings for taskrnn, states only"),
        ("taskrnn", {"data": ["nowhere"]}, "nowhere"),
    ],
)
def test_tells_what_is_wrong(name, arguments, message):
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        experiment(name, **arguments)


def test_every_experiment_has_its_published_size_and_a_quick_one():
    for name, choice in EXPERIMENTS.items():
        full, quick = experiment(name), experiment(name, quick=True)
        assert full.name == quick.name == name
        assert full.settings["seeds"] == choice.seeds > quick.settings["seeds"]
        assert {trial.method for trial in full.trials} >= {NETFORMER, LEAST_SQUARES, SYNAPSNET}
