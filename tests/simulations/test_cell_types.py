import numpy as np
import pytest
import torch

from synapsnet_pyg.connectivity.lagged_correlation import correlate
from synapsnet_pyg.metrics import connectivity_score, ranks
from synapsnet_pyg.regression.least_squares import moments
from synapsnet_pyg.simulations.cell_types import (
    CELL_TYPES,
    CONNECTION_PROBABILITY,
    STATE_GAIN,
    STATES,
    STRENGTH,
    simulate_cell_types,
    true_weights_by_state,
)
from synapsnet_pyg.simulations.registry import simulation


def type_of(session):
    return np.array([CELL_TYPES.index(one) for one in session.cell_type])


def mean_over_true_edges(estimate, session):
    """[4, 4], of receiver and sender; 0 where two types share no edge."""
    indicator = torch.eye(4, dtype=torch.float64)[type_of(session)]
    edges = (session.true_connectivity != 0).double()
    count = indicator.t() @ edges @ indicator
    return indicator.t() @ (edges * estimate) @ indicator / count.clamp_min(1)


def scores_of(estimate, session):
    """Pearson and Spearman of all N x N weights, and of the K x K means, as the published ones."""
    whole = connectivity_score(estimate, session.true_connectivity, diagonal=True)
    found, known = mean_over_true_edges(estimate, session).numpy().ravel(), STRENGTH.ravel()
    by_type = [float(np.corrcoef(*pair)[0, 1]) for pair in ((found, known), (ranks(found), ranks(known)))]
    return [whole.pearson, whole.spearman, *by_type]


def test_anchors_of_the_published_population():
    session = simulate_cell_types()
    assert (session.true_connectivity != 0).float().mean().item() == pytest.approx(0.13, abs=0.005)
    train = session.split().train
    assert scores_of(correlate(train, 1), session) == pytest.approx([0.82, 0.513, 0.887, 0.725], abs=0.012)
    found = moments(train).solution(0.0)[0]
    assert scores_of(found, session) == pytest.approx([0.843, 0.522, 0.89, 0.79], abs=0.012)
    assert connectivity_score(found, session.true_connectivity, diagonal=True).auroc == pytest.approx(0.91, abs=0.01)
    # Nothing of it is seen without a lag.
    still = correlate(train, 0).fill_diagonal_(0)
    assert abs(connectivity_score(still, session.true_connectivity, diagonal=True).pearson) < 0.1


def test_edges_follow_the_two_tables():
    session = simulate_cell_types(bins=1, seed=1, neurons=1000)
    kind = type_of(session)
    assert np.bincount(kind).tolist() == [760, 80, 80, 80]
    weights = session.true_connectivity.numpy()
    for k in range(4):
        for m in range(4):
            block = weights[np.ix_(kind == k, kind == m)]
            edges = block[block != 0]
            assert edges.size / block.size == pytest.approx(CONNECTION_PROBABILITY[k, m], abs=0.02)
            if edges.size > 300:
                assert edges.mean() == pytest.approx(STRENGTH[k, m], abs=0.025)
                assert edges.std() == pytest.approx(0.1, abs=0.02)
    assert weights.diagonal().any()


def test_recorded_neurons_are_those_of_the_whole():
    whole, part = (simulate_cell_types(bins=60, seed=3, neurons=31, recorded=recorded) for recorded in (None, 12))
    rows = [int(one.split("/")[1]) for one in part.neuron_id]
    assert rows == sorted(set(rows))
    assert len(rows) == 12
    assert torch.equal(part.activity, whole.activity[rows])
    assert torch.equal(part.true_connectivity, whole.true_connectivity[rows][:, rows])
    assert part.cell_type == [whole.cell_type[row] for row in rows]
    assert part.num_behaviours == 0
    assert not torch.equal(whole.activity, simulate_cell_types(bins=60, seed=4, neurons=31).activity)


def test_each_state_has_its_wiring():
    session = simulate_cell_types(bins=1500, seed=2, neurons=26, noise=0.0, states=3)
    weights = true_weights_by_state(session)
    state = session.behaviour.argmax(1)
    assert session.behaviour.sum(1).eq(1).all()
    assert session.behaviour_name == list(STATES)
    assert len(state.unique()) == 3
    # Without noise a bin tells the bias, by the wiring of the state before: the same one, whatever the state.
    drive = (weights[state[:-1]] @ session.activity.t()[:-1, :, None])[..., 0]
    bias = session.activity.t()[1:].double().clamp(-1 + 1e-7, 1 - 1e-7).atanh() - drive
    settled = session.activity[:, 1:].abs().amax(1) < 0.99
    assert settled.sum() > 15
    torch.testing.assert_close(bias[1:, settled], bias[1:2, settled].expand(1498, -1), atol=1e-3, rtol=0)


def test_true_weights_by_state_are_the_gains_and_average_to_the_edges():
    session = simulate_cell_types(bins=2000, neurons=50, recorded=40, states=3)
    weights = true_weights_by_state(session)
    share = session.behaviour.mean(0)
    torch.testing.assert_close((share[:, None, None] * weights).sum(0), session.true_connectivity)
    kind = torch.from_numpy(type_of(session))
    gain = torch.from_numpy(STATE_GAIN).float()[:, kind]
    torch.testing.assert_close(weights * gain[1, None, :], weights[1] * gain[:, None, :])
    # A part of the recording tells the same.
    torch.testing.assert_close(true_weights_by_state(session.slice(0, 100).standardise()), weights)
    with pytest.raises(ValueError, match="simulated with states"):
        true_weights_by_state(simulate_cell_types(bins=5, neurons=7))


def test_states_last():
    state = simulate_cell_types(bins=30_000, neurons=1, states=3).behaviour.argmax(1)
    changes = int((state[1:] != state[:-1]).sum())
    assert 30_000 / changes == pytest.approx(200, rel=0.2)
    assert state.bincount().min() > 5000


def test_is_found_by_name():
    made = simulation("cell-types", {"bins": 20, "neurons": 9, "recorded": 4})(3, 1)
    assert (made.name, made.num_neurons) == ("cell-types-4", 4)
    with pytest.raises(ValueError, match="recorded <= neurons"):
        simulate_cell_types(neurons=5, recorded=6)
    with pytest.raises(ValueError, match="2 or 3 states"):
        simulate_cell_types(bins=5, states=4)
