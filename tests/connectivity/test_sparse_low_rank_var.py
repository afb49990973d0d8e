import pytest
import torch

from synapsnet_pyg.connectivity.ridge_var import RidgeVAR
from synapsnet_pyg.connectivity.sparse_low_rank_var import SparseLowRankVAR
from synapsnet_pyg.metrics import connectivity_score
from synapsnet_pyg.regression.linear_start import linear_start
from synapsnet_pyg.simulations.population import simulate_population


@pytest.fixture(scope="module")
def population():
    return simulate_population(bins=8000, neurons=90, recorded=45).standardise()


def test_is_the_start_of_synapsnet(population):
    train, validation, test = population.split()
    fitted = SparseLowRankVAR().fit(train, validation)
    start = linear_start(train, validation, 1, pairs=torch.ones(45, 45, dtype=torch.bool))
    assert torch.equal(fitted.connectivity_, start.edges.float())
    assert fitted.details_ == {"latents": len(start.senders), "shrunk": start.shrunk}
    assert fitted.penalty_ == start.ridge
    forecast = fitted.predict(test)
    t = int(forecast.bins[7]) - 1
    a, b = test.activity[:, t].double(), test.behaviour[t].double()
    # Each neuron's own weight holds what is not the common drive's.
    expected = (
        (start.edges + start.receivers @ start.senders) @ a + start.own * a + start.behaviour @ b + start.intercept
    )
    torch.testing.assert_close(forecast.forecast[:, 7].double(), expected, atol=1e-5, rtol=1e-5)


def test_recovers_more_than_the_regression_it_stands_on(population):
    train, validation, test = population.split()
    sparse, ridge = (kind().fit(train, validation) for kind in (SparseLowRankVAR, RidgeVAR))
    truth = population.true_connectivity
    scores = [connectivity_score(fitted.connectivity_, truth).pearson for fitted in (sparse, ridge)]
    assert scores[0] > scores[1] + 0.03
    assert float(sparse.score(test).nanmean()) > float(ridge.score(test).nanmean())


def test_the_common_drive_can_be_left_out(population):
    train, validation, _ = population.split()
    whole = SparseLowRankVAR(latents=0).fit(train, validation)
    assert whole.details_ == {"latents": 0, "shrunk": 0}
