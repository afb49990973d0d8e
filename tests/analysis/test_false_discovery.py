import numpy as np
import pytest
from scipy.stats import false_discovery_control

from synapsnet_pyg.analysis.false_discovery import benjamini_hochberg


@pytest.mark.parametrize("decimals", [8, 1])  # one decimal makes ties
def test_is_scipys(decimals):
    p = np.random.default_rng(0).random(40).round(decimals)
    assert benjamini_hochberg(p) == pytest.approx(false_discovery_control(p), abs=1e-15)


def test_nan_is_no_test():
    p = np.array([[0.2, np.nan, 0.01], [np.nan, 0.03, 1.0]])
    q = benjamini_hochberg(p)
    assert np.array_equal(np.isnan(q), np.isnan(p))
    assert q[~np.isnan(p)] == pytest.approx(false_discovery_control(p[~np.isnan(p)]))


def test_nothing_to_test():
    assert benjamini_hochberg([]).shape == (0,)
    assert np.isnan(benjamini_hochberg([np.nan])).all()
    assert benjamini_hochberg(0.3) == 0.3


def test_holds_the_false_discovery_rate():
    random = np.random.default_rng(0)
    rates = []
    for _ in range(200):
        p = np.r_[random.random(80), random.random(20) * 1e-3]
        found = benjamini_hochberg(p) <= 0.1
        rates.append(found[:80].sum() / max(found.sum(), 1))
    assert 0.06 < np.mean(rates) < 0.1  # 0.1 times the share of true nulls is expected


def test_refuses_what_is_no_probability():
    with pytest.raises(ValueError, match="from 0 to 1"):
        benjamini_hochberg([0.1, 1.2])
