import numpy as np
import pandas as pd
import pytest
from helpers import told

from synapsnet_pyg.intake.neuron_table import Condition, NeuronTable, chosen, conditions_of, safe_name


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        (["AVAL", "", "AVBR", "RIM"], ["AVAL", "a/1", "AVBR", "RIM"]),
        (np.array([101, 102, 103, 104], np.uint8), ["101", "102", "103", "104"]),
        (np.array([101.0, np.nan, -1, 104]), ["101", "a/1", "a/2", "104"]),
        (["<NA>", "None", "nan", "-1"], ["a/0", "a/1", "a/2", "a/3"]),
        (pd.Series([1, pd.NA, 3, 4], dtype="Int64"), ["1", "a/1", "3", "4"]),
        (["a/3", "", "x", ""], ["a/3", "a/1", "x", "a/3-new"]),
    ],
)
def test_no_id_is_a_new_neuron(ids, expected):
    assert NeuronTable(4, ids=ids).names("a") == expected


def test_ids_that_come_twice_are_new_neurons():
    names, messages = told(lambda: NeuronTable(5, labels=[0, 1, 0, 1, 7]).names("a"))
    assert names == ["a/0", "a/1", "a/2", "a/3", "a/7"]
    assert "'a/0', 'a/1' come more than once" in messages[0]
    assert NeuronTable(2).names("m") == ["m/0", "m/1"]


def test_many_ids_take_no_quadratic_time():
    N = 300_000  # the square is hours
    assert len(set(NeuronTable(N, ids=np.arange(N)).names("a"))) == N


def test_fields_get_safe_names_and_plain_values():
    table = NeuronTable(
        2,
        columns={
            "segment": [1, 2],
            "spike width (ms)": np.array([1, 2], np.uint16),
            "2nd": [b"a", b"b"],
            "class": ["x", None],
            "depth": np.ma.masked_array([1, 2], mask=[True, False]),
            "image": np.zeros((2, 3), np.float16),
        },
        prefix="nwb",
    )
    fields = table.fields(frozenset({"segment"}))
    assert list(fields) == ["nwb_segment", "spike_width_ms", "nwb_2nd", "nwb_class", "depth", "image"]
    assert fields["nwb_class"].tolist() == ["x", ""]
    assert fields["image"].dtype == np.float32
    np.testing.assert_array_equal(fields["depth"], [np.nan, 2])


def test_a_field_that_no_session_can_have_is_told():
    table = NeuronTable(2, columns={"z": np.array([1j, 2]), "n": np.array([["a"], ["b"]])})
    fields, messages = told(lambda: table.fields(frozenset()))
    assert fields == {}
    assert len(messages) == 2
    with pytest.raises(ValueError, match="2 entries, one for each neuron, in 'n'"):
        NeuronTable(2, columns={"n": [1, 2, 3]}).fields(frozenset())


def test_names_that_become_the_same():
    assert list(NeuronTable(1, columns={"a b": [1], "a-b": [2]}).fields(frozenset())) == ["a_b", "a_b_2"]
    assert safe_name("", frozenset(), "nwb") == "nwb"


TABLE = NeuronTable(
    5,
    columns={
        "group": ["good", "noise", "mua", "Good", ""],
        "depth": [10.0, 20, 30, np.nan, 50],
        "iscell": np.array([[1, 0.9], [0, 0.8], [1, 0.7], [1, 0.2], [0, 0.1]]),
        "ok": [True, False, True, True, False],
    },
)


@pytest.mark.parametrize(
    ("where", "rows"),
    [
        ("group==good", [0, 3]),
        ("group = good|mua", [0, 2, 3]),
        ("group!=noise", [0, 2, 3, 4]),
        ("depth<30", [0, 1]),
        ("depth >= 20 and depth<=30", [1, 2]),
        ("iscell==1, depth!=10", [2, 3]),
        ("ok==true", [0, 2, 3]),
        ({"group": "good"}, [0, 3]),
        ({"ok": True}, [0, 2, 3]),
        ("'group'=='good'", [0, 3]),
    ],
)
def test_conditions(where, rows):
    notes = []
    assert chosen(TABLE, conditions_of(where), notes).tolist() == rows
    assert notes


def test_how_many_went_and_why_is_noted():
    notes = []
    chosen(TABLE, conditions_of("group==good, depth>0"), notes)
    assert notes == ["3 left out by group==good (1 noise, 1 mua, 1 (empty))", "1 left out by depth>0 (1 (empty))"]


@pytest.mark.parametrize(
    ("where", "wanted"),
    [
        ("group", "conditions such as 'group==good'"),
        ("quality==good", "among group, depth, iscell, ok .got 'quality'"),
        ("group<3", "holds texts"),
        ("depth==deep", "holds numbers .got 'deep'"),
        ("group==best", "none of 5 has them; group is"),
    ],
)
def test_says_what_is_wrong(where, wanted):
    with pytest.raises(ValueError, match=wanted):
        chosen(TABLE, conditions_of(where), [])


def test_taken_rows():
    taken = NeuronTable(3, ids=["a", "b", "c"], columns={"d": [1, 2, 3]}, truth=np.arange(9).reshape(3, 3)).take(
        np.array([2, 0])
    )
    assert taken.names("s") == ["c", "a"]
    assert taken.columns["d"].tolist() == [3, 1]
    assert taken.truth.tolist() == [[8, 6], [2, 0]]
    kept = NeuronTable(4, ids=["a", "", "b", ""]).take(np.array([1, 2, 3])).take(np.array([0, 2]))
    assert kept.names("s") == ["s/1", "s/3"]  # the rows of the file, whatever was left out
    assert NeuronTable(3).take(np.array([0, 2])).names("s") == ["s/0", "s/2"]
    assert str(Condition("a", "==", ("1", "2"))) == "a==1|2"


@pytest.mark.parametrize("known", [{"ids": [7, 8, 9]}, {"labels": ["7", "8", "9"]}])
def test_neurons_are_chosen_by_their_id(known):
    assert chosen(NeuronTable(3, **known), conditions_of("id!=8"), []).tolist() == [0, 2]
    assert chosen(NeuronTable(3), conditions_of("id>=1"), []).tolist() == [1, 2]
