import subprocess
import sys

import pytest
import torch

from synapsnet_pyg.connectivity.registry import ESTIMATORS, estimate, estimator
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.metrics import connectivity_score
from synapsnet_pyg.simulations.population import simulate_population

ALL = pytest.mark.parametrize("name", ESTIMATORS)
SYMMETRIC = ("lag0", "partial_correlation")


def chain(T=600, **fields):
    """Counts of neuron 0, whose rate swings, of neuron 1, which it drives, and of one that is silent."""
    random = torch.Generator().manual_seed(0)
    drives = torch.poisson(20 + 20 * torch.sin(2 * torch.pi * torch.arange(T) / 12), generator=random)
    driven = torch.poisson(1 + 0.8 * drives.roll(1), generator=random)
    return Session(torch.stack([drives, driven, torch.zeros(T)]), bin_size=0.1, **fields)


def estimate_split(name, session):
    train, validation, _ = session.split()
    return estimate(name, train, validation).connectivity


@ALL
def test_who_drives_whom(name):
    connectivity = estimate_split(name, chain())
    assert connectivity.shape == (3, 3)
    assert connectivity.dtype == torch.float32
    assert bool(connectivity.isfinite().all())
    if name in SYMMETRIC:
        assert torch.equal(connectivity, connectivity.t())
        assert connectivity[1, 0] > 0.1
    else:
        assert connectivity[1, 0] > connectivity[0, 1]
        assert connectivity[1, 0] > 0.1


@ALL
def test_the_test_part_is_not_seen(name):
    session = chain(T=300)
    _, _, test = session.split()
    before = estimate_split(name, session)
    test.activity[:2] += 7
    assert torch.equal(estimate_split(name, session), before)


@pytest.mark.parametrize("name", [name for name in ESTIMATORS if name != "curbd"])  # it learns in the order of time
def test_nothing_crosses_a_border(name):
    segment = torch.tensor([[0, 100], [100, 200], [200, 225], [225, 250]])
    session = chain(T=250, segment=segment)
    swapped = chain(T=250, segment=segment)
    swapped.activity = torch.cat([session.activity[:, a:b] for a, b in ((100, 200), (0, 100), (200, 250))], dim=1)
    torch.testing.assert_close(estimate_split(name, swapped), estimate_split(name, session), atol=1e-3, rtol=0)


@pytest.fixture(scope="module")
def population():
    return simulate_population(bins=6000, neurons=60, recorded=40, seed=1)


@pytest.mark.parametrize("name", ["ridge_var", "soft_ridge", "lasso_var", "poisson_glm"])
def test_regressions_recover_connections_better_than_correlation(name, population):
    truth = population.true_connectivity
    ours, anchor = (connectivity_score(estimate_split(each, population), truth) for each in (name, "lag1"))
    assert ours.pearson > anchor.pearson + 0.1
    assert ours.auroc > anchor.auroc


def test_refuses_an_unknown_name():
    with pytest.raises(ValueError, match=r"among lag0, .*curbd \(got 'granger'\)"):
        estimate("granger", chain())


@ALL
def test_every_bin_of_the_training_part_counts(name):
    """Estimators take the training part as models do: nothing of it is set aside for good."""
    train = chain(T=300)
    before = estimate(name, train).connectivity
    train.activity[0, -25:] = train.activity[0, -25:].flip(0)
    assert not torch.equal(estimate(name, train).connectivity, before)


@ALL
def test_a_raw_training_part_is_standardised_by_itself(name):
    train, validation, _ = chain(T=300).split()
    raw = estimate(name, train, validation)
    standardised = estimate(name, train.standardise(train), validation.standardise(train))
    assert torch.equal(raw.connectivity, standardised.connectivity)
    assert raw.details == standardised.details


def test_the_validation_part_is_scored_by_those_that_forecast():
    train, validation, _ = chain().split()
    for name in ESTIMATORS:
        made = estimator(name)
        found = estimate(name, train, validation)
        assert (found.score is not None) == made.forecasts
        assert ("penalty" in found.details) == made.forecasts
        if found.score is not None:
            torch.testing.assert_close(found.score, made.fit(train, validation).score(validation), equal_nan=True)
            assert estimate(name, train).score is None
    assert estimate("curbd", train).details["p_var"] < 1


def test_names_cost_no_torch():
    code = "import sys, synapsnet_pyg.connectivity.registry; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_refuses_an_unknown_parameter():
    with pytest.raises(ValueError, match=r"parameters of 'ridge_var' among lags, ridges \(got 'lag'\)"):
        estimator("ridge_var", lag=2)
