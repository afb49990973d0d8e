import struct
import zlib

import h5py
import numpy as np
import pytest
import scipy.io
import scipy.sparse
from matlab73 import write_v73

from synapsnet_pyg.readers.array_files import ArrayFile
from synapsnet_pyg.readers.sparse_matrices import dense, require_indices

MATRIX = scipy.sparse.csc_matrix(np.random.default_rng(0).poisson(0.4, (7, 9)).astype(float))


@pytest.mark.parametrize("kind", ["csr", "csc", "coo", "bsr", "dia", "lil"])
def test_the_numbers_are_those_of_scipy(kind):
    np.testing.assert_array_equal(dense(MATRIX.asformat(kind), "'A'"), MATRIX.toarray())


def test_entries_that_come_twice_are_added():
    twice = scipy.sparse.csr_array((np.array([1.0, 2.0]), np.array([1, 1]), np.array([0, 2, 2])), shape=(2, 3))
    np.testing.assert_array_equal(dense(twice, "'A'"), [[0, 3, 0], [0, 0, 0]])


def test_what_does_not_fit_is_not_made():
    huge = scipy.sparse.csr_array((10**7, 10**9))
    with pytest.raises(ValueError, match=r"Expected 'A' of shape \[10000000, 1000000000\] to fit into memory"):
        dense(huge, "'A'")


@pytest.mark.parametrize(
    ("start", "minor"),
    [([0, 1, 3], [0, 1, 3]), ([0, 1, 3], [0, -1, 2]), ([0, 4, 3], [0, 1, 2]), ([0, 1, 9], [0, 1, 2]),
     ([1, 2, 3], [0, 1, 2]), ([0, 3], [0, 1, 2])],
)  # fmt: skip
def test_indices_out_of_range(start, minor):
    with pytest.raises(ValueError, match=r"Expected .* in 'A'"):
        require_indices(np.array(start), np.array(minor), (2, 3), "'A'")


def _spoilt(field, place, value):
    values = getattr(MATRIX, field).copy()
    values[place] = value
    return values


SPOILT = [("indices", 3, 10**8), ("indices", 0, 2**31 - 5), ("indptr", 4, 10**9), ("indptr", 3, 1)]


@pytest.mark.parametrize(("field", "place", "value"), SPOILT)
@pytest.mark.parametrize("packed", [False, True])
def test_matlab(tmp_path, field, place, value, packed):
    path = tmp_path / "a.mat"
    scipy.io.savemat(path, {"A": MATRIX})  # scipy itself would run into the wrong index
    content = path.read_bytes().replace(getattr(MATRIX, field).tobytes(), _spoilt(field, place, value).tobytes())
    if packed:
        body = zlib.compress(content[128:])
        content = content[:128] + struct.pack("<2I", 15, len(body)) + body
    path.write_bytes(content)
    with ArrayFile(path) as file, pytest.raises(ValueError, match=r"Expected .*'A' of .*a.mat"):
        file.get("A")


@pytest.mark.parametrize(("field", "place", "value"), SPOILT)
def test_scipy(tmp_path, field, place, value):
    parts = {"data": MATRIX.data, "indices": MATRIX.indices, "indptr": MATRIX.indptr}
    parts[field] = _spoilt(field, place, value)
    np.savez(tmp_path / "a-sparse.npz", format=np.array(b"csc"), shape=np.array(MATRIX.shape), **parts)
    with ArrayFile(tmp_path / "a-sparse.npz") as file, pytest.raises(ValueError, match=r"Expected .*a-sparse.npz"):
        file.get("activity")


@pytest.mark.parametrize(("field", "place", "value"), [("ir", 3, 10**8), ("jc", 3, 1), ("jc", 4, 10**9)])
def test_matlab_in_hdf5(tmp_path, field, place, value):
    write_v73(tmp_path / "a.mat", {"A": MATRIX})
    with h5py.File(tmp_path / "a.mat", "r+") as file:
        file[f"A/{field}"][place] = value
    with ArrayFile(tmp_path / "a.mat") as file, pytest.raises(ValueError, match=r"Expected .*'/A' of .*a.mat"):
        file.get("A")
