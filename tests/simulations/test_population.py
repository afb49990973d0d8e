from hashlib import sha256

import numpy as np
import pytest
import torch

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.datasets.simulated import SimulatedCalcium, SimulatedNeuropixels, SimulatedPopulation
from synapsnet_pyg.metrics import connectivity_score, correlation, squared_error
from synapsnet_pyg.models.forecasting import forecast_session
from synapsnet_pyg.models.linear import VectorAutoregression
from synapsnet_pyg.simulations.calcium import simulate_calcium
from synapsnet_pyg.simulations.neuropixels import AREAS, simulate_neuropixels
from synapsnet_pyg.simulations.population import mandelbrot, run_population, simulate_population, true_effect


def test_the_same_seed_makes_the_same_session():
    one, same, other = (simulate_population(60, seed, neurons=30, recorded=12) for seed in (4, 4, 5))
    assert torch.equal(one.activity, same.activity)
    assert torch.equal(one.edge_weight, same.edge_weight)
    assert not torch.equal(one.activity, other.activity)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((60, 4, 30, 12), "87a76d92ca566fd3"),
        ((200, 1, 50, 20), "36e60c8824c4ce6c"),
        ((90, 7, 23, 23), "3574f5806c8f2811"),
    ],
)
def test_counts_stay_those_of_earlier_versions(arguments, expected):
    bins, seed, neurons, recorded = arguments
    session = simulate_population(bins, seed, neurons=neurons, recorded=recorded)
    counts = session.activity.byte().numpy().tobytes() + session.edge_index.numpy().tobytes()
    assert sha256(counts).hexdigest()[:16] == expected


def test_counts_behaviour_and_truth():
    session = simulate_population(2000, 1, neurons=50, recorded=20)
    assert (session.num_neurons, session.num_bins, session.num_behaviours) == (20, 2000, 2)
    assert bool((session.activity >= 0).all())
    assert torch.equal(session.activity, session.activity.round())
    truth = session.true_connectivity
    assert truth.diagonal().abs().max() == 0
    assert truth.count_nonzero() > 0
    # Each neuron is named by its place in the whole population.
    places = [int(neuron_id.split("/")[1]) for neuron_id in session.neuron_id]
    assert places == sorted(set(places))
    assert {(i, j) for i, j in truth.nonzero().tolist()} <= {
        (i, j) for i in range(20) for j in range(20) if mandelbrot(50)[places[i], places[j]]
    }


def test_edges_have_the_density_of_the_design():
    edges = mandelbrot(600)
    assert not edges.diagonal().any()
    assert edges.sum() / (600 * 599) == pytest.approx(0.11, abs=0.005)
    real, imaginary = np.linspace(-2, 0.6, 600), np.linspace(-1.15, 1.15, 600)
    for i, j in np.random.default_rng(0).integers(0, 600, (300, 2)).tolist():
        z, escape = 0j, 0
        while escape < 200 and abs(z := z * z + complex(real[j], imaginary[i])) <= 2:
            escape += 1
        assert edges[i, j] == (8 <= escape < 200 and i != j)


def test_refuses_numbers_out_of_range():
    with pytest.raises(ValueError, match="recorded <= neurons"):
        simulate_population(10, neurons=5, recorded=6)


def test_true_effect_one_bin_ahead_follows_the_wiring():
    simulation = run_population(bins=400, neurons=30, recorded=11)
    weights = simulate_population(bins=400, neurons=30, recorded=11).true_connectivity
    for neuron in range(11):
        driven, silenced = true_effect(simulation, neuron, spikes=1), true_effect(simulation, neuron)
        others = torch.arange(11) != neuron
        assert torch.equal(driven[others, 0].sign(), weights[others, neuron].sign().double())
        assert torch.equal(silenced[others, 0].sign(), -driven[others, 0].sign())
        assert driven[neuron] < 0 < silenced[neuron]  # self-inhibition


@pytest.mark.parametrize("spikes", [None, 3.0])
def test_true_effect_further_ahead_is_that_of_two_runs_of_their_own(spikes):
    simulation = run_population(bins=20_000, neurons=30, recorded=29)
    parameters, random = simulation.parameters, np.random.default_rng(1)
    place = simulation.recorded[15]

    def mean_rates(changes):
        counts, rates = simulation.counts[1:-2].copy(), []
        for step in (0, 1):
            if changes and (spikes is None or step == 0):
                counts[:, place] = 0 if spikes is None else counts[:, place] + spikes
            noise = 0.1 * random.standard_normal(counts.shape)
            total = counts @ parameters.coupling.T + simulation.drive[1 + step : step - 2] + noise
            rate = np.maximum(np.tanh(total), 0)
            rates.append(rate.mean(0)[simulation.recorded])
            counts = random.poisson(rate)
        return np.stack(rates, axis=1)

    expected = mean_rates(True) - mean_rates(False)
    assert ((np.abs(expected) > 0.05).sum(0) >= 2).all()
    effect = true_effect(simulation, 15, spikes=spikes, horizon=2, starts=5000)
    assert effect.numpy() == pytest.approx(expected, abs=0.015)


def test_true_effect_refuses_what_is_not_there():
    simulation = run_population(bins=20, neurons=12, recorded=5)
    for wrong in ({"neuron": 5}, {"neuron": 0, "horizon": 20}, {"neuron": 0, "horizon": 0}, {"neuron": 0, "starts": 0}):
        with pytest.raises(ValueError, match=r"rows 0\.\.4|1 <= horizon < 20"):
            true_effect(simulation, **wrong)


def test_dataset_keeps_a_file_for_each_seed_and_parameter(tmp_path, capsys):
    dataset = SimulatedPopulation(str(tmp_path), seeds=(3, 8), bins=40, neurons=20, recorded=7)
    assert len(dataset) == 2
    assert isinstance(dataset[1], Session)
    assert torch.equal(dataset[1].activity, simulate_population(40, 8, neurons=20, recorded=7).activity)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.h5")}
    SimulatedPopulation(str(tmp_path), seeds=(3,), bins=40, neurons=20, recorded=7)
    SimulatedPopulation(str(tmp_path), seeds=(3,), bins=41, neurons=20, recorded=7)
    after = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.h5")}
    assert before.items() <= after.items()
    assert len(after) == 3


@pytest.mark.parametrize(
    ("make", "dataset"), [(simulate_calcium, SimulatedCalcium), (simulate_neuropixels, SimulatedNeuropixels)]
)
def test_sessions_of_one_animal_share_wiring_and_neurons(tmp_path, make, dataset):
    size = {"bins": 200, "neurons": 60, "recorded": 25}
    one, two, again, other = make(0, **size), make(1, **size), make(0, **size), make(0, seed=1, **size)
    assert torch.equal(one.activity, again.activity)
    assert not torch.equal(one.activity[:9], two.activity[:9])
    assert not set(one.neuron_id) & set(other.neuron_id)
    shared = sorted(set(one.neuron_id) & set(two.neuron_id))
    assert 0 < len(shared) < 25
    rows = [[session.neuron_id.index(neuron) for neuron in shared] for session in (one, two)]
    wiring = [session.true_connectivity[row][:, row] for session, row in zip((one, two), rows, strict=True)]
    assert torch.equal(*wiring)
    truth = one.true_connectivity
    for sender, kind in enumerate(one.cell_type):  # Dale's law
        assert bool((truth[:, sender] * (1 if kind == "excitatory" else -1) >= 0).all())
    made = dataset(tmp_path, sessions=2, **size)
    assert torch.equal(made[1].activity, two.activity)
    with pytest.raises(ValueError, match="recorded <= neurons"):
        make(0, neurons=5, recorded=6)


def test_calcium_is_slow_and_driven_by_images():
    session = simulate_calcium(bins=3000)
    a = session.activity - session.activity.mean(1, keepdim=True)
    lag = [float((a[:, d:] * a[:, : 3000 - d]).mean() / a.square().mean()) for d in (1, 4, 8)]
    assert lag[0] > 0.5 > lag[2]
    assert session.behaviour_name == ["running", "pupil"]
    assert session.behaviour.std(0).tolist() == pytest.approx([1, 1], abs=0.01)
    # Images come and go every four bins: so does the population's mean.
    spectrum = torch.fft.rfft(a.mean(0)).abs()
    assert int(spectrum[500:].argmax()) + 500 == 3000 // 4


def test_neuropixels_areas_drive_the_next_and_hear_back():
    session = simulate_neuropixels(bins=50, recorded=360)
    truth, place = session.true_connectivity, torch.tensor([AREAS.index(area) for area in session.area])
    step = place[:, None] - place[None, :]
    strength = {d: float(truth[step == d].clamp_min(0).mean()) for d in range(-5, 6)}
    assert strength[1] > strength[-1] > 0
    assert all(value == 0 for d, value in strength.items() if abs(d) > 1)


@pytest.mark.slow
def test_reproduces_the_linear_columns_of_the_design():
    """design.md: over 5 seeds lag-1 0.31 +- 0.01, ridge VAR(1) 0.805 +- 0.01, its forecast 0.330 / 0.886."""
    lagged, recovered, forecasts, errors = [], [], [], []
    for seed in range(5):
        session = simulate_population(seed=seed).standardise()
        truth, split = session.true_connectivity, session.split()
        a = split.train.activity.double()
        lagged.append([connectivity_score(a[:, d:] @ a[:, : a.shape[1] - d].t(), truth).pearson for d in range(3)])
        model = VectorAutoregression([session])
        model.initialise({session.name: split.train}, {session.name: split.validation})
        recovered.append(connectivity_score(model.connectivity(split.train), truth).pearson)
        forecast = forecast_session(model, split.test, first=5)
        forecasts.append(correlation(forecast.truth, forecast.forecast).mean().item())
        errors.append(squared_error(forecast.truth, forecast.forecast).mean().item())
    assert np.mean(lagged, axis=0) == pytest.approx([0.01, 0.31, 0.0], abs=0.015)
    # Other draws of the same parameters, 0.798 on average over 20 seeds: two standard errors of a difference between
    # means of five seeds, whose spread is 0.01.
    assert np.mean(recovered) == pytest.approx(0.805, abs=2 * 0.01 * (2 / 5) ** 0.5)
    assert np.mean(forecasts) == pytest.approx(0.330, abs=0.005)
    assert np.mean(errors) == pytest.approx(0.886, abs=0.01)
