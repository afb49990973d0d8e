import numpy as np
import pytest

from synapsnet_pyg.datasets.cluster_rows import JoinedVectors, cluster_ids, row_lookup, whole_ids
from synapsnet_pyg.datasets.mapped_arrays import stored_vector


def stored(path, values):
    np.save(path, values)
    return stored_vector(path)


@pytest.mark.parametrize("shift", [0, 1 << 30])
def test_rows_are_those_of_the_sorted_ids(tmp_path, shift):
    clusters = np.array([7, 3, -1, 3, 900, 7]) + shift
    clusters[2] = -1
    vector = stored(tmp_path / "c.npy", clusters)
    ids, without = cluster_ids(vector, tmp_path)
    assert without == 1
    assert (ids - shift).tolist() == [3, 7, 900]
    rows = row_lookup(ids, vector)
    assert rows(0, 6).tolist() == [1, 0, -1, 0, 2, 1]
    assert rows(3, 5).tolist() == [0, 2]


def test_what_is_no_number_is_no_cluster(tmp_path):
    assert whole_ids(np.array([np.nan, 2.0, np.inf])).tolist() == [-1, 2, -1]
    assert whole_ids(np.array([3], dtype="u8")).dtype == np.int64
    assert whole_ids(np.array([3, -1]).astype("u4")).tolist() == [3, -1]
    with pytest.raises(ValueError, match="no spike has a cluster"):
        cluster_ids(stored(tmp_path / "none.npy", np.full(3, -1)), tmp_path)


def test_vectors_are_joined_across_their_borders(tmp_path):
    parts = [stored(tmp_path / f"{i}.npy", np.arange(a, b) * 1.0) for i, (a, b) in enumerate([(0, 3), (3, 3), (3, 8)])]
    joined = JoinedVectors(parts)
    assert len(joined) == 8
    for start, stop in ((0, 8), (1, 2), (2, 5), (3, 8), (7, 9), (4, 4)):
        assert joined[start:stop].tolist() == list(range(start, min(stop, 8)))
