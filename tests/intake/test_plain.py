import datetime

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch

from synapsnet_pyg.intake.plain import MissingNumberError, kind_of, numbers, plain_array, texts


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        (np.array([1, 2, 255], np.uint8), "i", [1, 2, 255]),
        (np.array([1, 2**32], np.uint64), "i", [1, 2**32]),
        (np.array([2**63 + 2**20], np.uint64), "f", [float(2**63 + 2**20)]),
        (np.array([1.5, 2], np.float16), "f", [1.5, 2]),
        (np.array([1.5, 2], np.longdouble), "f", [1.5, 2]),
        (np.array([1.5, 2], ">f8"), "f", [1.5, 2]),
        (np.array([1, 2], ">i2"), "i", [1, 2]),
        (np.array([True, False]), "b", [True, False]),
        (np.ma.masked_array([1.0, 2.0, 3.0], mask=False), "f", [1, 2, 3]),
        (torch.tensor([1, 2], dtype=torch.uint8), "i", [1, 2]),
        (pd.Series([1, 2], dtype="Int64"), "i", [1, 2]),
        (pd.Series([True, False], dtype="boolean"), "b", [True, False]),
        (pd.Series(["a", "b", "a"], dtype="category"), "U", ["a", "b", "a"]),
        (pd.Series([3, 1], dtype=object), "i", [3, 1]),
        (pd.Series(["x", None], dtype="string"), "U", ["x", ""]),
        (np.array(["x", np.nan, 2], dtype=object), "U", ["x", "", "2"]),
        (np.array(["\ufeffa ", "b"]), "U", ["a", "b"]),
        (np.array([b"VISp", b"CA1"]), "U", ["VISp", "CA1"]),
        ([np.array(["AVAL"]), np.array([])], "U", ["AVAL", ""]),
        (np.array(["2024-01-02"], "M8[D]"), "U", ["2024-01-02"]),
        ([datetime.date(2024, 1, 2)], "U", ["2024-01-02"]),
    ],
)
def test_plain_arrays_hold_the_same_values(values, kind, expected):
    array = plain_array(values)
    assert array.dtype.kind == kind
    assert array.dtype.isnative
    assert array.tolist() == expected
    torch.from_numpy(array).min() if kind in "if" else None


@pytest.mark.parametrize(
    "values",
    [
        np.ma.masked_array([1, 2, 3], mask=[False, True, False]),
        np.ma.masked_array([1.0, -9999.0, 3.0], mask=[False, True, False], fill_value=-9999.0),
        pd.Series([1, pd.NA, 3], dtype="Int64"),
        pd.Series([1, None, 3], dtype="Float64"),
        np.array([1, None, 3], dtype=object),
        np.array([1, np.ma.masked, 3], dtype=object),
    ],
)
def test_missing_entries_are_nan(values):
    np.testing.assert_array_equal(plain_array(values), [1, np.nan, 3])
    with pytest.raises(MissingNumberError, match="every entry of depth"):
        numbers(values, "depth", missing=False)


def test_a_masked_text_is_empty():
    assert plain_array(np.ma.masked_array(["a", "b"], mask=[True, False])).tolist() == ["", "b"]


def test_texts_of_ids():
    assert texts(np.array([101, 102, 103], np.uint8)) == texts(np.array([101.0, 102.0, 103.0]))
    assert texts(np.array([1.0, np.nan, 2.5, 2.0**53])) == ["1", "", "2.5", "9007199254740992"]
    assert texts(["AVAL", "", "nan", None, "<NA>", "None", "[]", "RIM"]) == ["AVAL"] + [""] * 6 + ["RIM"]
    assert texts(np.array([[1], [2]])) == ["1", "2"]


def test_refuses_what_holds_no_numbers():
    for values, kind in ((["a"], "texts"), ([1j], "complex numbers"), (np.zeros(1, [("x", int)]), "records of x")):
        with pytest.raises(ValueError, match=f"real numbers in speed .got {kind}"):
            numbers(values, "speed")
    assert kind_of(np.array([{}])) == "objects of several kinds"


def test_ids_are_the_same_as_numbers_and_as_texts():
    assert texts(["101.0", "-1", "1.50", "v1.0"]) == ["101", "-1", "1.50", "v1.0"]
    assert texts(pd.Categorical(["CA1", None])) == texts(np.array(["CA1", np.nan], dtype=object)) == ["CA1", ""]


def test_sparse_matrices_have_their_zeros():
    assert plain_array(scipy.sparse.csr_matrix([[0, 2]])).tolist() == [[0, 2]]
