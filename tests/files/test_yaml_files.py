import pytest
import yaml

from synapsnet_pyg.files import yaml_files
from synapsnet_pyg.files.yaml_files import read_yaml


def test_values_are_read_also_those_that_are_referred_to(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("epochs: 20\nsizes: &a [8, 16]\nmodel_args:\n  sizes: *a\n  name: é\n")
    assert read_yaml(path) == {"epochs": 20, "sizes": [8, 16], "model_args": {"sizes": [8, 16], "name": "é"}}


@pytest.mark.parametrize(
    "text",
    [
        b"a: [1, 2\nb: }", b"\xff\xfe\x00", b"- 1\n- 2", b"a: " + b"[" * 5000, b"a: " + b"[" * 5000 + b"]" * 5000,
        b"a: *nowhere", b"a: &a [*a]", b"\x00", b"", b"1: 2", b"a: !!python/object/apply:os.getcwd []", b"[1]: 2",
        b"a: !!timestamp x", b"? {a: 1}\n: 2",
    ],
)  # fmt: skip
def test_what_is_no_object_of_plain_values_is_refused_with_its_name(tmp_path, text):
    path = tmp_path / "odd.yaml"
    path.write_bytes(text)
    with pytest.raises(ValueError, match=r"odd\.yaml"):
        read_yaml(path)


@pytest.mark.parametrize("loader", ["CSafeLoader", "SafeLoader"])
def test_references_that_grow_are_counted_before_they_are_read(tmp_path, monkeypatch, loader):
    if loader == "SafeLoader":
        monkeypatch.delattr(yaml, "CSafeLoader", raising=False)
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 10)]
    path = tmp_path / "odd.yaml"
    path.write_text("\n".join([*lines, "horizon: *a9"]))
    with pytest.raises(ValueError, match=rf"odd\.yaml.*{yaml_files.MOST_VALUES} values"):
        read_yaml(path)
