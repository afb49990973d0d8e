import h5py
import numpy as np
import pytest
import scipy.sparse

from synapsnet_pyg.readers.array_files import ArrayFile

random = np.random.default_rng(0)
COUNTS = random.poisson(0.5, (3, 7))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.h5"


def test_links_are_followed_and_broken_ones_named(path):
    with h5py.File(path.with_name("other.hdf5"), "w") as file:
        file["deep/x"] = np.arange(5.0)
    with h5py.File(path, "w") as file:
        file["group/a"] = COUNTS
        file["soft"] = h5py.SoftLink("/group/a")
        file["outside"] = h5py.ExternalLink("other.hdf5", "/deep")
        file["gone"] = h5py.SoftLink("/nowhere")
        file["lost"] = h5py.ExternalLink("missing.h5", "/x")
        file["group/round"] = h5py.SoftLink("/group")
    with ArrayFile(path) as file:
        assert file.keys == ["gone", "group/a", "lost", "outside/x", "soft"]
        np.testing.assert_array_equal(file.numbers("soft"), COUNTS)
        assert file.numbers("outside/x").tolist() == [0, 1, 2, 3, 4]
        with pytest.raises(ValueError, match=r"'gone' .* a link to '/nowhere', which is not there"):
            file.get("gone")
        with pytest.raises(ValueError, match=r"'lost' .* a link to '/x' of the file 'missing\.h5', which is not there"):
            file.get("lost")


@pytest.mark.parametrize("form", ["csr", "csc"])
@pytest.mark.parametrize("shape_at", ["data set", "attribute"])
def test_sparse_groups(path, form, shape_at):
    matrix = scipy.sparse.random(4, 9, 0.3, form, random_state=0)
    with h5py.File(path, "w") as file:
        group = file.create_group("counts")
        for name in ("data", "indices", "indptr"):
            group[name] = getattr(matrix, name)
        if shape_at == "attribute":
            group.attrs["shape"] = matrix.shape
        else:
            group["shape"] = matrix.shape
    with ArrayFile(path) as file:
        assert file.keys == ["counts"]
        np.testing.assert_array_equal(file.numbers("counts"), matrix.toarray())


@pytest.mark.parametrize("form", ["csr", "csc"])
def test_square_sparse_groups_by_their_encoding(path, form):
    matrix = scipy.sparse.random(5, 5, 0.4, form, random_state=1)
    with h5py.File(path, "w") as file:
        group = file.create_group("X")
        group.attrs.update({"encoding-type": f"{form}_matrix", "shape": matrix.shape})
        for name in ("data", "indices", "indptr"):
            group[name] = getattr(matrix, name)
    with ArrayFile(path) as file:
        np.testing.assert_array_equal(file.numbers("X"), matrix.toarray())


def test_records_are_keys_and_references_are_told(path):
    with h5py.File(path, "w") as file:
        table = np.array([(7, 0.5, b"CA1"), (9, 1.5, b"")], dtype=[("id", "u2"), ("depth", "f4"), ("area", "S3")])
        file["units"] = table
        file["reference"] = np.array([file["units"].ref], dtype=h5py.ref_dtype)
    with ArrayFile(path) as file:
        assert file.keys == ["reference", "units/area", "units/depth", "units/id"]
        assert file.numbers("units/id").tolist() == [7, 9]
        assert file.texts("units/area") == ["CA1", ""]
        with pytest.raises(ValueError, match=r"'reference' .* references to other data"):
            file.get("reference")


def test_ragged_texts_scalars_and_nothing(path):
    with h5py.File(path, "w") as file:
        trains = file.create_dataset("trains", (3,), dtype=h5py.vlen_dtype(np.float32))
        for i, train in enumerate(([0.5, 1.5], [], [2.5])):
            trains[i] = train
        file["names"] = ["é", "", "b"]
        file["fixed"] = np.array([b"x", b"yy"])
        file["rate"] = 30.0
        file["nothing"] = h5py.Empty("f8")
        file["bool"] = np.array([True, False])
        file["half"] = np.arange(3, dtype=np.float16)
        file["big"] = np.arange(3, dtype=">i4")
    with ArrayFile(path) as file:
        assert [train.tolist() for train in file.ragged("trains")] == [[0.5, 1.5], [], [2.5]]
        assert file.ragged("trains")[0].dtype == np.float32
        assert file.texts("names") == ["é", "", "b"]
        assert file.texts("fixed") == ["x", "yy"]
        assert file.numbers("rate").item() == 30
        assert file.numbers("nothing").size == 0
        for key in ("half", "big"):
            assert file.numbers(key).dtype.isnative
            assert file.numbers(key).tolist() == [0, 1, 2]
        assert file.numbers("bool").tolist() == [True, False]


def test_a_group_of_arrays_is_ragged_in_the_order_of_numbers(path):
    with h5py.File(path, "w") as file:
        for name, count in (("0", 4), ("10", 6), ("2", 1)):
            file[f"spikes/{name}"] = np.arange(count) + 0.5
    with ArrayFile(path) as file:
        assert file.is_group("spikes")
        assert file.children("spikes") == ["0", "2", "10"]
        assert [len(train) for train in file.ragged("spikes")] == [4, 1, 6]


def test_slices_of_an_open_file_outlive_it(path):
    with h5py.File(path, "w") as file:
        file["times"] = np.arange(9.0)
    with ArrayFile(path) as file:
        times = file.sequence("times")
    assert times[2:4].tolist() == [2, 3]


def test_hdf5_behind_other_names(path):
    with h5py.File(path.with_suffix(".hdf"), "w") as file:
        file["x"] = COUNTS
    with ArrayFile(path.with_suffix(".hdf")) as file:
        np.testing.assert_array_equal(file.numbers("x"), COUNTS)


def test_units_and_names_of_axes(path):
    with h5py.File(path, "w") as file:
        file["rates"], file["time"] = COUNTS, np.arange(7) * 100.0
        file["time"].attrs["unit"] = "ms"
        file["rates"].dims[0].label, file["rates"].dims[1].label = "neuron", "time"
        file["plain"] = COUNTS
        file["plain"].dims[0].label = "neuron"
    with ArrayFile(path) as file:
        assert file.rate("time") == 1000
        assert file.entry("rates").axes == ("neuron", "time")
        assert file.entry("plain").axes == ()
