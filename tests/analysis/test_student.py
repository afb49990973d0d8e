import numpy as np
import pytest
from scipy.stats import norm

from synapsnet_pyg.analysis.student import half_width, two_sided_p


def test_without_excess_it_is_normal():
    z = np.array([0.0, -1.0, 2.5])
    np.testing.assert_allclose(two_sided_p(z, np.zeros(3)), 2 * norm.sf(np.abs(z)), rtol=1e-5)


def test_an_interval_ends_where_p_is_five_percent():
    excess = np.array([0.0, 0.5, 7.0])
    np.testing.assert_allclose(two_sided_p(half_width(np.ones(3), excess), excess), 0.05)


def test_tails_of_rare_events_are_heavier():
    p = two_sided_p(np.full(3, 5.0), [0.0, 1.0, 10.0])
    assert (np.diff(p) > 0).all()
    assert p[2] == pytest.approx(2e-3, rel=0.5)
