import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from synapsnet_pyg.analysis.quantiles import quantiles


def test_classes_are_of_equal_size():
    values = np.random.default_rng(0).permutation(12) * 1.0
    cut = quantiles(values, bins=3)
    assert np.bincount(cut.code).tolist() == [4, 4, 4]
    assert cut.smallest.tolist() == [0, 4, 8]
    assert cut.largest.tolist() == [3, 7, 11]


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=30), st.integers(1, 9))
def test_every_number_lies_in_its_class(numbers, bins):
    values = np.array(numbers, dtype=float)
    cut = quantiles(values, bins)
    assert (cut.smallest[cut.code] <= values).all()
    assert (values <= cut.largest[cut.code]).all()
    assert (cut.largest[:-1] < cut.smallest[1:]).all()
    assert len(cut.largest) <= bins
    for k in range(len(cut.largest)):
        inside = values[cut.code == k]
        assert (inside.min(), inside.max()) == (cut.smallest[k], cut.largest[k])


def test_refuses_nothing():
    for values, bins in ((np.array([]), 2), (np.ones(3), 0)):
        with pytest.raises(ValueError, match="at least 1 bin"):
            quantiles(values, bins)
