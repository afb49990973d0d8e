import numpy as np
import pytest
import torch

from synapsnet_pyg.datasets.task_networks import read_task_network
from synapsnet_pyg.metrics import connectivity_score
from synapsnet_pyg.simulations.registry import simulation
from synapsnet_pyg.simulations.task_networks import (
    TASKS,
    delay_comparison,
    go_nogo,
    perceptual_decision,
    simulate_task_network,
    train_on_task,
)

FILES = ("hidden_activity_alltrials", "inputs_alltrials", "W_hidden_GT")


def pairs_of(session):
    """Activity and behaviour of each bin, and the activity of the next, by trial: [trials, steps - 1, .]."""
    trials, steps = len(session.segment), int(session.segment[0, 1])
    x, u = (part.double().reshape(trials, steps, -1) for part in (session.activity.t(), session.behaviour))
    return torch.cat([x, u], dim=2)[:, :-1], x[:, 1:]


def weights_from_activity(session):
    """What least squares makes of the next bin's inner sum, which is exactly linear in activity and behaviour."""
    inputs, targets = (part.flatten(0, 1) for part in pairs_of(session))
    inputs = torch.cat([inputs, torch.ones(len(inputs), 1)], dim=1)
    return torch.linalg.lstsq(inputs, targets.atanh()).solution[: session.num_neurons].t()


def test_trials_of_each_task():
    random = np.random.default_rng(0)
    trials = perceptual_decision(random, 400)
    assert trials.inputs.shape == (400, 22, 3)
    assert trials.inputs[0, :, 0].tolist() == [1] * 21 + [0]
    assert not trials.inputs[:, [0, 21], 1:].any()
    assert not trials.choice[:, :21].any()
    stronger = (trials.inputs[..., 2] - trials.inputs[..., 1]).sum(1) > 0
    assert (stronger == (trials.choice[:, 21] == 2)).mean() > 0.8

    trials = go_nogo(random, 50)
    assert trials.inputs.shape == (50, 15, 3)
    assert len(np.unique(trials.inputs, axis=0)) == 2
    assert np.array_equal(trials.choice[:, 10], trials.inputs[:, 0, 2])
    assert np.array_equal(trials.choice[:, 14], trials.inputs[:, 4, 2])
    assert not trials.inputs[:, 10:].any()

    trials = delay_comparison(random, 300)
    assert trials.inputs.shape == (300, 26, 2)
    assert not trials.inputs[:, [4, 10, 19, 25], 1].any()
    first, second = trials.inputs[:, 5:10, 1].mean(1), trials.inputs[:, 20:25, 1].mean(1)
    assert ((second > first) == (trials.choice[:, 25] == 2)).mean() > 0.99
    assert np.abs(second - first).mean() == pytest.approx(1 / 3, abs=0.02)


@pytest.mark.parametrize(
    ("task", "steps", "neurons"), [("perceptual-decision", 22, 4), ("go-nogo", 15, 8), ("delay-comparison", 26, 12)]
)
def test_a_bin_holds_all_that_the_next_comes_of(task, steps, neurons):
    session, network = simulate_task_network(task, trials=9, updates=2), train_on_task(task, updates=2).recurrent
    assert (session.num_neurons, session.num_bins) == (neurons, 9 * steps)
    assert session.segment[3].tolist() == [3 * steps, 4 * steps]
    assert session.behaviour_name[:2] == ["fixation", "stimulus 1"]
    assert not session.behaviour[steps - 1 :: steps].any()  # nothing follows the last bin of a trial
    drive = session.true_connectivity @ session.activity + network.weight_ih_l0 @ session.behaviour.t()
    after = (drive + (network.bias_ih_l0 + network.bias_hh_l0)[:, None]).tanh()
    inner = torch.arange(9 * steps).remainder(steps) < steps - 1
    torch.testing.assert_close(session.activity[:, 1:][:, inner[:-1]], after[:, inner], atol=1e-6, rtol=0)


def test_activity_gives_the_weights_back():
    session = simulate_task_network(trials=90, updates=20)
    torch.testing.assert_close(weights_from_activity(session), session.true_connectivity.double(), atol=1e-4, rtol=0)


def test_each_trial_begins_from_no_activity():
    session = simulate_task_network("go-nogo", trials=11, updates=3)
    network = train_on_task("go-nogo", updates=3)
    first = session.activity[:, ::15]
    kinds = [network(torch.tensor([[[1.0, nogo, 1 - nogo]]]))[0][0, 0] for nogo in (0.0, 1.0)]
    apart = torch.stack([(first - kind.detach()[:, None]).abs().amax(0) for kind in kinds])
    assert apart.amin(0).max() < 1e-6
    assert session.activity.unique(dim=1).shape[1] <= 30  # only two different trials


def test_a_trained_network_knows_when_to_act():
    network = train_on_task("go-nogo", updates=300)
    trials = go_nogo(np.random.default_rng(5), 40)
    choice = network(torch.from_numpy(trials.inputs).float())[1].argmax(2).numpy()
    assert np.array_equal(choice, trials.choice)


@pytest.mark.slow
@pytest.mark.parametrize(("task", "share"), [("perceptual-decision", 0.86), ("delay-comparison", 0.97)])
def test_networks_learn_their_task_as_the_published_ones(task, share):
    network = train_on_task(task)
    trials = TASKS[task].draw(np.random.default_rng(5), 1000)
    choice = network(torch.from_numpy(trials.inputs).float())[1].argmax(2).numpy()
    assert (choice[:, :-1] == 0).mean() > 0.99
    assert (choice[:, -1] == trials.choice[:, -1]).mean() > share


def test_seeds_decide_and_the_random_numbers_of_others_are_left_alone():
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    one, same, other = (simulate_task_network("go-nogo", trials=5, seed=seed, updates=2) for seed in (4, 4, 5))
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(one.activity, same.activity)
    assert not torch.equal(one.edge_weight, other.edge_weight)


def test_published_network_gives_its_weights_back(recording):
    folder = recording("netformer-perceptualdecision")
    session = read_task_network(folder)
    assert (session.name, session.num_neurons, len(session.segment)) == (folder.name, 4, 1000)
    assert (session.num_bins, session.num_behaviours, session.bin_size) == (22_000, 3, 0.1)
    torch.testing.assert_close(weights_from_activity(session), session.true_connectivity.double(), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("folder", "seen", "spearman", "pearson"),
    [("netformer-perceptualdecision", 5, 0.566, 0.548), ("netformer-gonogo", 1, 0.518, 0.553)],
)
def test_least_squares_scores_as_published(recording, folder, seen, spearman, pearson):
    session = read_task_network(recording(folder))
    # Of 800 trials, from the bin on that has ``seen`` bins with itself, without an intercept.
    inputs, targets = (part[:800, seen - 1 :].flatten(0, 1) for part in pairs_of(session))
    estimate = torch.linalg.lstsq(inputs, targets, driver="gelsd").solution[: session.num_neurons].t()
    score = connectivity_score(estimate, session.true_connectivity)
    assert [score.spearman, score.pearson] == pytest.approx([spearman, pearson], abs=6e-4)


def test_published_go_nogo_has_two_trials(recording):
    session = read_task_network(recording("netformer-gonogo"), name="go")
    assert (session.name, session.num_neurons, session.num_bins) == ("go", 8, 15_000)
    assert session.activity.unique(dim=1).shape[1] <= 30


def test_says_what_is_wrong_with_a_folder(tmp_path):
    arrays = dict(zip(FILES, (np.zeros((3, 7, 5)), np.zeros((3, 7, 2)), np.eye(5)), strict=True))
    with pytest.raises(FileNotFoundError, match="hidden_activity_alltrials"):
        read_task_network(tmp_path)
    for key, array in arrays.items():
        np.save(tmp_path / f"{key}.npy", array)
    assert read_task_network(tmp_path).num_bins == 21
    for key, bad, words in (
        ("inputs_alltrials", np.zeros((3, 6, 2)), "fit the activity"),
        ("W_hidden_GT", np.eye(4), "fit the activity"),
        ("W_hidden_GT", np.zeros(5), "2 axes"),
        ("inputs_alltrials", np.array([[[None]]]), "pickled objects"),
    ):
        np.save(tmp_path / f"{key}.npy", bad)
        with pytest.raises(ValueError, match=words):
            read_task_network(tmp_path)
        np.save(tmp_path / f"{key}.npy", arrays[key])


def test_is_found_by_name():
    made = simulation("task-networks", {"task": "delay-comparison", "trials": 2, "neurons": 5, "updates": 0})(0, 2)
    assert (made.name, made.num_neurons) == ("delay-comparison-2", 5)
    for arguments, words in (({"task": "chess"}, "task among"), ({"trials": 0}, "trials >= 1")):
        with pytest.raises(ValueError, match=words):
            simulate_task_network(**arguments)
    with pytest.raises(ValueError, match="updates >= 0"):
        train_on_task("go-nogo", updates=-1)
