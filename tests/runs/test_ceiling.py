import pytest
import torch

from synapsnet_pyg.metrics import correlation
from synapsnet_pyg.runs.ceiling import is_counts, score_ceiling

M = 2000


def slow(N: int, a: float, seed: int, bins: int = M) -> torch.Tensor:
    """Autoregressive processes of unit variance [N, bins]."""
    noise = torch.randn(bins, N, generator=torch.Generator().manual_seed(seed))
    rows = [noise[0]]
    for row in noise[1:]:
        rows.append(a * rows[-1] + (1 - a * a) ** 0.5 * row)
    return torch.stack(rows, dim=1)


def ceiling_of(x: torch.Tensor):
    return score_ceiling(x, torch.arange(x.shape[1]), torch.tensor([[0, x.shape[1]]]))


@pytest.mark.parametrize(("log_rate", "depth"), [(-1.0, 0.5), (0.0, 0.3), (1.0, 0.5)])
@pytest.mark.parametrize("a", [0.5, 0.95])
def test_poisson_counts_have_the_ceiling_that_their_rate_attains(log_rate, depth, a):
    rate = torch.exp(log_rate + depth * slow(80, a, seed=1))
    found = ceiling_of(torch.poisson(rate, generator=torch.Generator().manual_seed(2)))
    attained = correlation(torch.poisson(rate, generator=torch.Generator().manual_seed(2)), rate)
    assert found.counts
    assert float(found.correlation.mean()) == pytest.approx(float(attained.mean()), abs=0.03)


def test_the_mean_of_clipped_roots_would_be_too_large_without_any_signal():
    counts = torch.poisson(torch.full((150, M), 0.5), generator=torch.Generator().manual_seed(0))
    found = ceiling_of(counts)
    clipped = (1 - found.counting).clamp_min(0).sqrt().maximum(found.lasting.clamp_min(0).sqrt())
    assert float(found.correlation.mean()) < 0.08 < float(clipped.mean())


@pytest.mark.parametrize("noise", [0.3, 1.0, 2.0])
def test_slow_activity_with_white_noise_has_the_ceiling_that_the_slow_part_attains(noise):
    s = slow(60, 0.95, seed=3)
    x = s + noise * torch.randn(s.shape, generator=torch.Generator().manual_seed(4))
    found = ceiling_of(x)
    assert not found.counts
    assert float(found.correlation.mean()) == pytest.approx(float(correlation(x, s).mean()), abs=0.03)
    assert bool(found.counting.isnan().all())


def test_regular_neurons_with_a_slow_rate_are_not_said_to_be_noise():
    """Counts of 20 chances each vary less than Poisson counts; their slow rate is found all the same."""
    chance = torch.sigmoid(0.5 + 0.4 * slow(60, 0.95, seed=5))
    draws = torch.rand(*chance.shape, 20, generator=torch.Generator().manual_seed(6))
    x = (draws < chance[..., None]).sum(2).float()
    found, attained = ceiling_of(x), correlation(x, chance)
    assert float(found.counting.mean()) > 1
    assert float(found.correlation.mean()) == pytest.approx(float(attained.mean()), abs=0.04)


def test_bursts_at_random_times_raise_the_ceiling():
    """The known limit of the estimate: extra variance that nothing foretells counts as signal."""
    random = torch.Generator().manual_seed(7)
    x = 3 * torch.poisson(torch.full((40, M), 0.4), generator=random)
    assert float(ceiling_of(x).correlation.mean()) > 0.7


def test_unknown_ceilings():
    rhythmic = torch.tensor([0.0, 2.0]).repeat(M // 2)  # neither Poisson nor smooth
    x = torch.stack([rhythmic + 3, torch.full((M,), 4.0), torch.poisson(torch.full((M,), 3.0))])
    found = ceiling_of(x).correlation
    assert found.isnan().tolist() == [True, True, False]
    assert bool(ceiling_of(x[:, :15]).correlation.isnan().all())


def test_products_do_not_cross_borders():
    """Levels that change from segment to segment last within segments."""
    level = slow(30, 0.0, seed=8, bins=200).repeat_interleave(5, dim=1)
    x = level + torch.randn(level.shape, generator=torch.Generator().manual_seed(9))
    ends = torch.arange(5, 1001, 5)
    found = score_ceiling(x, torch.arange(1000), torch.stack([ends - 5, ends], 1))
    assert float(found.lasting.mean()) == pytest.approx(0.5, abs=0.03)


def test_counts_are_whole_numbers_above_one():
    assert is_counts(torch.tensor([[0.0, 2.0001, 1.0]]))
    assert not is_counts(torch.tensor([[0.0, 1.0, 1.0]]))
    assert not is_counts(torch.tensor([[-1.0, 2.0, 1.0]]))
    assert not is_counts(torch.tensor([[0.5, 2.0, 1.0]]))
