import numpy as np
import pytest

from synapsnet_pyg.readers.cluster_rows import JoinedVectors, label_rows, whole_ids
from synapsnet_pyg.readers.mapped_arrays import stored_vector

RANDOM = np.random.default_rng(0)


def stored(path, values):
    np.save(path, values)
    return stored_vector(path)


@pytest.mark.parametrize(
    ("labels", "known", "rows"),
    [
        (np.array([7, 3, -1, 7]), [3, 7], [1, 0, -1, 1]),
        (np.array([7, 3, 200], "u1"), [3, 7, 200], [1, 0, 2]),
        (np.array([7.0, np.nan, 3.5]), [3.5, 7.0], [1, -1, 0]),
        (np.array(["b10", "", "b9", "-1"]), ["b9", "b10"], [1, -1, 0, -1]),
        (np.array([1 << 40, 5]), [5, 1 << 40], [1, 0]),
        (np.array([-5, 2]), [2], [-1, 0]),
        (np.zeros(0, int), [], []),
        (np.zeros(0), [], []),
        (np.array([4, -1, 4]).astype("u8"), [4], [0, -1, 0]),
        (np.array([4.0, 2.0, -3.0]), [2, 4], [1, 0, -1]),
    ],
)
def test_labels_of_any_kind_get_rows(labels, known, rows):
    notes = []
    found, of_spikes = label_rows(labels, "units", notes)
    assert found.tolist() == known
    assert of_spikes(0, len(labels)).tolist() == rows
    assert of_spikes(1, max(len(labels), 1)).tolist() == rows[1:]
    assert bool(notes) == (-1 in rows)


def test_labels_in_many_pieces(monkeypatch):
    monkeypatch.setattr("synapsnet_pyg.readers.cluster_rows.PIECE", 7)
    for labels in (RANDOM.integers(0, 9, 50), RANDOM.choice(["x1", "x10", "x2"], 50), RANDOM.integers(0, 9, 50) / 2):
        known, rows = label_rows(labels, "units", [])
        np.testing.assert_array_equal(known[rows(0, 50)], labels)


def test_what_is_no_number_is_no_cluster():
    assert whole_ids(np.array([np.nan, 2.0, np.inf])).tolist() == [-1, 2, -1]
    assert whole_ids(np.array([3], dtype="u8")).dtype == np.int64
    assert whole_ids(np.array([3, -1]).astype("u4")).tolist() == [3, -1]


def test_vectors_are_joined_across_their_borders(tmp_path):
    parts = [stored(tmp_path / f"{i}.npy", np.arange(a, b) * 1.0) for i, (a, b) in enumerate([(0, 3), (3, 3), (3, 8)])]
    joined = JoinedVectors(parts)
    assert len(joined) == 8
    for start, stop in ((0, 8), (1, 2), (2, 5), (3, 8), (7, 9), (4, 4)):
        assert joined[start:stop].tolist() == list(range(start, min(stop, 8)))
