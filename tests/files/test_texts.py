import ast
import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synapsnet_pyg.files.texts import cell, cells, html, markdown, plain, say, storable, tex, text_of_cell

PACKAGE = Path(__file__).parents[2] / "synapsnet_pyg"


@given(st.text(st.characters(), max_size=20))
def test_a_text_is_one_line_of_visible_characters(text):
    line = plain(text)
    assert line.isprintable() or not any(c in "\x1b\n\r\x00\u202e\u2028" or ord(c) < 32 for c in line)
    line.encode()


@given(st.text(st.sampled_from("'=+-@\t\r1a. "), max_size=6))
def test_cells_of_csv_are_no_formulas_and_give_their_text_back(text):
    assert text_of_cell(cell(text)) == text
    assert cell(text)[:1] not in ("=", "@")


@pytest.mark.parametrize("number", ["-3", "+1.5", "-1e-05", "-0.1 +- 0.2", "-", "-inf", "-0.1 (-0.2 to 0.1)", "3"])
def test_numbers_stay_numbers(number):
    assert cell(number) == number


@pytest.mark.parametrize("formula", ["=1+1", "@SUM(A1)", "+cmd|' /C calc'!A0", "-A1", "\t=1", "-edges"])
def test_formulas_get_an_apostrophe(formula):
    assert cell(formula) == f"'{formula}"


def test_cells_survive_a_file_of_csv():
    texts = ["=1+1", "'=1+1", "a,b", 'q"', "line\nbreak", "-3", ""]
    file = io.StringIO()
    csv.writer(file).writerow(cells([*texts, -1.5]))
    row = next(csv.reader(io.StringIO(file.getvalue())))
    assert [text_of_cell(entry) for entry in row] == [*texts, "-1.5"]


def test_latex_prints_its_own_characters():
    assert tex(r"a\input{b}") == r"a\textbackslash{}input\{b\}"
    assert tex("50 % & #_$^~") == r"50 \% \& \#\_\$\textasciicircum{}\textasciitilde{}"
    assert tex("0.5 +- 0.1, < 0.1") == r"0.5 $\pm$ 0.1, $<$ 0.1"
    assert "\n" not in tex("a\nb")


def test_markdown_has_no_markup_in_a_cell():
    assert markdown("a|b\nc") == r"a\|b\\nc"
    assert markdown("<script> `x` *y* _z_ own_past &lt; 1 & 2 < 3") == (
        r"\<script> \`x\` \*y\* \_z\_ own_past \&lt; 1 & 2 < 3"
    )


def test_html_shows_invisible_characters():
    assert html("<b>\x1b\u202e") == r"&lt;b&gt;\x1b\u202e"


def test_files_hold_every_text():
    assert storable("a\x00\ud800é\n") == "a\\x00\\ud800é\n"


def test_lines_are_printed_as_they_are(capsys):
    say("\x1b[31mred", 3)
    say()
    assert capsys.readouterr().out == "\\x1b[31mred\n3\n\n"


def test_everything_is_printed_by_say():
    """Finds a 'print' of texts that a terminal could read as codes; JSON and an error before any import have none."""
    allowed = {"files/texts.py": 1, "cli/main.py": 1, "cli/runs.py": 1, "readers/hdf5_survey.py": 1}
    for path in sorted(PACKAGE.rglob("*.py")):
        calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
        prints = sum(isinstance(call.func, ast.Name) and call.func.id == "print" for call in calls)
        assert prints == allowed.get(path.relative_to(PACKAGE).as_posix(), 0), path
