import h5py
import numpy as np
import pytest
import scipy.io

from synapsnet_pyg.readers.mapped_arrays import keys_of_hdf5, mapped, mapped_numbers, matlab_variables, stored_vector


@pytest.mark.parametrize("shape", [(7,), (7, 1), (1, 7)])
@pytest.mark.parametrize("dtype", ["u8", ">i4", "f4"])
def test_vectors_are_read_in_slices(tmp_path, shape, dtype):
    path = tmp_path / "x.npy"
    np.save(path, np.arange(7, dtype=dtype).reshape(shape))
    vector = stored_vector(path)
    assert (len(vector), vector.dtype) == (7, np.dtype(dtype))
    assert vector[2:5].tolist() == [2, 3, 4]
    assert vector[5:99].tolist() == [5, 6]
    assert mapped_numbers(path, 1).tolist() == list(range(7))


def test_empty_and_single_numbers(tmp_path):
    np.save(tmp_path / "none.npy", np.zeros((0, 1)))
    np.save(tmp_path / "one.npy", np.float32(3))
    assert len(stored_vector(tmp_path / "none.npy")) == 0
    assert stored_vector(tmp_path / "none.npy")[0:5].tolist() == []
    assert stored_vector(tmp_path / "one.npy")[0:5].tolist() == [3]


def test_says_what_is_wrong(tmp_path):
    path = tmp_path / "x.npy"
    with pytest.raises(FileNotFoundError, match="there is none"):
        mapped(path)
    path.symlink_to("../annex/objects/ab")
    with pytest.raises(FileNotFoundError, match=r"a link to '../annex/objects/ab', which is not there.*git annex"):
        mapped(path)
    path.unlink()
    path.write_text("x,y\n")
    with pytest.raises(ValueError, match=r"x\.npy' \(it is not a file of numpy"):
        mapped(path)
    np.save(path, np.arange(50))
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ValueError, match="cut short"):
        mapped(path)
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(ValueError, match="cut short"):
        mapped(path)
    np.save(path, np.array([None, {}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="pickled objects, which are never read"):
        mapped(path)
    np.save(path, np.array(["a", "b"]))
    assert mapped(path).tolist() == ["a", "b"]
    with pytest.raises(ValueError, match=r"real numbers in .* \(got texts"):
        mapped_numbers(path)
    np.save(path, np.zeros((3, 2)))
    with pytest.raises(ValueError, match=r"1 axes in .* \(got shape \[3, 2\]\)"):
        mapped_numbers(path, 1)


def test_keys_of_hdf5_files_and_of_others(tmp_path):
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file["a/b"], file["c"] = np.zeros(500), 1
        file["lost"] = h5py.SoftLink("/nothing")
    assert keys_of_hdf5(path, ".mat") == {}
    assert keys_of_hdf5(path, ".mat", ".h5") == {"a": {"b"}, "c": set(), "lost": set()}
    path.write_bytes(path.read_bytes()[:900])
    assert keys_of_hdf5(path, ".h5") == {}
    path.write_text("no")
    assert keys_of_hdf5(path, ".h5") == keys_of_hdf5(tmp_path / "none.h5", ".h5") == {}


def test_variables_of_matlab(tmp_path):
    scipy.io.savemat(tmp_path / "a.mat", {"x": np.eye(2), "s": {"f": 1}, "many": np.zeros(3, dtype=[("f", "f8")])})
    assert matlab_variables(tmp_path / "a.mat") == {"x": "double", "s": "struct", "many": "structs"}
    (tmp_path / "b.mat").write_bytes(b"junk")
    for name in ("b.mat", "none.mat", "a.txt"):
        assert matlab_variables(tmp_path / name) == {}


def test_a_header_of_an_unknown_version_is_named(tmp_path):
    path = tmp_path / "times.npy"
    np.save(path, np.arange(3))
    data = bytearray(path.read_bytes())
    for major, minor in ((1, 2), (4, 0), (0, 0)):
        data[6:8] = major, minor
        path.write_bytes(data)
        with pytest.raises(
            ValueError, match=rf"times.npy' \(its header is damaged: it has the version {major}.{minor}"
        ):
            mapped(path)
