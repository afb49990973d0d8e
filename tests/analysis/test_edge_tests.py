import numpy as np
import pytest
import torch
from scipy.stats import cauchy

from synapsnet_pyg.analysis.edge_tests import (
    combined_p,
    inflation_of,
    mixture_of,
    population_kernel,
    standardise,
)
from synapsnet_pyg.analysis.lagged_effects import lagged_effects
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.regression.pairs import AllPairs, PairMatrix


def slow(N: int, T: int) -> Session:
    noise = torch.randn(N, T + 9, generator=torch.Generator().manual_seed(0))
    return Session(noise.unfold(1, 10, 1).mean(2), bin_size=0.1).standardise()


@pytest.mark.parametrize("trial", [1, 7])
def test_all_shifts_at_once_are_every_shift_by_hand(trial):
    effects = lagged_effects(slow(4, 149))
    errors, unique = effects.errors.double(), effects.unique.double()
    T = effects.bins // trial * trial
    shifted = [(errors[:, :T] @ unique[:, :T].roll(s, 1).t()).square() for s in range(0, T, trial)]
    scale = torch.outer(errors.square().sum(1), unique.square().sum(1)) / effects.bins
    variance = torch.stack(shifted).mean(0) / scale
    pooled = variance.mean(1, keepdim=True) * variance.mean(0) / variance.mean()
    found = inflation_of(effects, trial).values(effects.pairs)
    torch.testing.assert_close(found, pooled.sqrt().clamp_min(1), rtol=1e-4, atol=0)


def test_the_cauchy_combination_is_exact_for_independent_tests():
    p = torch.from_numpy(np.random.default_rng(0).uniform(size=(3, 20_000)))
    weights = torch.tensor([0.5, 0.3, 0.2])
    combined = combined_p(p, weights)
    for level in (0.01, 0.05, 0.5):
        assert float((combined <= level).double().mean()) == pytest.approx(level, abs=0.01)
    one = torch.tensor([[0.2], [0.7], [0.04]], dtype=torch.float64)
    by_hand = cauchy.sf((weights.double()[:, None] * torch.from_numpy(cauchy.isf(one))).sum())
    assert float(combined_p(one, weights)) == pytest.approx(float(by_hand))
    tiny = torch.tensor([[1e-200], [0.5], [1.0]], dtype=torch.float64)
    assert float(combined_p(tiny, weights)) == pytest.approx(2e-200, rel=1e-6)


def test_a_common_drive_is_subtracted_and_the_rest_scaled():
    random = torch.Generator().manual_seed(0)
    noise = 1.5 * torch.randn(40, 40, dtype=torch.float64, generator=random)
    drive = 3 * torch.outer(*torch.randn(2, 40, dtype=torch.float64, generator=random))
    result = standardise(PairMatrix(AllPairs(40), noise + drive))
    assert result.latents == 1
    assert result.deviation == pytest.approx(1.5, rel=0.1)
    assert float(result.z[~torch.eye(40, dtype=torch.bool)].std()) == pytest.approx(1, rel=0.1)


def test_a_mixture_of_few_values_keeps_its_prior():
    mixture = mixture_of(torch.tensor([0.3, -0.5], dtype=torch.float64))
    assert mixture.density == pytest.approx(0.1, abs=0.05)
    assert float(mixture.edge_probability(torch.tensor([0.2], dtype=torch.float64))) < 0.1
    assert float(mixture.edge_probability(torch.tensor([8.0], dtype=torch.float64))) > 0.9


def test_the_kernel_over_lags_is_that_of_the_edges():
    activity = torch.randn(14, 9000, generator=torch.Generator().manual_seed(1))
    for i in range(7):
        for lag, weight in ((1, 0.15), (2, 0.3), (3, 0.15)):
            activity[7 + i, lag:] += weight * activity[i, :-lag]
    kernel = population_kernel(lagged_effects(Session(activity, bin_size=0.1).standardise()))
    torch.testing.assert_close(kernel[:3], torch.tensor([0.5, 1.0, 0.5], dtype=torch.float64), atol=0.12, rtol=0)
    assert kernel[3:].max() < 0.15


def test_edges_of_half_of_all_pairs_do_not_hide_their_lag():
    activity = torch.randn(12, 3000, generator=torch.Generator().manual_seed(0))
    activity[6:, 1:] += 0.15 * activity[:6, :-1].sum(0)
    assert int(population_kernel(lagged_effects(Session(activity, bin_size=0.1).standardise())).argmax()) == 0
