import pytest

from synapsnet_pyg.files import file_name, label_name, require_distinct, session_folder, shorten, visible


def test_names_of_sessions_become_names_of_files():
    assert file_name("mouse-3.día") == "mouse-3.día"
    assert file_name("mouse 3/left").startswith("mouse_3_left-")


def test_odd_names_are_names_of_files_of_their_own():
    odd = [
        "",
        ".",
        "..",
        "...",
        "a/b",
        "a_b",
        "a b",
        "a\\b",
        ".hidden",
        "end.",
        "CON",
        "nul.txt",
        "x" * 300,
        "x" * 301,
        "é" * 100,
        "語" * 200,
    ]
    odd += ["..\\..", "a\nb", "\x1b[0m", "e\u0301", "é", "~", "-rf", "*", "\udcff"]
    names = [file_name(name) for name in odd]
    assert len(set(names)) == len(odd)
    for name in names:
        assert name not in ("", ".", "..")
        assert not name.startswith(".")
        assert "/" not in name
        assert len(name.encode()) < 150


def test_names_that_one_file_may_hold_are_refused():
    require_distinct(["M1", "M2"])
    with pytest.raises(ValueError, match="more than capital letters"):
        require_distinct(["M1", "M2", "m1"])
    with pytest.raises(ValueError, match="'M1' comes twice"):
        require_distinct(["M1", "M1"])


def test_folders_of_the_previous_version_are_found_where_they_are_of_one_session(tmp_path):
    def of(session, *others):
        return session_folder(tmp_path, session, [session, *others]).name

    assert of("a b") == file_name("a b")
    (tmp_path / label_name("a b")).mkdir()
    assert of("a b") == "a_b"
    assert of("a b", "a_b") == of("a b", "a/b") == file_name("a b")
    assert of("..") == file_name("..")
    (tmp_path / file_name("a b")).mkdir()
    assert of("a b") == file_name("a b")


def test_hidden_files_are_not_seen(tmp_path):
    for name in ("b.h5", "a.h5", ".c.h5", "._a.h5", "d.txt"):
        (tmp_path / name).touch()
    assert [path.name for path in visible(tmp_path, "*.h5")] == ["a.h5", "b.h5"]


def test_many_values_are_shortened():
    assert shorten([1, 2, 3]) == "1, 2, 3"
    assert shorten(list("abcdefg"), 2) == "a, b and 5 more"


def test_the_folder_of_a_long_name_is_looked_for_without_an_error(tmp_path):
    name = "x" * 300
    assert session_folder(tmp_path, name, [name]).name == file_name(name)
