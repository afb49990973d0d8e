import torch

from synapsnet_pyg.nn.losses import poisson, squared_error


def test_squared_error_is_the_mean_over_all():
    forecast, target = torch.randn(2, 3, 4), torch.randn(2, 3, 4)
    expected = ((forecast - target) ** 2).mean()
    torch.testing.assert_close(squared_error(forecast, target, torch.zeros(3), torch.ones(3)), expected)


def test_poisson_is_least_at_the_mean_count():
    counts = torch.poisson(torch.full((1, 1, 20_000), 0.7))
    mean, scale = counts.mean().view(1), counts.std().view(1)
    target = (counts - mean) / scale
    levels = torch.linspace(-0.3, 0.3, 61)
    errors = [float(poisson(torch.full_like(target, float(level)), target, mean, scale)) for level in levels]
    assert abs(float(levels[int(torch.tensor(errors).argmin())])) < 0.02


def test_poisson_curves_as_the_squared_error_does():
    mean, scale = torch.tensor([4.0]), torch.tensor([2.0])
    target = torch.zeros(1, 1, 1, dtype=torch.float64)
    forecast = torch.zeros_like(target, requires_grad=True)

    def curvature(loss) -> float:
        (slope,) = torch.autograd.grad(loss(forecast, target, mean, scale), forecast, create_graph=True)
        return float(torch.autograd.grad(slope.sum(), forecast)[0])

    assert abs(curvature(poisson) / curvature(squared_error) - 1) < 1e-3


def test_poisson_stays_finite_where_the_forecast_is_below_zero_counts():
    target = torch.zeros(1, 1, 1)
    loss = poisson(torch.full((1, 1, 1), -50.0), target, torch.tensor([0.1]), torch.tensor([0.3]))
    assert loss.isfinite()
