"""MATLAB files of both kinds: every trait is written for v5 by scipy and for v7.3 as MATLAB writes it."""

import numpy as np
import pytest
import scipy.io
import scipy.sparse
from matlab73 import Cell, Matlab, Structs, write_v73

from synapsnet_pyg.readers.array_files import ArrayFile
from synapsnet_pyg.readers.hdf5_arrays import _Walk

random = np.random.default_rng(0)
COUNTS = random.poisson(0.5, (3, 7)).astype(float)


def for_scipy(value):
    if isinstance(value, Cell):
        cells = np.empty((1, len(value)), dtype=object)
        cells[0] = [for_scipy(entry) for entry in value] if len(value) > 1 else [None]
        if len(value) == 1:
            cells[0, 0] = for_scipy(value[0])
        return cells
    if isinstance(value, Structs):
        structs = np.empty((1, len(value)), dtype=[(field, object) for field in value[0]])
        for i, entry in enumerate(value):
            structs[0, i] = tuple(for_scipy(part) for part in entry.values())
        return structs
    if isinstance(value, dict):
        return {field: for_scipy(part) for field, part in value.items()}
    return value if isinstance(value, str) or scipy.sparse.issparse(value) else np.atleast_2d(value)


@pytest.fixture(params=["v5", "v7", "v73"])
def open_matlab(request, tmp_path):
    def write(**variables):
        path = tmp_path / "a.mat"
        if request.param == "v73":
            write_v73(path, variables)
        else:
            plain = {name: for_scipy(value) for name, value in variables.items()}
            scipy.io.savemat(path, plain, do_compression=request.param == "v7")
        return ArrayFile(path)

    return write


def test_fields_of_structs_are_keys(open_matlab):
    inner = {"x": np.arange(4.0), "note": "left"}
    with open_matlab(data={"spikes": COUNTS, "inner": inner}, alone=np.float32(2.5)) as file:
        assert file.keys == ["alone", "data/inner/note", "data/inner/x", "data/spikes"]
        np.testing.assert_array_equal(file.numbers("data/spikes"), COUNTS)
        np.testing.assert_array_equal(file.numbers("data.spikes"), COUNTS)
        assert file.shape("data/spikes") == (3, 7)
        np.testing.assert_array_equal(file.numbers("data/inner/x"), [np.arange(4.0)])
        assert file.texts("data/inner/note") == ["left"]
        assert file.numbers("alone").tolist() == [[2.5]]


@pytest.mark.parametrize("value", [COUNTS.astype(np.int16), COUNTS.astype(np.float32), COUNTS > 0, COUNTS[:, :1]])
def test_numbers_of_every_kind_keep_their_axes(open_matlab, value):
    with open_matlab(x=value) as file:
        np.testing.assert_array_equal(file.numbers("x"), value)
        assert file.shape("x") == value.shape
        np.testing.assert_array_equal(file.head("x"), value)


@pytest.mark.parametrize("shape", [(1, 3, 7), (3, 1, 7), (2, 3, 1), (2, 3, 4)])
def test_axes_of_length_one_stay(open_matlab, shape):
    value = random.standard_normal(shape)
    with open_matlab(x=value) as file:
        stored = file.numbers("x")
    # MATLAB itself drops an axis of one at the end.
    np.testing.assert_array_equal(stored.reshape(shape), value)
    assert stored.ndim >= 2


def test_struct_arrays_have_an_entry_for_each_struct(open_matlab):
    units = Structs(
        [
            {"id": 4.0, "area": "CA1", "times": np.array([0.5, 1.5, 2.0])},
            {"id": 9.0, "area": "", "times": np.zeros((1, 0))},
            {"id": 12.0, "area": "DG", "times": np.array([3.25])},
        ]
    )
    with open_matlab(units=units) as file:
        assert file.keys == ["units/area", "units/id", "units/times"]
        assert file.numbers("units/id").ravel().tolist() == [4, 9, 12]
        assert file.texts("units/area") == ["CA1", "", "DG"]
        assert [train.tolist() for train in file.ragged("units/times")] == [[0.5, 1.5, 2.0], [], [3.25]]
        assert file.is_ragged("units/times")


def test_cells_of_numbers_texts_and_structs(open_matlab):
    with open_matlab(
        trains=Cell([np.array([1.0, 2.0]), np.zeros((0, 0)), np.array([[3.0], [4.0]])]),
        one=Cell([np.array([1.0, 2.0, 3.0])]),
        names=Cell(["AVAL", "", "RIM"]),
        single=Cell([np.array(3.0), np.zeros((0, 0)), np.array(5.0)]),
        structs=Cell([{"a": 1.0, "b": "x"}, {"a": 2.0, "b": "y"}]),
    ) as file:
        assert [train.tolist() for train in file.ragged("trains")] == [[1, 2], [], [3, 4]]
        assert [train.tolist() for train in file.ragged("one")] == [[1, 2, 3]]
        assert file.shape("one") == (1, 1)
        assert file.texts("names") == ["AVAL", "", "RIM"]
        np.testing.assert_array_equal(file.numbers("single").ravel(), [3, np.nan, 5])
        assert file.numbers("structs/a").ravel().tolist() == [1, 2]
        assert file.texts("structs/b") == ["x", "y"]
        with pytest.raises(ValueError, match="real numbers in 'trains'"):
            file.numbers("trains")


def test_what_is_empty_is_told_as_such(open_matlab):
    with open_matlab(comment="", none=np.zeros((0, 3)), spikes=COUNTS) as file:
        assert file.texts("comment") == []
        assert file.numbers("none").size == 0
        np.testing.assert_array_equal(file.numbers("spikes"), COUNTS)


@pytest.mark.parametrize("value", [COUNTS, COUNTS > 0, COUNTS * 0])
def test_sparse_matrices(open_matlab, value):
    with open_matlab(s=scipy.sparse.csc_matrix(value)) as file:
        np.testing.assert_array_equal(file.numbers("s"), value)
        assert file.shape("s") == value.shape


def test_complex_numbers_are_no_real_ones(open_matlab):
    with open_matlab(z=COUNTS + 1j) as file:
        np.testing.assert_array_equal(file.get("z"), COUNTS + 1j)
        with pytest.raises(ValueError, match="complex"):
            file.numbers("z")


@pytest.mark.parametrize("kind", ["string", "table", "datetime", "categorical"])
def test_objects_of_matlab_leave_the_others_readable(tmp_path, kind):
    write_v73(tmp_path / "a.mat", {"odd": Matlab(kind), "spikes": COUNTS, "s": {"odd": Matlab(kind), "x": COUNTS}})
    with ArrayFile(tmp_path / "a.mat") as file:
        np.testing.assert_array_equal(file.numbers("spikes"), COUNTS)
        np.testing.assert_array_equal(file.numbers("s/x"), COUNTS)
        for key in ("odd", "s/odd"):
            with pytest.raises(ValueError, match=f"'{key}' .* object of MATLAB's class '{kind}'"):
                file.get(key)


def test_cells_of_objects_are_told(tmp_path):
    write_v73(tmp_path / "a.mat", {"odd": Cell([Matlab("string"), Matlab("string")])})
    with ArrayFile(tmp_path / "a.mat") as file, pytest.raises(ValueError, match="class 'string'"):
        file.get("odd")


def test_cells_of_sparse_matrices_and_of_cells(tmp_path):
    sparse = scipy.sparse.csc_matrix(COUNTS)
    write_v73(tmp_path / "a.mat", {"s": Cell([sparse, sparse]), "nested": Cell([Cell([1.0, 2.0]), Cell([3.0])])})
    with ArrayFile(tmp_path / "a.mat") as file:
        np.testing.assert_array_equal(file.pieces("s")[1], COUNTS)
        assert file.shape("nested") == (1, 2)


def test_big_endian_and_char_matrices(tmp_path):
    scipy.io.savemat(tmp_path / "a.mat", {"x": COUNTS.astype(">f4"), "names": np.array(["one", "three"])})
    with ArrayFile(tmp_path / "a.mat") as file:
        assert file.numbers("x").dtype.isnative
        np.testing.assert_array_equal(file.numbers("x"), COUNTS)
        assert file.texts("names") == ["one", "three"]


@pytest.mark.parametrize("kind", ["v5", "v73"])
def test_a_file_cut_short_is_told_in_one_line(tmp_path, kind):
    path = tmp_path / "a.mat"
    write_v73(path, {"x": COUNTS}) if kind == "v73" else scipy.io.savemat(path, {"x": COUNTS})
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ValueError, match=r"a\.mat' cannot be read: it is damaged") as error, ArrayFile(path) as file:
        file.get("x")
    assert "\n" not in str(error.value)


def test_many_cells_are_described_by_a_few(tmp_path, monkeypatch):
    write_v73(tmp_path / "a.mat", {"spikes": Cell([np.arange(3.0) + i for i in range(300)])})
    read = []
    own = _Walk.content
    monkeypatch.setattr(_Walk, "content", lambda walk, item: read.append(1) or own(walk, item))
    with ArrayFile(tmp_path / "a.mat") as file:
        assert file.shape("spikes") == (1, 300)
        assert len(file.head("spikes")) == 20
        assert len(read) == 20
        assert len(file.ragged("spikes")) == 300
