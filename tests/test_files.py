import os

import pytest

from synapsnet_pyg.files import atomic_path, file_name, first_difference, make_folder, optional_import, shorten


def test_a_file_is_written_wholly_or_not_at_all(tmp_path):
    path = tmp_path / "a.txt"
    with atomic_path(path) as temporary:
        temporary.write_text("first")
    assert path.read_text() == "first"

    def interrupted():
        with atomic_path(path) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_text() == "first"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_file_needs_a_folder_and_a_name(tmp_path):
    with pytest.raises(FileNotFoundError, match="an existing folder"), atomic_path(tmp_path / "no" / "a.txt"):
        pass
    with pytest.raises(IsADirectoryError, match="a file name"), atomic_path(tmp_path):
        pass


def test_a_folder_is_made_unless_a_file_is_there(tmp_path):
    assert make_folder(tmp_path / "a" / "b").is_dir()
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="there is a file of that name"):
        make_folder(tmp_path / "file")


def test_names_of_sessions_become_names_of_files():
    assert file_name("mouse 3/left: día") == "mouse_3_left__día"


def test_many_values_are_shortened():
    assert shorten([1, 2, 3]) == "1, 2, 3"
    assert shorten(list("abcdefg"), 2) == "a, b and 5 more"


def test_a_missing_package_is_answered_by_the_pip_line():
    assert optional_import("json.decoder", "viz").JSONDecoder
    with pytest.raises(ImportError, match=r"pip install .*\[viz\]"):
        optional_import("no_such_package.part", "viz")


def test_the_first_difference_of_settings():
    assert first_difference({"a": 1, "b": None}, {"a": 1}) == ""
    assert first_difference({"a": 1, "b": 2}, {"a": 1, "b": 3}) == "b 3 (got 2)"
    assert first_difference({"a": 1}, {"a": 1, "c": 4}) == "c 4 (got None)"
