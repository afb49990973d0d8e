import numpy as np
import pytest
import torch

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.regression.least_squares import moments
from synapsnet_pyg.simulations.registry import simulation
from synapsnet_pyg.simulations.stdp import STRONGEST, simulate_stdp


@pytest.fixture(scope="module")
def published():
    return simulate_stdp()


def test_least_squares_forecasts_the_voltage_as_published(published):
    voltage = published.activity[:1]
    standardised = (voltage - voltage[:, :80_000].mean()) / voltage[:, :80_000].std()
    session = Session(torch.cat([standardised, published.activity[1:]]), bin_size=0.001)
    seen, held_out = moments(session.slice(0, 80_000), lags=5), moments(session.slice(79_995, 100_000), lags=5)
    assert held_out.bins == 20_000
    c = torch.linalg.solve(seen.uu, seen.yu[0])  # of 505 inputs, without an intercept
    error = held_out.yy[0] - 2 * c @ held_out.yu[0] + c @ held_out.uu @ c
    assert error.item() == pytest.approx(0.138, abs=0.002)
    assert 1 - (error / (held_out.yy[0] - held_out.y[0] ** 2)).item() == pytest.approx(0.777, abs=0.002)


def test_weights_part_into_weak_and_strong_ones(published):
    weights = published.edge_weight_series
    assert weights.min() >= 0
    assert weights.max() <= STRONGEST
    assert torch.equal(weights[:, 0], torch.full((100,), 0.014))
    early, late = (weights[:, t].histc(6, 0, STRONGEST).tolist() for t in (10_000, 99_999))
    assert early[2] + early[3] + early[4] >= 95
    assert late[0] + late[5] >= 50
    assert max(late[1:5]) < min(late[0], late[5])


def test_spikes_of_inputs_and_neuron(published):
    inputs = published.activity[1:]
    assert set(inputs.unique().tolist()) == {0, 1}
    assert inputs.mean().item() == pytest.approx(0.05, abs=0.001)
    resting = (published.activity[0] == -75).int()
    assert int(resting.sum()) == 3 * 813  # its spikes, at each of which it rests for 3 ms
    assert published.activity[0].max() < -55
    assert published.bin_size == 0.001


def test_a_bin_acts_on_the_next_by_the_recorded_weights(published):
    part = published.slice(0, 3000)
    v, w, s = part.activity[0].double(), part.edge_weight_series.double(), part.activity[1:].double()
    arriving, g, expected = (w * s).sum(0), 0.0, torch.empty(3000, dtype=torch.float64)
    for t in range(2999):
        g = 0.8 * g + arriving[t]
        expected[t + 1] = v[t] + (-(v[t] + 75) - g * v[t]) / 10
    free = (v != -75) & (torch.arange(3000) > 0)
    assert 0 < int((~free).sum()) < 1000
    torch.testing.assert_close(v[free], expected[free], atol=1e-4, rtol=0)


def test_weights_move_by_the_rule():
    """By hand, from the spikes alone: how each input's and the neuron's spikes before raise and lower its weight."""
    session = simulate_stdp(bins=900, seed=1)
    inputs, resting = session.activity[1:].double().numpy(), session.activity[0].numpy() == -75
    spiked, rest = [], 0
    for t in range(900):
        if resting[t] and rest == 0:
            spiked.append(t)
            rest = 3
        rest = max(rest - 1, 0)
    assert len(spiked) > 5
    for i in (0, 31, 99):
        w, course, fired = 0.014, [], [t for t in range(1, 900) if inputs[i, t]]
        for t in range(900):
            if t in spiked:
                w += STRONGEST * 0.008 * sum(0.95 ** (t - one) for one in fired if one <= t)
                w = min(w, STRONGEST)
            course.append(w)
            if inputs[i, t]:
                w -= STRONGEST * 0.0088 * sum(0.95 ** (t - one) for one in spiked if one <= t)
                w = max(w, 0.0)
        assert session.edge_weight_series[i].tolist() == pytest.approx(course, abs=1e-8)


def test_session_and_name():
    session = simulation("stdp", {"bins": 40, "synapses": 6})(0, 3, name="mine")
    assert (session.name, session.num_neurons, session.num_bins) == ("mine", 7, 40)
    assert session.edge_index.tolist() == [[1, 2, 3, 4, 5, 6], [0] * 6]
    assert session.true_connectivity[0, 1:].tolist() == session.edge_weight_series.mean(1).tolist()
    assert np.array_equal(session.activity, simulate_stdp(bins=40, seed=3, synapses=6).activity)
    with pytest.raises(ValueError, match="synapses >= 1"):
        simulate_stdp(synapses=0)
