"""The four populations under unseen inputs, and what they share."""

import numpy as np
import pytest
import torch

from synapsnet_pyg.simulations.bursts import simulate_bursts
from synapsnet_pyg.simulations.drift import simulate_drift
from synapsnet_pyg.simulations.driven_population import slow_series
from synapsnet_pyg.simulations.edge_truth import EFFECT, NOTHING, SELF, edge_truth
from synapsnet_pyg.simulations.oscillation import simulate_oscillation
from synapsnet_pyg.simulations.slow_drives import simulate_slow_drives

ALL = [simulate_bursts, simulate_drift, simulate_oscillation, simulate_slow_drives]


@pytest.mark.parametrize("simulate", ALL)
def test_rates_signs_and_parts(simulate):
    whole, again, part = (simulate(3000, 1, neurons=40, recorded=r, response=True, starts=9) for r in (None, None, 11))
    assert torch.equal(whole.activity, again.activity)
    assert torch.equal(whole.true_response, again.true_response)
    assert not torch.equal(whole.activity, simulate(3000, 2, neurons=40).activity)
    rates = whole.activity.mean(1) / 0.01
    assert 4 < rates.mean() < 14
    assert ((rates > 1) & (rates < 30)).all()
    rows = [int(one.split("/")[1]) for one in part.neuron_id]
    assert torch.equal(part.activity, whole.activity[rows])
    assert torch.equal(part.true_connectivity, whole.true_connectivity[rows][:, rows])
    assert torch.equal(part.true_response, whole.true_response[rows][:, rows])
    truth = whole.true_connectivity
    assert bool(truth.any()) == (simulate is not simulate_slow_drives)
    for sender, kind in enumerate(whole.cell_type):
        assert (truth[:, sender] * (1 if kind == "excitatory" else -1) >= 0).all()
    for wrong in ({"bins": 0}, {"recorded": 50}, {"bin_size": 0.0}):
        with pytest.raises(ValueError, match="Expected"):
            simulate(**{"bins": 9, "neurons": 40, **wrong})


@pytest.mark.parametrize("simulate", [simulate_bursts, simulate_drift, simulate_oscillation])
def test_signs_of_the_response_are_those_of_the_synapses(simulate):
    session = simulate(2000, neurons=40, response=True, starts=40)
    synapse = session.true_connectivity != 0
    assert (session.true_response[..., 1].sign() == session.true_connectivity.sign())[synapse].all()


def test_slow_drives_correlate_neurons_later_but_nothing_causes_anything():
    session = simulate_slow_drives(20_000, neurons=60, response=True, starts=20, longest_delay=5)
    off = ~torch.eye(60, dtype=torch.bool)
    assert session.edge_index.shape[1] == 0
    assert session.true_response[off].abs().max() == 0
    assert (edge_truth(session)[off] == NOTHING).all()
    assert (edge_truth(session)[~off] == SELF).all()
    # Yet the past of one neuron forecasts another: correlations far beyond chance, not the same both ways.
    a = session.activity - session.activity.mean(1, keepdim=True)
    a = a / a.std(1, keepdim=True)
    lagged = (a[:, 3:] @ a[:, :-3].t() / 20_000)[off]
    assert lagged.std() > 1.8 / 20_000**0.5


def test_neurons_are_locked_to_eight_hertz():
    session = simulate_oscillation(8000, neurons=30)
    spectrum = torch.fft.rfft(session.activity - session.activity.mean(1, keepdim=True)).abs().square().mean(0)
    frequency = torch.fft.rfftfreq(8000, d=0.01)
    theta = (frequency > 6) & (frequency < 10)
    around = ((frequency > 2) & (frequency < 5)) | ((frequency > 12) & (frequency < 15))
    assert spectrum[theta].mean() > 1.3 * spectrum[around].mean()


def test_bursts_come_to_all_at_once():
    session = simulate_bursts(8000, neurons=80)
    population = session.activity.sum(0)
    assert population.var() > 4 * population.mean()
    quiet = (population.unfold(0, 10, 10).sum(1) < 0.4 * 10 * population.mean()).float().mean()
    assert 0.3 < quiet < 0.9


def test_rates_drift():
    session = simulate_drift(20_000, neurons=40, gain_drift=0.3)
    halves = session.activity.unfold(1, 5000, 5000).mean(-1)
    assert (halves.std(1) / halves.mean(1)).mean() > 0.15
    still = simulate_drift(20_000, neurons=40, rate_drift=0.0).activity.unfold(1, 5000, 5000).mean(-1)
    assert (still.std(1) / still.mean(1)).mean() < 0.12


def test_series_have_unit_variance_and_the_time_constant():
    series = slow_series(np.random.default_rng(0), 50_000, 3, 10.0)
    assert series.std(0) == pytest.approx([1, 1, 1], abs=0.05)
    assert (series[10:] * series[:-10]).mean() == pytest.approx(np.exp(-1), abs=0.04)


def test_paths_through_a_third_neuron_are_effects():
    session = simulate_oscillation(3000, neurons=40, coupling=2.0, response=True, starts=200)
    classes = edge_truth(session)
    assert (classes == EFFECT).sum() > 5
    assert (session.true_connectivity[classes == EFFECT] == 0).all()


def test_refuses_numbers_out_of_range():
    with pytest.raises(ValueError, match="drives >= 1"):
        simulate_slow_drives(9, drives=0)
    with pytest.raises(ValueError, match="frequency > 0"):
        simulate_oscillation(9, frequency=0.0)
    with pytest.raises(ValueError, match="at least a bin"):
        simulate_bursts(9, up=0.001)
    with pytest.raises(ValueError, match="shared <= 1"):
        simulate_drift(9, shared=2.0)
