import pytest

from synapsnet_pyg.files.checksums import check_seal, json_checksum, seal, sealed_format


def sealed(path):
    with path.open("w+b") as file:
        file.write(b"numbers " * 50)
        seal(file, "synapsnet test")
    return path


def test_any_other_byte_is_told_and_what_never_had_a_seal_is_not(tmp_path):
    path = sealed(tmp_path / "a")
    whole = path.read_bytes()
    assert check_seal(path)
    assert sealed_format(path) == "synapsnet test"
    for place in (0, 200, len(whole) - 40):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        if place < len(whole) - 70:
            with pytest.raises(ValueError, match="a' is damaged: its checksum"):
                check_seal(path)
    path.write_bytes(b"numbers")
    assert not check_seal(path)
    assert sealed_format(path) is None


def test_the_order_of_values_does_not_matter():
    assert json_checksum({"a": 1, "b": [2.5, None]}) == json_checksum({"b": [2.5, None], "a": 1})
    assert json_checksum({"a": 1}) != json_checksum({"a": 1.5})
