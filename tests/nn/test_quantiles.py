import pytest
import torch
from scipy import stats
from torch.distributions import Gamma, Laplace, NegativeBinomial, Normal, Poisson

from synapsnet_pyg.nn.quantiles import distribution_quantiles

PROBABILITIES = (0.025, 0.25, 0.5, 0.9, 0.975)


def test_counts_are_those_of_scipy():
    rate = torch.tensor([[0.03, 0.8], [4.0, 60.0]])
    expected = stats.poisson(rate[..., None].numpy()).ppf(PROBABILITIES)
    assert distribution_quantiles(Poisson(rate), PROBABILITIES).tolist() == expected.tolist()
    r, p = torch.tensor([0.5, 3.0]), torch.tensor([0.7, 0.2])
    expected = stats.nbinom(r[:, None].numpy(), 1 - p[:, None].numpy()).ppf(PROBABILITIES)
    assert distribution_quantiles(NegativeBinomial(r, p), PROBABILITIES).tolist() == expected.tolist()


def test_real_values_are_those_of_scipy():
    mean, scale = torch.tensor([0.0, 3.0, -1.0]), torch.tensor([1.0, 0.2, 5.0])
    for ours, theirs in ((Normal, stats.norm), (Laplace, stats.laplace)):
        expected = theirs(mean[:, None].numpy(), scale[:, None].numpy()).ppf(PROBABILITIES)
        given = distribution_quantiles(ours(mean, scale), PROBABILITIES)
        torch.testing.assert_close(given, torch.from_numpy(expected).float(), atol=1e-5, rtol=1e-5)


def test_refuses_what_has_no_quantiles():
    with pytest.raises(ValueError, match="between 0 and 1"):
        distribution_quantiles(Normal(0.0, 1.0), [1.0])
    with pytest.raises(ValueError, match="Gamma"):
        distribution_quantiles(Gamma(torch.tensor(1.0), torch.tensor(1.0)), [0.5])
