import pytest
import torch

from synapsnet_pyg.connectivity.registry import ESTIMATORS, estimate
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


@ALL
def test_who_drives_whom(name):
    connectivity = estimate(name, chain())
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
    before = estimate(name, session)
    test.activity[:2] += 7
    assert torch.equal(estimate(name, session), before)


@pytest.mark.parametrize("name", [name for name in ESTIMATORS if name != "curbd"])  # it learns in the order of time
def test_nothing_crosses_a_border(name):
    segment = torch.tensor([[0, 100], [100, 200], [200, 225], [225, 250]])
    session = chain(T=250, segment=segment)
    swapped = chain(T=250, segment=segment)
    swapped.activity = torch.cat([session.activity[:, a:b] for a, b in ((100, 200), (0, 100), (200, 250))], dim=1)
    torch.testing.assert_close(estimate(name, swapped), estimate(name, session), atol=1e-3, rtol=0)


@pytest.fixture(scope="module")
def population():
    return simulate_population(bins=6000, neurons=60, recorded=40, seed=1)


@pytest.mark.parametrize("name", ["ridge_var", "soft_ridge", "lasso_var", "poisson_glm"])
def test_regressions_recover_connections_better_than_correlation(name, population):
    truth = population.true_connectivity
    ours, anchor = (connectivity_score(estimate(each, population), truth) for each in (name, "lag1"))
    assert ours.pearson > anchor.pearson + 0.1
    assert ours.auroc > anchor.auroc


def test_refuses_an_unknown_name():
    with pytest.raises(ValueError, match=r"among lag0, .*curbd \(got 'granger'\)"):
        estimate("granger", chain())
