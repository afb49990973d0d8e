import numpy as np
import pytest
import torch

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.metrics import connectivity_score
from synapsnet_pyg.simulations.registry import simulation
from synapsnet_pyg.simulations.toy_systems import START, STEP, SYSTEMS, simulate_toy_system


@pytest.mark.parametrize(
    ("system", "spearman", "pearson"),
    [
        ("linear-static", 1.000, 1.000),
        ("tanh-static", 0.907, 0.894),
        ("linear-dynamic", 0.935, 0.883),
        ("tanh-dynamic", 0.650, 0.682),
    ],
)
def test_least_squares_scores_as_published(system, spearman, pearson):
    session = simulate_toy_system(system)
    inputs, targets = session.activity[:, :3000], session.activity[:, 1:]
    estimate = torch.linalg.lstsq(inputs[:, :2400].t(), targets[:, :2400].t()).solution.t()
    score = connectivity_score(estimate, session.slice(2400, 3000).true_connectivity)
    assert score.spearman == pytest.approx(spearman, abs=6e-4)
    assert score.pearson == pytest.approx(pearson, abs=6e-4)


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_bin_acts_on_the_next_with_the_true_weights(system):
    session = simulate_toy_system(system, bins=211, skip=3)
    x = session.activity.t()
    change = (session.true_connectivity_at(torch.arange(210)) @ x[:-1, :, None])[..., 0]
    if system == "linear-static":
        expected = x[:-1] @ torch.matrix_exp(STEP * session.true_connectivity).t()
    else:
        expected = x[:-1] + STEP * (change.tanh() if system.startswith("tanh") else change)
    torch.testing.assert_close(x[1:], expected, atol=1e-12, rtol=0)


def test_weights_change_where_the_system_is_dynamic():
    for system, feedback in (("linear-dynamic", [-1, 1, -1, 2, -1]), ("tanh-dynamic", [-1, -1, 1, 1, 1])):
        session, static = (
            simulate_toy_system(system, bins=40),
            simulate_toy_system(system.replace("dynamic", "static"), bins=40),
        )
        change = session.true_connectivity_at(torch.tensor([31]))[0] - static.true_connectivity
        expected = torch.outer(session.activity[:, 31], torch.tensor(feedback, dtype=torch.float64))
        torch.testing.assert_close(change, expected, atol=1e-12, rtol=0)
        assert "edge_weight_series" not in static


@pytest.mark.parametrize(
    ("system", "expected"),
    [
        ("linear-static", [-0.18673, -0.08128 - 0.81576j, -0.08128 + 0.81576j, -1.64440j, 1.64440j]),
        ("tanh-static", [-1.33050, -0.31419 - 0.16704j, -0.31419 + 0.16704j, -0.73172j, 0.73172j]),
    ],
)
def test_one_oscillation_neither_grows_nor_decays(system, expected):
    values = np.linalg.eigvals(SYSTEMS[system].weights)
    assert np.sort_complex(values.round(5)) == pytest.approx(np.sort_complex(expected), abs=2e-5)


def test_bins_start_after_the_skipped_states(tmp_path):
    session = simulate_toy_system("tanh-static", bins=20, skip=0)
    assert session.activity[:, 0].tolist() == START.tolist()
    later = simulate_toy_system("tanh-static", bins=13, seed=5)
    assert torch.equal(later.activity, session.activity[:, 7:])
    assert later.activity.dtype == later.edge_weight.dtype == torch.float64
    assert later.edge_index.shape == (2, 25)
    later.save(tmp_path / "toy.h5")
    assert torch.equal(Session.load(tmp_path / "toy.h5").activity, later.activity)


def test_is_found_by_name():
    made = simulation("toy-systems", {"system": "linear-dynamic", "bins": 30})(2, 0, name="mine")
    assert (made.name, made.num_bins) == ("mine", 30)
    with pytest.raises(ValueError, match="system among linear-static"):
        simulate_toy_system("circular")
    with pytest.raises(ValueError, match="bins >= 1"):
        simulate_toy_system(bins=0)
