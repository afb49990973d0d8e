import pytest
import torch

from synapsnet_pyg.analysis.pair_mixture import pair_posterior_mean


def simulated(N: int, next_bin: float, same_bin: float, seed: int = 0) -> tuple[torch.Tensor, ...]:
    """Returns true weights, effects in the next bin, and the symmetric relation in the same bin, over their errors."""
    random = torch.Generator().manual_seed(seed)
    weights = 6 * torch.randn(N, N, generator=random) * (torch.rand(N, N, generator=random) < 0.1)
    weights.fill_diagonal_(0)
    noise = torch.randn(N, N, generator=random).triu(1)
    effect = next_bin * weights + torch.randn(N, N, generator=random)
    return weights, effect.double(), (same_bin * (weights + weights.t()) + noise + noise.t()).double()


def recovered(weights: torch.Tensor, estimate: torch.Tensor) -> float:
    off = ~torch.eye(len(weights), dtype=torch.bool)
    return float(torch.corrcoef(torch.stack([weights[off].double(), estimate[off].double()]))[0, 1])


def test_the_same_bin_helps_where_it_tells_most():
    weights, effect, same_bin = simulated(60, next_bin=0.3, same_bin=1.0)
    alone = pair_posterior_mean(effect, torch.randn(60, 60).double().triu(1))
    assert recovered(weights, pair_posterior_mean(effect, same_bin)) > recovered(weights, alone) + 0.05


def test_the_same_bin_is_ignored_where_it_tells_nothing():
    weights, effect, same_bin = simulated(60, next_bin=1.0, same_bin=0.0)
    mean = pair_posterior_mean(effect, same_bin)
    assert recovered(weights, mean) > recovered(weights, effect) + 0.03
    large = effect.abs() > 6
    torch.testing.assert_close(mean[large], effect[large], rtol=0.25, atol=0.5)


def test_it_is_the_same_for_any_order_of_the_neurons():
    _, effect, same_bin = simulated(23, next_bin=0.6, same_bin=0.5)
    order = torch.randperm(23, generator=torch.Generator().manual_seed(1))
    mean = pair_posterior_mean(effect, same_bin)
    turned = pair_posterior_mean(effect[order][:, order], same_bin[order][:, order])
    torch.testing.assert_close(turned, mean[order][:, order], atol=1e-3, rtol=1e-2)


@pytest.mark.parametrize("N", [1, 2, 3])
def test_few_neurons_are_shrunk(N):
    effect = torch.full((N, N), 0.5, dtype=torch.float64).fill_diagonal_(0)
    mean = pair_posterior_mean(effect, torch.zeros(N, N, dtype=torch.float64))
    assert mean.shape == (N, N)
    assert (mean.abs() <= 0.2).all()
