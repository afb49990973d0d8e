import math

from synapsnet_pyg.runs.horizon_tables import best_models, best_text, horizon_table, label_of, shown_horizons


def test_horizons_of_a_table():
    assert shown_horizons(1) == [1]
    assert shown_horizons(6) == [1, 2, 3, 4, 5, 6]
    assert shown_horizons(16) == [1, 2, 4, 8, 16]
    assert shown_horizons(33) == [1, 2, 4, 8, 16, 32, 33]


def test_the_best_is_the_largest_or_the_smallest():
    values = {"a": [1.0, math.nan, math.nan], "b": [2.0, 5.0, math.nan]}
    assert best_models("correlation", values) == ["b", "b", None]
    assert best_models("mae", values) == ["a", "b", None]
    assert best_text(["b", "b", None]) == "1-2: b, 3: none"


def test_table_shows_some_columns():
    values = {"a": [h / 10 for h in range(1, 9)], "b": [0.5] * 8}
    table = horizon_table("x: correlation", "correlation", values)
    assert table.header == ["model", "1", "2", "4", "8"]
    assert table.rows == [["a", "0.100", "0.200", "0.400", "0.800"], ["b", *["0.500"] * 4]]
    assert table.notes == ["Best: 1-4: b, 5-8: a."]


def test_labels():
    assert label_of("gru", "rolled", ["rolled"]) == label_of("gru", "direct", ["direct"]) == "gru"
    assert label_of("gru", "rolled", ["direct", "rolled"]) == "gru (rolled out)"
