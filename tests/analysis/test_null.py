import numpy as np
import pytest

from synapsnet_pyg.analysis.null import against_null


def replay(values):
    """Hands out one row after the other, as shuffles would."""
    rows = iter(np.asarray(values, dtype=float))
    return lambda random: next(rows)


def test_by_hand():
    null = against_null(np.array([3.0, 0.0]), replay([[1, 1], [-1, -1], [3, 1], [-3, -1]]), permutations=4, seed=0)
    assert null.null_mean.tolist() == [0, 0]
    assert null.null_deviation == pytest.approx([5**0.5, 1])
    assert null.z == pytest.approx([3 / 5**0.5, 0])
    assert null.p.tolist() == [3 / 5, 1]


def test_what_does_not_vary_tells_nothing():
    null = against_null(np.array([0.3]), replay([[0.1 + 0.2], [0.3], [0.3]]), permutations=3, seed=0)
    assert null.null_deviation.tolist() == [0]
    assert np.isnan(null.z).all()
    assert null.p.tolist() == [1]


def test_what_is_not_defined_does_not_count():
    rows = [[np.nan, 0, np.nan], [1, 0, np.nan], [-1, 0, np.nan]]
    null = against_null(np.array([5.0, np.nan, 1.0]), replay(rows), permutations=3, seed=0)
    assert null.p[0] == 1 / 3
    assert np.isnan(null.p[1:]).all()
    assert np.isnan([null.null_mean[2], null.null_deviation[2]]).all()


def test_p_is_uniform_where_the_null_is_true():
    random = np.random.default_rng(1)
    observed = random.standard_normal(2000)
    p = against_null(observed, lambda random: random.standard_normal(2000), permutations=99, seed=0).p
    assert np.quantile(p, [0.05, 0.25, 0.5, 0.75]) == pytest.approx([0.05, 0.25, 0.5, 0.75], abs=0.04)
    assert p.min() == 0.01


def test_a_seed_decides():
    p = [
        against_null(np.array(1.0), lambda random: random.standard_normal(), permutations=50, seed=s).p
        for s in (3, 3, 4)
    ]
    assert p[0] == p[1] != p[2]
    with pytest.raises(ValueError, match="at least 1 permutation"):
        against_null(np.array(1.0), lambda random: random.standard_normal(), permutations=0, seed=0)


def test_the_tail_is_continued_beyond_the_shuffles():
    observed = np.array([0.5, 2.0, 4.0, 6.0])
    null = against_null(observed, lambda random: random.standard_normal(4), permutations=2000, seed=0, tail=True)
    counted = against_null(observed, lambda random: random.standard_normal(4), permutations=2000, seed=0)
    assert null.p[:2].tolist() == counted.p[:2].tolist()
    assert 6e-5 <= null.p[2] < 5e-4  # of a normal distribution: 6e-5
    assert 2e-9 <= null.p[3] < 1e-4
    assert counted.p[3] == 1 / 2001


def test_a_tail_of_few_shuffles_is_not_continued():
    null = against_null(np.array(9.0), lambda random: random.standard_normal(), permutations=99, seed=0, tail=True)
    assert null.p == 0.01


def test_a_tail_without_width_is_counted():
    null = against_null(np.array(9.0), lambda random: np.array(1.0), permutations=600, seed=0, tail=True)
    assert null.p == pytest.approx(1 / 601)
