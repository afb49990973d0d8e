import json
from dataclasses import dataclass

import pytest

from synapsnet_pyg.files.json_files import read_as, read_json, write_json


@dataclass(frozen=True)
class Animal:
    name: str
    weight: float
    sessions: list[int]
    fields: dict[str, str]
    died: int | None = None


ANIMAL = {"name": "m1", "weight": 20, "sessions": [1, 2], "fields": {"a": "b"}}


def test_values_come_back_and_damage_is_told(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, ANIMAL)
    assert read_json(path) == (ANIMAL, True)
    path.write_text(path.read_text().replace("20", "21"))
    with pytest.raises(ValueError, match=r"a.json' is damaged, or was changed"):
        read_json(path)
    path.write_text(json.dumps(ANIMAL))
    assert read_json(path) == (ANIMAL, False)


@pytest.mark.parametrize("text", ["", "{", "[1]", "\x00", '{"a": 1', "[" * 100_000])
def test_what_is_no_object_of_json_is_refused_in_a_line(tmp_path, text):
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"^Expected (JSON|an object of JSON) in '.*a.json' \(got.*take a copy\.$"):
        read_json(path)
    path.write_bytes(b"\xff\xfe{")
    with pytest.raises(ValueError, match="Expected JSON"):
        read_json(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": 1}, "Expected animal.name in 'a.json' to be a text (got 1)."),
        ({"weight": "20"}, "Expected animal.weight in 'a.json' to be a number (got '20')."),
        ({"weight": True}, "Expected animal.weight in 'a.json' to be a number (got True)."),
        ({"weight": float("nan")}, "Expected animal.weight in 'a.json' to be a number (got nan)."),
        ({"sessions": [1, 2.5]}, "Expected animal.sessions[1] in 'a.json' to be a whole number (got 2.5)."),
        ({"sessions": {}}, "Expected animal.sessions in 'a.json' to be a list (got {})."),
        ({"fields": {"a": None}}, "Expected animal.fields.a in 'a.json' to be a text (got None)."),
        ({"died": "yes"}, "Expected animal.died in 'a.json' to be a whole number (got 'yes')."),
        ({"age": 3}, "Expected animal of name, weight, sessions, fields, died in 'a.json' (got 'age' too)."),
    ],
)
def test_each_violation_is_a_line_with_file_field_expected_and_got(change, message):
    assert read_as(Animal, ANIMAL, "animal", "a.json") == Animal("m1", 20, [1, 2], {"a": "b"})
    with pytest.raises(ValueError) as told:  # noqa: PT011
        read_as(Animal, ANIMAL | change, "animal", "a.json")
    assert str(told.value) == message


def test_a_missing_value_is_told():
    with pytest.raises(ValueError, match=r"^Expected animal.weight in 'a.json' \(there is none\)\.$"):
        read_as(Animal, {"name": "m1"}, "animal", "a.json")
