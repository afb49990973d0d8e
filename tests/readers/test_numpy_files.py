import io

import numpy as np
import pytest
import scipy.sparse

from synapsnet_pyg.readers.array_files import ArrayFile

COUNTS = np.random.default_rng(0).poisson(1.0, (3, 7))


@pytest.mark.parametrize("form", ["csr", "csc", "coo", "dia", "bsr"])
@pytest.mark.parametrize("kind", [scipy.sparse.csr_matrix, scipy.sparse.csr_array])
def test_sparse_matrices_that_scipy_saved(tmp_path, form, kind):
    scipy.sparse.save_npz(tmp_path / "a.npz", kind(COUNTS).asformat(form))
    with ArrayFile(tmp_path / "a.npz") as file:
        assert file.keys == ["activity"]
        assert file.shape(None) == (3, 7)
        np.testing.assert_array_equal(file.numbers(None), COUNTS)


def test_records_are_keys(tmp_path):
    table = np.array([(0.5, 3, "CA1"), (1.5, 4, "")], dtype=[("time", "f4"), ("unit", "u2"), ("area", "U3")])
    np.save(tmp_path / "spikes.npy", table)
    np.savez(tmp_path / "b.npz", spikes=table)
    for path, prefix in (("spikes.npy", "activity"), ("b.npz", "spikes")):
        with ArrayFile(tmp_path / path) as file:
            assert file.keys == [f"{prefix}/area", f"{prefix}/time", f"{prefix}/unit"]
            assert file.numbers(f"{prefix}/unit").tolist() == [3, 4]
            assert file.texts("area") == ["CA1", ""]


def test_objects_are_never_unpickled_and_leave_the_others_readable(tmp_path):
    np.savez(tmp_path / "a.npz", odd=np.array([{"x": 1}], dtype=object), x=COUNTS)
    with ArrayFile(tmp_path / "a.npz") as file:
        np.testing.assert_array_equal(file.numbers("x"), COUNTS)
        with pytest.raises(ValueError, match=r"'odd' .* pickled objects, which are never read"):
            file.get("odd")


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["u1", ">i4", "f2", "?", "<U3", "S2"])
def test_headers_and_heads_of_every_kind(tmp_path, order, dtype):
    values = np.array(COUNTS, dtype=dtype, order=order)
    np.save(tmp_path / "a.npy", values)
    np.savez_compressed(tmp_path / "a.npz", values=values)
    for name in ("a.npy", "a.npz"):
        with ArrayFile(tmp_path / name) as file:
            (key,) = file.keys
            assert file.shape(key) == (3, 7)
            np.testing.assert_array_equal(file.get(key), values)
            assert file.head(key).size <= values.size


def test_a_head_reads_a_small_part_of_a_large_array(tmp_path):
    large = np.lib.format.open_memmap(tmp_path / "a.npy", "w+", np.float32, (100_000, 50))
    del large
    with ArrayFile(tmp_path / "a.npy") as file:
        assert file.shape("a") == (100_000, 50)
        assert file.head("a").size < 100_000
        assert isinstance(file.get("a").base, np.memmap)


def test_vectors_are_read_slice_by_slice(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(50, dtype=">i4"))
    with ArrayFile(tmp_path / "a.npy") as file:
        times = file.sequence("activity")
    assert len(times) == 50
    assert times[3:6].tolist() == [3, 4, 5]
    assert times[48:90].tolist() == [48, 49]
    assert times[9:9].tolist() == []


def test_empty_and_single_arrays(tmp_path):
    np.savez(tmp_path / "a.npz", none=np.zeros((0, 3)), one=np.array(5.0))
    with ArrayFile(tmp_path / "a.npz") as file:
        assert file.get("none").shape == (0, 3)
        assert file.numbers("one").item() == 5
    np.save(tmp_path / "b.npy", np.zeros((0, 3)))
    with ArrayFile(tmp_path / "b.npy") as file:
        assert file.get(None).shape == (0, 3)


def test_headers_in_unicode_are_understood(tmp_path):
    values = np.zeros(3, dtype=[("θ", "f8")])
    buffer = io.BytesIO()
    with pytest.warns(UserWarning, match="format 3"):
        np.lib.format.write_array(buffer, values, version=None)
    (tmp_path / "a.npy").write_bytes(buffer.getvalue())
    with ArrayFile(tmp_path / "a.npy") as file:
        assert len(file.keys) == 1


def test_a_file_larger_than_the_memory_that_a_process_may_map(tmp_path, monkeypatch):
    np.lib.format.open_memmap(tmp_path / "a.npy", "w+", "f4", (3_000_000, 16, 64))  # a hole on disk
    monkeypatch.setattr(np, "load", None)
    with ArrayFile(tmp_path / "a.npy") as file:
        assert file.shape(None) == (3_000_000, 16, 64)
        assert not file.head("a").any()
        monkeypatch.setattr("synapsnet_pyg.files.memory.free_memory", lambda: 1e9)
        monkeypatch.setattr(np, "load", lambda *_, **__: (_ for _ in ()).throw(OSError("Cannot allocate memory")))
        with pytest.raises(ValueError, match="fit into memory"):
            file.get("a")


def test_a_pickle_is_called_one(tmp_path):
    np.ma.masked_array([1, 2], [True, False]).dump(tmp_path / "a.npy")
    with pytest.raises(ValueError, match="pickled objects, which are never read"):
        ArrayFile(tmp_path / "a.npy").__enter__()


def test_times_of_dates_are_seconds(tmp_path):
    times = np.datetime64("2024-05-01T12:00") + (np.arange(4) * 50).astype("m8[ms]")
    times[2] = "NaT"
    np.savez(tmp_path / "a.npz", date=times, since=(np.arange(3) * 250).astype("m8[us]"))
    with ArrayFile(tmp_path / "a.npz") as file:
        np.testing.assert_allclose(np.diff(file.numbers("date"))[0], 0.05, atol=1e-6)
        assert np.isnan(file.numbers("date")[2])
        np.testing.assert_allclose(file.numbers("since"), [0, 0.00025, 0.0005])
        assert file.rate("date") == 1.0
