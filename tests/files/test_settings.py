from synapsnet_pyg.files import first_difference


def test_the_first_difference_of_settings():
    assert first_difference({"a": 1, "b": None}, {"a": 1}) == ""
    assert first_difference({"a": 1, "b": 2}, {"a": 1, "b": 3}) == "b 3 (got 2)"
    assert first_difference({"a": 1}, {"a": 1, "c": 4}) == "c 4 (got None)"
