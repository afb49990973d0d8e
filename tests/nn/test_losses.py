import pytest
import torch
from torch.distributions import NegativeBinomial

from synapsnet_pyg.nn.losses import DISTRIBUTIONS, gaussian, negative_binomial, poisson, squared_error

NONE = torch.zeros(1, 1, 1)


def test_squared_error_is_the_mean_over_all():
    forecast, target = torch.randn(2, 3, 4, 5), torch.randn(2, 3, 4, 5)
    expected = ((forecast - target) ** 2).mean()
    torch.testing.assert_close(squared_error(forecast, target, NONE, NONE + 1, NONE), expected)
    torch.testing.assert_close(gaussian(forecast, target, NONE, NONE + 1, NONE), expected)


def test_gaussian_is_least_at_the_deviation_of_the_error():
    target = 0.4 * torch.randn(1, 2, 30_000, 3) * torch.tensor([1.0, 2.0])[:, None, None]
    dispersion = torch.zeros(2, 1, 3, requires_grad=True)
    adam = torch.optim.LBFGS([dispersion], max_iter=50)

    def closure():
        adam.zero_grad()
        loss = gaussian(torch.zeros_like(target), target, NONE, NONE + 1, dispersion)
        loss.backward()
        return loss

    adam.step(closure)
    expected = torch.tensor([0.4, 0.8])[:, None, None].expand(2, 1, 3)
    torch.testing.assert_close(dispersion.detach().exp(), expected, rtol=0.02, atol=0)


def test_poisson_is_least_at_the_mean_count():
    counts = torch.poisson(torch.full((1, 1, 20_000, 1), 0.7))
    mean, scale = counts.mean().view(1, 1, 1), counts.std().view(1, 1, 1)
    target = (counts - mean) / scale
    levels = torch.linspace(-0.3, 0.3, 61)
    errors = [float(poisson(torch.full_like(target, float(level)), target, mean, scale, NONE)) for level in levels]
    assert abs(float(levels[int(torch.tensor(errors).argmin())])) < 0.02


@pytest.mark.parametrize("loss", [poisson, negative_binomial])
def test_counts_curve_as_the_squared_error_does(loss):
    mean, scale = torch.tensor(4.0).view(1, 1, 1), torch.tensor(2.0).view(1, 1, 1)
    target = torch.zeros(1, 1, 1, 1, dtype=torch.float64)
    forecast = torch.zeros_like(target, requires_grad=True)
    narrow = torch.full((1, 1, 1), -9.0, dtype=torch.float64)  # next to no overdispersion

    def curvature(loss) -> float:
        (slope,) = torch.autograd.grad(loss(forecast, target, mean, scale, narrow), forecast, create_graph=True)
        return float(torch.autograd.grad(slope.sum(), forecast)[0])

    assert abs(curvature(loss) / curvature(squared_error) - 1) < 5e-3


def test_negative_binomial_is_its_log_likelihood():
    mean, scale = torch.rand(3, 1, 1) + 0.5, torch.rand(3, 1, 1) + 0.5
    counts, dispersion = torch.poisson(torch.full((2, 3, 4, 5), 1.5)), torch.randn(3, 1, 5)
    forecast = torch.rand(2, 3, 4, 5)
    distribution = DISTRIBUTIONS[negative_binomial](forecast, mean, scale, dispersion)
    assert isinstance(distribution, NegativeBinomial)
    ours = negative_binomial(forecast, (counts - mean) / scale, mean, scale, dispersion)
    log = distribution.log_prob(counts)
    torch.testing.assert_close(ours, (-2 * mean / scale.square() * log).mean(), rtol=1e-4, atol=1e-4)
    rate = distribution.mean
    expected = rate + rate.square() * dispersion.exp()
    torch.testing.assert_close(distribution.variance, expected.expand_as(rate))


def test_counts_stay_finite_where_the_forecast_is_below_zero_counts():
    target, forecast = torch.zeros(1, 1, 1, 1), torch.full((1, 1, 1, 1), -50.0)
    for loss in (poisson, negative_binomial):
        assert loss(forecast, target, torch.full((1, 1, 1), 0.1), torch.full((1, 1, 1), 0.3), NONE).isfinite()
