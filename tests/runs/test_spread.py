import numpy as np
import pytest
from scipy.stats import nbinom, norm

from synapsnet_pyg.runs.spread import CountSpread, ResidualSpread, count_cdf, count_quantiles


def test_counts_are_those_of_a_negative_binomial():
    mean, fano = np.array([[0.02, 0.7, 9.0]]), np.array([[1.02, 1.5, 4.0]])
    cdf = count_cdf(mean, fano, 60)
    expected = nbinom(mean / (fano - 1), 1 / fano).cdf(np.arange(-1, 61)[:, None, None])
    assert np.abs(cdf - expected).max() < 1e-12


def test_count_quantiles_reach_their_probability():
    mean, fano = np.array([0.02, 0.7, 60.0]), np.array([1.02, 1.5, 4.0])  # the last needs a larger table
    probability = np.array([[0.1, 0.5, 0.995]] * 3)
    values, share = count_quantiles(mean, fano, probability)
    law = nbinom((mean / (fano - 1))[:, None], (1 / fano)[:, None])
    assert values.tolist() == law.ppf(probability).tolist()
    assert np.abs(law.cdf(values - 1) + share * law.pmf(values) - probability).max() < 1e-9


def test_shares_below_are_those_of_the_quantile():
    spread = CountSpread(np.array([0.5, 2.0]), horizon=1)
    centre, width = spread.around(np.array([[0.4, 3.0]]))
    score = np.broadcast_to(spread.start(np.array([0.1, 0.6])), (1, 2, 2))
    given = spread.quantiles(centre, width, score)
    for truth in range(7):
        below = spread.below(np.full(2, float(truth)), centre, width, score)
        expected = np.where(truth == given.values, given.share, truth < given.values)
        assert np.abs(below - expected).max() < 1e-9


def test_residuals_find_bias_and_deviation():
    random = np.random.default_rng(0)
    spread = ResidualSpread(np.array([1.0, 1.0]), horizon=1)
    for n in range(4000):
        truth = np.array([3.0, -1.0]) + np.array([0.5, 2.0]) * random.standard_normal(2)
        spread.update(truth, np.zeros((1, 2)), np.array([[max(1 / (n + 1), 0.002)]]))
    assert spread.offset[0] == pytest.approx([3, -1], abs=0.1)
    assert spread.width[0] == pytest.approx([0.5, 2], rel=0.1)
    centre, width = spread.around(np.zeros((1, 2)))
    score = np.broadcast_to(spread.start(np.array([0.025, 0.975])), (1, 2, 2))
    expected = norm(centre[0], width[0]).ppf(np.array([[0.025], [0.975]])).T
    assert spread.quantiles(centre, width, score).values[0] == pytest.approx(expected)
