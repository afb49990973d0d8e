import numpy as np
import pandas
import pytest
from helpers import told
from lab_arrays import session_of

from synapsnet_pyg.readers.array_files import ArrayFile

TEXTS = {
    "comma": ("time,speed,state\n0.5,1.25,run\n0.6,,rest\n", []),
    "semicolon": ("time;speed;state\n0,5;1,25;run\n0,6;;rest\n", ["semicolons, decimal commas"]),
    "tab": ("time\tspeed\tstate\n0.5\t1.25\trun\n0.6\t\trest\n", []),
    "tab with decimal commas": ("time\tspeed\tstate\n0,5\t1,25\trun\n0,6\t\trest\n", ["tabs, decimal commas"]),
    "quoted": ('"time","speed","state"\n"0.5","1.25","run"\n"0.6",NaN,"rest"\n', []),
    "comments": ("# recorded on Monday\n# rig 2\ntime,speed,state\n0.5,1.25,run\n0.6,nan,rest\n", []),
    "bars": ("time|speed|state\n0.5|1.25|run\n0.6||rest\n", ["bars"]),
    "Windows": ("time,speed,state\r\n0.5,1.25,run\r\n0.6,,rest\r\n", []),
    "blank line at the end": ("time,speed,state\n0.5,1.25,run\n0.6,,rest\n\n\n", []),
}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("form", TEXTS)
def test_tables_of_every_form(tmp_path, form, encoding):
    text, notes = TEXTS[form]
    path = tmp_path / "a.csv"
    path.write_bytes(text.encode(encoding))
    with ArrayFile(path) as file:
        assert file.keys == ["speed", "state", "table", "time"]
        np.testing.assert_array_equal(file.numbers("time"), [0.5, 0.6])
        np.testing.assert_array_equal(file.numbers("speed"), [1.25, np.nan])
        assert file.texts("state") == ["run", "rest"]
        assert file.numbers("table").shape == (2, 2)
        assert all(note in " ".join(file.notes) for note in notes)
        assert len(file.notes) == len(notes)


def test_thousands_of_decimal_commas(tmp_path):
    (tmp_path / "a.csv").write_text("t;x\n1,5;1.234,5\n2,5;12,25\n")
    with ArrayFile(tmp_path / "a.csv") as file:
        assert file.numbers("x").tolist() == [1234.5, 12.25]


def test_one_column_with_decimal_commas(tmp_path):
    (tmp_path / "a.csv").write_text("t\n0,5\n0,75\n")
    with ArrayFile(tmp_path / "a.csv") as file:
        assert file.keys == ["t"]
        assert file.numbers("t").tolist() == [0.5, 0.75]


@pytest.mark.parametrize("separator", [",", "\t", ";", " "])
def test_tables_without_names(tmp_path, separator):
    values = np.random.default_rng(0).standard_normal((5, 3))
    np.savetxt(tmp_path / "a.txt", values, delimiter=separator)
    with ArrayFile(tmp_path / "a.txt") as file:
        assert file.keys == ["0", "1", "2", "table"]
        np.testing.assert_allclose(file.numbers("table"), values)
        assert "no names of columns" in file.notes[0]


def test_names_in_the_comment_that_numpy_writes(tmp_path):
    np.savetxt(tmp_path / "a.txt", np.arange(6.0).reshape(3, 2), header="time speed")
    with ArrayFile(tmp_path / "a.txt") as file:
        assert file.numbers("speed").tolist() == [1, 3, 5]


def test_texts_with_separators_and_other_alphabets(tmp_path):
    (tmp_path / "a.csv").write_bytes('name,x\n"a, b",1\né,2\n'.encode("cp1252"))
    with ArrayFile(tmp_path / "a.csv") as file:
        assert file.texts("name") == ["a, b", "é"]
        assert file.numbers("x").tolist() == [1, 2]


@pytest.mark.parametrize(("content", "reason"), [(b"", "empty"), (b"\n\n", "empty"), (b"a\0b\0c", "no table of text")])
def test_what_is_no_table_is_told(tmp_path, content, reason):
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(ValueError, match=rf"a\.csv' cannot be read: it is .*{reason}"), ArrayFile(tmp_path / "a.csv"):
        pass


def test_a_table_of_many_rows_is_read_whole(tmp_path, monkeypatch):
    monkeypatch.setattr("synapsnet_pyg.readers.table_files._SMALL", 100)
    values = np.arange(4000.0).reshape(2000, 2)
    np.savetxt(tmp_path / "a.csv", values, delimiter=",", header="a,b", comments="")
    with ArrayFile(tmp_path / "a.csv") as file:
        assert file.shape("a") is None
        assert len(file.head("a")) == 1000
        assert len(file.numbers("a")) == 2000
        np.testing.assert_array_equal(file.numbers("table"), values)


def test_parquet_with_lists_and_missing_entries(tmp_path):
    frame = pandas.DataFrame(
        {
            "id": pandas.array([1, None, 3], dtype="Int64"),
            "quality": ["good", None, "mua"],
            "kind": pandas.Categorical(["a", "b", "a"]),
            "times": [[0.5, 1.5], [], [2.5]],
        },
        index=[5, 6, 7],
    )
    frame.to_parquet(tmp_path / "a.parquet")
    with ArrayFile(tmp_path / "a.parquet") as file:
        assert {"id", "kind", "quality", "times"} <= set(file.keys)
        assert file.texts("id") == ["1", "", "3"]
        assert file.texts("quality") == ["good", "", "mua"]
        assert file.texts("kind") == ["a", "b", "a"]
        assert [train.tolist() for train in file.ragged("times")] == [[0.5, 1.5], [], [2.5]]
        assert file.shape("times") == (3,)


def test_names_in_several_lines_as_deeplabcut_writes_them(tmp_path):
    rows = ["scorer,DLC,DLC,DLC,DLC", "bodyparts,nose,nose,tail,tail", "coords,x,y,x,y"]
    rows += [f"{i},{i}.5,{i}.25,{2 * i}.5,3" for i in range(6)]
    (tmp_path / "a.csv").write_text("\n".join(rows) + "\n")
    with ArrayFile(tmp_path / "a.csv") as file:
        assert file.keys == ["coords", "nose_x", "nose_y", "table", "tail_x", "tail_y"]
        assert file.numbers("tail_x").tolist() == [2 * i + 0.5 for i in range(6)]
        assert "names of columns in several lines" in file.notes[0]


def test_quoted_decimal_commas_between_commas(tmp_path):
    (tmp_path / "a.csv").write_text('"t","n"\n"0,25","1"\n"1,5","2"\n')
    (tmp_path / "b.csv").write_text('"t","n"\n"1,250","1"\n"12,500","2"\n')
    with ArrayFile(tmp_path / "a.csv") as file:
        assert file.numbers("t").tolist() == [0.25, 1.5]
    with ArrayFile(tmp_path / "b.csv") as file:
        assert file.texts("t") == ["1,250", "12,500"]


def test_the_separator_that_excel_declares(tmp_path):
    (tmp_path / "a.csv").write_text("sep=;\nt;n\n0,25;1\n1,5;2\n")
    with ArrayFile(tmp_path / "a.csv") as file:
        assert file.numbers("t").tolist() == [0.25, 1.5]


@pytest.mark.parametrize("head", ["time (ms),unit id", "time,unit\nms,id", "time_ms,unit"])
def test_units_in_names_or_below_them_count(tmp_path, head):
    (tmp_path / "a.csv").write_text(head + "".join(f"\n{50 * i},{i % 2}" for i in range(30)) + "\n")
    session, _ = told(lambda: session_of(tmp_path / "a.csv", None, bin_size=0.05))
    assert session.activity[:, :4].tolist() == [[1, 0, 1, 0], [0, 1, 0, 1]]
    assert any("in ms by its name" in note for note in session.notes)


def test_lines_of_several_lengths_are_named(tmp_path):
    (tmp_path / "a.csv").write_text("t,n\n" + "1,2\n" * 5 + "3,4,5\n")
    with pytest.raises(ValueError, match="its line 7 has 3 cells, the others 2"):
        ArrayFile(tmp_path / "a.csv").__enter__()
    (tmp_path / "a.csv").write_text("t,n\n")
    with pytest.raises(ValueError, match="no rows"):
        ArrayFile(tmp_path / "a.csv").__enter__()


def test_categories_of_parquet_are_texts(tmp_path):
    frame = pandas.DataFrame({"time": np.arange(6) / 4, "unit": pandas.Categorical(["a", "b", None, "a", "b", "a"])})
    frame.to_parquet(tmp_path / "a.parquet")
    session = session_of(tmp_path / "a.parquet", None, bin_size=0.25)
    assert session.neuron_id == ["a/a", "a/b"]
    assert session.activity.sum(1).tolist() == [2, 2]


@pytest.mark.parametrize("kind", ["timedelta64[ns]", "datetime64[ms]"])
def test_a_column_of_dates_is_the_clock(tmp_path, kind):
    frame = pandas.DataFrame({f"n{i}": np.arange(30) % (i + 2) for i in range(3)})
    frame["time"] = (
        (np.arange(30) * 50).astype("m8[ms]").astype(kind)
        if kind[0] == "t"
        else (np.datetime64("2024-05-01T10:00", "ms") + (np.arange(30) * 50).astype("m8[ms]"))
    )
    frame.to_parquet(tmp_path / "a.parquet")
    session = session_of(tmp_path / "a.parquet", None)
    assert session.bin_size == pytest.approx(0.05, rel=1e-6)
    np.testing.assert_array_equal(session.activity, frame[["n0", "n1", "n2"]].to_numpy().T)


def test_a_column_of_written_dates_is_the_clock(tmp_path):
    times = pandas.Timestamp("2024-05-01 10:00") + pandas.to_timedelta(np.arange(30) * 50, unit="ms")
    pandas.DataFrame({"time": times, "n0": range(30), "n1": range(30)}).to_csv(tmp_path / "a.csv", index=False)
    assert session_of(tmp_path / "a.csv", None).bin_size == pytest.approx(0.05, rel=1e-6)
