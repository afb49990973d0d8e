from dataclasses import replace

import numpy as np
import pytest
import torch

from synapsnet_pyg.simulations.spiking_network import SpikingNetwork, _State, simulate_spiking_network


def one_synapse(weight, delay, mean=0.0, noise=0.0):
    """A network of three neurons, of which 0 drives 1; bins of 10 ms, steps of 0.5 ms."""
    network = SpikingNetwork.draw(np.random.default_rng(0), 3)
    weights, delays = np.zeros((3, 3)), np.full((3, 3), delay)
    weights[1, 0] = weight
    return replace(network, weights=weights, delay=delays, mean=np.full(3, mean), noise=np.full(3, noise))


def test_rates_are_low_and_asynchronous():
    session = simulate_spiking_network(bins=2000)
    rates = session.activity.mean(1) / 0.01
    assert 4 < rates.mean() < 9
    assert (rates > 0.5).all()
    assert (rates < 25).all()
    assert ((rates > 2) & (rates < 15)).float().mean() > 0.85
    mean_correlation = (torch.corrcoef(session.activity).sum() - 200) / (200 * 199)
    assert 0 < mean_correlation < 0.02
    # Less regular than a clock, close to Poisson.
    assert (session.activity.var(1) / session.activity.mean(1)).mean() == pytest.approx(0.9, abs=0.15)


def test_senders_have_one_sign():
    session = simulate_spiking_network(bins=5, neurons=100)
    truth = session.true_connectivity
    assert truth.diagonal().abs().max() == 0
    assert (truth != 0).float().mean() == pytest.approx(0.1, abs=0.01)
    for sender, kind in enumerate(session.cell_type):
        assert (truth[:, sender] * (1 if kind == "excitatory" else -1) >= 0).all()


@pytest.mark.parametrize("bin_size", [0.002, 0.005, 0.01, 0.033, 1 / 30])
def test_steps_divide_the_bin(bin_size):
    network = SpikingNetwork.draw(np.random.default_rng(0), 5, bin_size=bin_size)
    assert network.step * network.bin_steps == pytest.approx(1000 * bin_size)
    assert network.step <= (0.25 if bin_size < 0.005 else 0.5)


@pytest.mark.parametrize("delay", [1.0, 12.0, 22.0])
def test_a_strong_synapse_acts_after_its_delay(delay):
    network = one_synapse(25.0, delay)
    state = _State.at_rest(network, np.random.default_rng(0), (1,))
    state.potential[...] = 0
    fired = [1 in spikes for spikes in state.run(np.zeros((60, 1, 3), dtype=np.float32), forced=np.array([0]))]
    assert sum(fired) == 1
    latency = fired.index(True)  # in steps of 0.5 ms
    assert delay < latency / 2 < delay + 6
    # The pulse comes at a random one of the 20 steps of a bin.
    expected = np.bincount((np.arange(20) + latency) // 20, minlength=5)[:4] / 20
    response = network.response(np.random.default_rng(1), horizon=4, starts=2000)
    assert response.mean[1, 0] == pytest.approx(expected, abs=0.04)
    assert response.error[1, 0] == pytest.approx(np.sqrt(expected * (1 - expected) / 2000), abs=2e-3)
    assert response.mean[0, 1].tolist() == response.mean[2, 0].tolist() == [0, 0, 0, 0]
    assert response.mean[0, 0].tolist() == [1, 0, 0, 0]


def test_a_weight_is_the_peak_of_the_potential():
    network = one_synapse(3.0, 2.0)
    state = _State.at_rest(network, np.random.default_rng(0), (1,))
    state.potential[...] = 0
    potential = []
    for _ in state.run(np.zeros((120, 1, 3), dtype=np.float32), forced=np.array([0])):
        potential.append(float(state.potential[0, 1]))
    assert max(potential) == pytest.approx(3.0, rel=1e-3)
    assert np.flatnonzero(np.array(potential) > 0)[0] == pytest.approx(4, abs=1)  # 2 ms later


def test_response_is_that_of_many_pulses_in_one_long_run():
    """A spike is forced now and then into one recording; the spikes around it are compared with those elsewhere."""
    network = one_synapse(6.0, 1.5, mean=12.0, noise=4.0)
    response = network.response(np.random.default_rng(1), horizon=3, starts=6000)
    random, horizon = np.random.default_rng(2), 3
    state = _State.at_rest(network, random, (4000, 1))
    for _ in state.run(network._drive(state, random, 400)):
        pass
    total = {}
    for pulsed in (False, True):
        offset = np.random.default_rng(3).integers(0, network.bin_steps, 4000)
        copies = state.copies(slice(None), 1)
        counts = np.zeros((4000, 3, horizon))
        drive = network._drive(copies, np.random.default_rng(4), horizon * network.bin_steps)
        places = np.arange(4000) * 3 if pulsed else None
        for step, fired in enumerate(copies.run(drive, forced=places)):
            later = (offset[fired // 3] + step) // network.bin_steps
            np.add.at(counts, (fired[later < horizon] // 3, fired[later < horizon] % 3, later[later < horizon]), 1)
        total[pulsed] = counts.mean(0)
    expected = total[True] - total[False]
    assert expected[1].max() > 0.05
    assert response.mean[:, 0] == pytest.approx(expected, abs=0.02)
    error = response.error[1, 0]
    assert (np.abs(response.mean[1, 0] - expected[1]) < 5 * error).all()


def test_delays_above_the_bin_act_later():
    early, late = (
        simulate_spiking_network(bins=5, neurons=40, delay=delay, response=True, horizon=4, starts=300)
        for delay in ((1.0, 4.0), (15.0, 25.0))
    )
    for session, peak in ((early, (0, 1)), (late, (2, 3))):
        strength = session.true_response[session.true_connectivity != 0].abs().mean(0)
        assert int(strength.argmax()) in peak
    signs = early.true_response.sum(2).sign()[early.true_connectivity > 5]
    assert signs.float().mean() > 0.5


def test_unseen_drives_correlate_neurons():
    one, other = (simulate_spiking_network(bins=3000, neurons=40, coupling=0.0, hidden_drive=h) for h in (0.0, 0.5))
    spread = [torch.corrcoef(session.activity).fill_diagonal_(0).abs().mean() for session in (one, other)]
    assert spread[1] > 1.4 * spread[0]  # the first is chance alone
    assert 0.5 < other.activity.mean() / one.activity.mean() < 1.1  # slow noise meets the threshold less often


def test_the_same_seed_makes_the_same_session_and_a_part_is_a_part():
    whole = simulate_spiking_network(50, 3, neurons=20, response=True, starts=5)
    again = simulate_spiking_network(50, 3, neurons=20, response=True, starts=5)
    part = simulate_spiking_network(50, 3, neurons=20, recorded=8, response=True, starts=5)
    assert torch.equal(whole.activity, again.activity)
    assert torch.equal(whole.true_response, again.true_response)
    rows = [int(one.split("/")[1]) for one in part.neuron_id]
    assert torch.equal(part.activity, whole.activity[rows])
    assert torch.equal(part.true_connectivity, whole.true_connectivity[rows][:, rows])
    assert torch.equal(part.true_response, whole.true_response[rows][:, rows])
    assert not torch.equal(whole.activity, simulate_spiking_network(50, 4, neurons=20).activity)


def test_refuses_numbers_out_of_range():
    for wrong in ({"recorded": 300}, {"delay": (3.0, 1.0)}, {"hidden_drive": 1.0}, {"bins": 0}):
        with pytest.raises(ValueError, match="Expected"):
            simulate_spiking_network(**{"bins": 5, **wrong})
    with pytest.raises(ValueError, match="starts >= 2"):
        simulate_spiking_network(5, neurons=5, response=True, starts=1)
