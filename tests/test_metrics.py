import math

import numpy as np
import pytest
import torch
from helpers import close
from scipy.stats import poisson

from synapsnet_pyg.metrics import (
    absolute_error,
    bits_per_spike,
    connectivity_score,
    correlation,
    pc_correlation,
    population_correlation,
    spatial_correlation,
    squared_error,
)


def test_forecast_scores_agree_with_oracle(oracle):
    reference = oracle("metrics.npz")
    truth, prediction = torch.from_numpy(reference["truth"]), torch.from_numpy(reference["prediction"])
    assert close(correlation(truth, prediction), reference["pearson_per_neuron"], 1e-12)
    assert close(squared_error(truth, prediction), reference["mse_per_neuron"], 1e-12)
    assert squared_error(truth, prediction).mean().item() == pytest.approx(float(reference["mse"]), rel=1e-12)
    components = len(reference["pc_correlations"])
    assert close(pc_correlation(truth, prediction, components), reference["pc_correlations"], 1e-12)


@pytest.mark.parametrize(("case", "diagonal"), [("off_diagonal", False), ("full", True)])
def test_connectivity_scores_agree_with_oracle(oracle, case, diagonal):
    reference = oracle("metrics.npz")
    score = connectivity_score(
        torch.from_numpy(reference["estimated_connectivity"]),
        torch.from_numpy(reference["true_connectivity"]),
        diagonal,
    )
    names = {
        "pearson": "pearson",
        "spearman": "spearman",
        "auroc": "auroc_abs",
        "auprc": "average_precision_abs",
        "auroc_excitatory": "auroc_excitatory",
        "auroc_inhibitory": "auroc_inhibitory",
        "auprc_excitatory": "average_precision_excitatory",
        "auprc_inhibitory": "average_precision_inhibitory",
        "sign_accuracy": "sign_accuracy_on_true_edges",
    }
    for ours, theirs in names.items():
        assert getattr(score, ours) == pytest.approx(float(reference[f"{case}/{theirs}"]), abs=1e-12), ours


def test_correlation_is_numpys():
    x, y = torch.randn(4, 33), torch.randn(4, 33)
    expected = [np.corrcoef(a, b)[0, 1] for a, b in zip(x.numpy(), y.numpy(), strict=True)]
    assert correlation(x, y).tolist() == pytest.approx(expected, abs=1e-6)


def test_scores_of_a_population_are_numpys():
    x, y = torch.randn(4, 7), torch.randn(4, 7)
    a, b = x.double().numpy(), y.double().numpy()
    assert absolute_error(x, y).tolist() == pytest.approx(np.abs(a - b).mean(1))
    over_neurons = [np.corrcoef(a[:, t], b[:, t])[0, 1] for t in range(7)]
    assert spatial_correlation(x, y).tolist() == pytest.approx(over_neurons)
    assert population_correlation(x, y) == pytest.approx(np.corrcoef(a.mean(0), b.mean(0))[0, 1])
    assert math.isnan(population_correlation(x[:0], y[:0]))


def test_bits_per_spike_is_the_poisson_likelihood():
    counts, rate, mean = torch.tensor([[0.0, 2, 1], [3, 0, 0]]), torch.rand(2, 3) + 0.1, torch.tensor([0.8, 1.5])
    gain = poisson.logpmf(counts, rate) - poisson.logpmf(counts, mean[:, None])
    assert bits_per_spike(counts, rate, mean) == pytest.approx(gain.sum() / 6 / math.log(2))
    assert bits_per_spike(counts, mean[:, None].expand(2, 3), mean) == pytest.approx(0, abs=1e-7)
    below, floor = torch.full((2, 3), -1.0), (0.1 * mean)[:, None].expand(2, 3)
    assert bits_per_spike(counts, below, mean, floor=0.1) == pytest.approx(bits_per_spike(counts, floor, mean))
    assert math.isnan(bits_per_spike(torch.zeros(2, 3), rate, mean))


def test_constant_rows():
    x, y = torch.randn(3, 30), torch.randn(3, 30)
    x[0], y[1] = 0.1, 0.1
    r = correlation(x, y)
    assert math.isnan(r[0])
    assert r[1] == 0
    assert abs(float(r[2])) > 0


def test_scores_that_are_undefined_are_nan():
    truth = torch.zeros(4, 4)
    truth[0, 1] = 1
    score = connectivity_score(torch.zeros(4, 4), truth)
    assert math.isnan(score.pearson)
    assert score.auroc == 0.5
    assert score.auprc == pytest.approx(1 / 12)
    assert math.isnan(connectivity_score(torch.randn(4, 4), torch.zeros(4, 4)).auroc)
    with pytest.raises(ValueError, match="two matrices"):
        connectivity_score(torch.zeros(3, 3), truth)
