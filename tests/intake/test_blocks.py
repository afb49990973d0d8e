from itertools import pairwise

import numpy as np
import pytest
from helpers import told
from hypothesis import given
from hypothesis import strategies as st

from synapsnet_pyg.intake.blocks import apart, blocks_of, duration, merged, within, without

blocks = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 9)).map(lambda x: (x[0], x[0] + x[1])), max_size=6)
TICKS = np.arange(0, 60) + 0.5


def inside(blocks):
    return [any(a <= t < b for a, b in blocks) for t in TICKS]


@given(first=blocks, second=blocks)
def test_sets_of_time(first, second):
    a, b = np.array(inside(first)), np.array(inside(second))
    assert inside(merged(first)) == a.tolist()
    assert inside(apart(first)) == a.tolist()
    assert inside(without(first, second)) == (a & ~b).tolist()
    assert inside(within(first, second)) == (a & b).tolist()
    assert duration(merged(first)) == a.sum()
    for some in (merged(first), apart(first)):
        assert all(stop <= start for (_, stop), (start, _) in pairwise(some))


def test_blocks_that_touch():
    assert merged([(0, 1), (1, 2)]) == [(0, 2)]
    assert apart([(0, 1), (1, 2)]) == [(0, 1), (1, 2)]
    assert merged([(0, 1), (1.5, 2)], gap=0.5) == [(0, 2)]


def test_rows_that_are_no_blocks_are_told():
    found, messages = told(lambda: blocks_of([5, 3, np.nan, 0], [6, 3, 2, 1], "'trials'"))
    assert found == [(0, 1), (5, 6)]
    assert messages == ["2 of 4 rows of 'trials' have no start before their stop and are left out."]
    with pytest.raises(ValueError, match=r"as many starts as stops in 'trials' \(got 1 and 2\)"):
        blocks_of([1], [2, 3], "'trials'")
