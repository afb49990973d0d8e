import numpy as np
import pytest
import torch

from synapsnet_pyg.simulations.calcium_indicator import _frames_of_spike, _through_indicator, simulate_calcium_indicator
from synapsnet_pyg.simulations.spiking_network import simulate_spiking_network

SMALL = {"neurons": 100, "coupling": 0.0}


def autocorrelation(session, lag):
    a = session.activity - session.activity.mean(1, keepdim=True)
    return float((a[:, lag:] * a[:, :-lag]).sum() / a.square().sum())


@pytest.mark.parametrize("bin_size", [1 / 30, 0.1])
def test_decay_is_that_of_the_indicator(bin_size):
    session = simulate_calcium_indicator(round(60 / bin_size), **SMALL, bin_size=bin_size, noise=0.0)
    lag = round(0.2 / bin_size)
    decay = -lag * bin_size / np.log(autocorrelation(session, lag))
    assert decay == pytest.approx(0.5, rel=0.1)


def test_noise_is_half_the_deviation_of_the_signal():
    clean, noisy = (simulate_calcium_indicator(600, **SMALL, noise=noise) for noise in (0.0, 0.5))
    noise = (noisy.activity - clean.activity).std(1)
    assert torch.allclose(noise, 0.5 * clean.activity.std(1), rtol=0.15)


def test_a_spike_rises_and_decays():
    spike = np.eye(200, 1)
    at_once, slowly = (_through_indicator(spike, 0.01, 0.5, rise)[:, 0] for rise in (0.0, 0.1))
    time = 0.01 * np.arange(200)
    assert at_once == pytest.approx(np.exp(-time / 0.5))
    assert slowly == pytest.approx(np.exp(-time / 0.5) - np.exp(-time / 0.1), abs=1e-9)


def test_frames_of_a_spike_average_over_its_time():
    kernel = _through_indicator(np.eye(30, 1), 0.01, 0.5, 0.0)[:, 0]
    seen = _frames_of_spike(reach=4, horizon=3, per_frame=10, kernel=kernel)
    expected = np.zeros((4, 3))
    for position in range(10):
        for later in range(4):
            spikes = np.zeros((30 + 4, 1))
            spikes[position + later] = 1
            expected[later] += _through_indicator(spikes, 0.01, 0.5, 0.0)[[9, 19, 29], 0] / 10
    assert seen == pytest.approx(expected)


def test_truth_is_that_of_the_spiking_network():
    size = {"bins": 4, "seed": 2, "neurons": 40}
    indicator = simulate_calcium_indicator(**size, bin_size=0.1, response=True, starts=60)
    spiking = simulate_spiking_network(**size, response=True, horizon=7, starts=60)
    assert torch.equal(indicator.true_connectivity, spiking.true_connectivity)
    assert indicator.cell_type == spiking.cell_type
    assert indicator.true_response.shape == (40, 40, 3)
    # A frame ahead all changes of spikes are in the fluorescence, decayed by 0.1 s at most 1.5 times on average.
    inhibited = spiking.true_connectivity < 0
    ratio = indicator.true_response[..., 1][inhibited].sum() / spiking.true_response.sum(2)[inhibited].sum()
    assert ratio == pytest.approx(float(np.exp(-0.1 / 0.5)), abs=0.25)
    assert 0.6 < indicator.true_response[..., 0].diagonal().mean() < 1


def test_the_same_seed_makes_the_same_session_and_a_part_is_a_part():
    whole, again, part = (simulate_calcium_indicator(30, 3, neurons=20, recorded=r) for r in (None, None, 8))
    assert torch.equal(whole.activity, again.activity)
    rows = [int(one.split("/")[1]) for one in part.neuron_id]
    assert torch.equal(part.true_connectivity, whole.true_connectivity[rows][:, rows])
    assert torch.equal(part.activity, whole.activity[rows])


def test_refuses_numbers_out_of_range():
    for wrong in ({"bin_size": 0.0}, {"rise": 0.6}, {"noise": -1.0}):
        with pytest.raises(ValueError, match="rise < decay"):
            simulate_calcium_indicator(**{"bins": 5, **wrong})
