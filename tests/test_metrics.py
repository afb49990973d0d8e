import math

import numpy as np
import pytest
import torch
from helpers import close

from synapsnet_pyg.metrics import connectivity_score, correlation, pc_correlation, squared_error


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
