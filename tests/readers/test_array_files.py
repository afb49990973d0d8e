import h5py
import numpy as np
import pandas
import pytest
import scipy.io
import xarray
from hypothesis import given, settings
from hypothesis import strategies as st
from lab_arrays import read_arrays
from matlab73 import Cell, write_v73

from synapsnet_pyg.readers.array_files import ArrayFile
from synapsnet_pyg.readers.mapped_arrays import mapped

random = np.random.default_rng(0)


def test_a_folder_of_npy_files(tmp_path):
    counts, running = random.poisson(1.0, (4, 30)), random.standard_normal(30)
    truth = random.standard_normal((4, 4))
    for key, array in {"counts": counts, "running": running, "W": truth}.items():
        np.save(tmp_path / f"{key}.npy", array)
    np.save(tmp_path / "ops.npy", np.array({}, dtype=object), allow_pickle=True)
    session = read_arrays(tmp_path, "counts", ("neuron", "bin"), 0.1, ["running"], truth="W")
    np.testing.assert_array_equal(session.activity, counts)
    np.testing.assert_allclose(session.behaviour[:, 0], running, rtol=1e-6)
    np.testing.assert_allclose(session.true_connectivity, truth, rtol=1e-6)
    with ArrayFile(tmp_path) as source:
        assert source.keys == ["W", "counts", "ops", "running"]
    with pytest.raises(ValueError, match="pickled objects, which are never read"):
        read_arrays(tmp_path, "ops", ("neuron", "bin"), 0.1)
    with pytest.raises(ValueError, match=r"key among W, counts, ops, running"):
        read_arrays(tmp_path, "spikes", ("neuron", "bin"), 0.1)
    with pytest.raises(ValueError, match=r"true weights of shape \[4, 4\]"):
        read_arrays(tmp_path, "counts", ("neuron", "bin"), 0.1, truth="running")


def test_behaviour_on_its_own_clock_and_gaps(tmp_path):
    times = np.concatenate([np.arange(20) * 0.1, 5 + np.arange(10) * 0.1])
    clock = np.linspace(-0.1, 6, 50) + random.uniform(0, 0.05, 50)
    speed = random.standard_normal(50)
    counts = random.poisson(1.0, (3, 30))
    np.savez(tmp_path / "a.npz", counts=counts, times=times, clock=clock, speed=np.stack([speed, speed**2]))
    with pytest.warns(UserWarning, match="1 gaps"):
        session = read_arrays(
            tmp_path / "a.npz", "counts", ("neuron", "bin"), behaviour=["speed"], times="times", behaviour_times="clock"
        )
    assert session.segment.tolist() == [[0, 20], [20, 30]]
    assert session.bin_size == pytest.approx(0.1)
    assert session.behaviour_name == ["speed 0", "speed 1"]
    np.testing.assert_allclose(session.behaviour[:, 0], np.interp(times, clock, speed), rtol=1e-5)
    np.testing.assert_allclose(session.behaviour[:, 1], np.interp(times, clock, speed**2), rtol=1e-5)


@settings(max_examples=50)
@given(data=st.data())
def test_an_array_file_cut_short_anywhere_is_told(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("cut")
    np.save(folder / "a.npy", np.arange(30.0))
    np.savez(folder / "b.npz", counts=np.arange(30.0).reshape(3, 10))
    for path in (folder / "a.npy", folder / "b.npz"):
        whole = path.read_bytes()
        path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
        with pytest.raises(ValueError, match=path.name) as error:
            mapped(path) if path.suffix == ".npy" else read_arrays(path, "counts", ("neuron", "bin"), 0.1)
        assert len(str(error.value).splitlines()) == 1


FILES = {
    "a.npz": lambda path: np.savez(path, counts=np.arange(60.0).reshape(3, 20), speed=np.arange(20.0)),
    "a.mat": lambda path: scipy.io.savemat(path, {"counts": np.eye(3), "s": {"x": [1.0, 2.0]}}),
    "v73.mat": lambda path: write_v73(path, {"counts": np.eye(3), "c": Cell([np.arange(5.0), np.arange(3.0)])}),
    "a.h5": lambda path: _hdf5(path),
    "a.npy": lambda path: np.save(path, np.eye(3)),
    "a.csv": lambda path: path.write_text("time,x\n" + "".join(f"{i},{i / 2}\n" for i in range(50))),
    "a.parquet": lambda path: pandas.DataFrame({"x": np.arange(50.0)}).to_parquet(path),
    "a.nc": lambda path: xarray.Dataset({"x": ("t", np.arange(50.0))}).to_netcdf(path),
}


def _hdf5(path):
    with h5py.File(path, "w") as file:
        file.create_dataset("counts", data=np.arange(60.0).reshape(3, 20), compression="gzip")


@settings(max_examples=60, deadline=None)
@given(data=st.data(), name=st.sampled_from(sorted(FILES)))
def test_every_file_cut_short_or_changed_is_told_in_plain_words_or_read(tmp_path_factory, data, name):
    path = tmp_path_factory.mktemp("damaged") / name
    FILES[name](path)
    whole = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        whole = whole[: data.draw(st.integers(0, len(whole) - 1))]
    else:
        at = data.draw(st.integers(0, len(whole) - 1))
        whole[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(bytes(whole))
    messages = []
    try:
        with ArrayFile(path) as file:
            for key in file.keys:
                try:
                    file.get(key)
                except ValueError as error:
                    messages.append(str(error))
    except ValueError as error:
        messages.append(str(error))
    for message in messages:
        assert "cannot be read" in message or message.startswith("Expected "), message
        assert len(message.splitlines()) == 1


def test_a_folder_of_files_of_several_kinds(tmp_path):
    np.save(tmp_path / "counts.npy", np.eye(2))
    np.savez(tmp_path / "behaviour.npz", speed=np.arange(3.0))
    (tmp_path / "units.tsv").write_text("cluster_id\tgroup\n0\tgood\n4\tmua\n")
    (tmp_path / "._counts.npy").write_bytes(b"of macOS")
    (tmp_path / "notes.docx").write_bytes(b"no array")
    (tmp_path / "broken.npy").write_bytes(b"no array")
    with ArrayFile(tmp_path) as file:
        assert file.keys == ["behaviour/speed", "broken", "counts", "units/cluster_id", "units/group"]
        assert file.texts("units/group") == ["good", "mua"]
        assert file.texts("group") == ["good", "mua"]
        with pytest.raises(ValueError, match=r"'broken' .* cannot be read: it is not a file of numpy"):
            file.get("broken")


def test_keys_that_are_not_there_list_those_that_are(tmp_path):
    np.savez(tmp_path / "a.npz", **{f"x{i}": np.zeros(2) for i in range(40)})
    with ArrayFile(tmp_path / "a.npz") as file:
        assert file.keys[:3] == ["x0", "x1", "x2"]
        assert file.keys[10] == "x10"
        with pytest.raises(ValueError, match=r"x19 and 20 more in '.*a\.npz' \(got 'y'\)"):
            file.get("y")


def test_entries_of_neurons_from_any_axis(tmp_path):
    np.savez(tmp_path / "a.npz", row=[[4, 5, 6]], wide=np.arange(6).reshape(2, 3), cube=np.zeros((3, 2, 2)))
    with ArrayFile(tmp_path / "a.npz") as file:
        assert file.per_neuron("row", 3).tolist() == [4, 5, 6]
        assert file.per_neuron("wide", 3).tolist() == [[0, 3], [1, 4], [2, 5]]
        for key, N in (("row", 4), ("cube", 3)):
            with pytest.raises(ValueError, match=f"{N} entries, one for each neuron"):
                file.per_neuron(key, N)
        assert file.per_neuron("row", 1).tolist() == [[4, 5, 6]]


def test_files_that_are_missing_pickled_or_of_another_kind(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no file '.*none\.npz'"):
        ArrayFile(tmp_path / "none.npz").__enter__()
    (tmp_path / "link.npz").symlink_to("gone/x.npz")
    with pytest.raises(FileNotFoundError, match=r"a link to 'gone/x\.npz', which is not there; 'datalad get'"):
        ArrayFile(tmp_path / "link.npz").__enter__()
    (tmp_path / "a.pkl").write_bytes(b"\x80")
    with pytest.raises(ValueError, match="pickled objects, which are never read; save the arrays with"):
        ArrayFile(tmp_path / "a.pkl").__enter__()
    (tmp_path / "a.docx").write_bytes(b"x")
    with pytest.raises(ValueError, match=r"a file ending in .*\.mat.*got '.*a\.docx'"):
        ArrayFile(tmp_path / "a.docx").__enter__()
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"in the folder '.*empty' \(found none\)"):
        ArrayFile(tmp_path / "empty").__enter__()
