import csv

from synapsnet_pyg.runs.tables import Table

TABLE = Table(
    "[red]rats[/red] | 1",
    ["model", "corr"],
    [["[/b] a|b\nc", "-0.5 +- 0.1"], [r"=1+1 \input{x}", "< 0.1"]],
    ["By `synapsnet [/x] *`; *not* <b>."],
)


def test_a_terminal_shows_texts_as_they_are(capsys):
    TABLE.print()
    out = capsys.readouterr().out
    for text in ("[red]rats[/red] | 1", r"[/b] a|b\nc", r"=1+1 \input{x}", "`synapsnet [/x] *`"):
        assert text in out


def test_files_hold_texts_as_they_are(tmp_path):
    TABLE.write(tmp_path / "table")
    markdown = (tmp_path / "table.md").read_text().splitlines()
    assert markdown[0] == r"# [red]rats[/red] \| 1"
    assert markdown[4] == r"| [/b] a\|b\\nc | -0.5 +- 0.1 |"
    assert markdown[-1] == r"By `synapsnet [/x] *`; \*not\* \<b>."
    latex = (tmp_path / "table.tex").read_text().splitlines()
    assert latex[4] == r"[/b] a\textbar{}b\textbackslash{}nc & -0.5 $\pm$ 0.1 \\"
    assert latex[5] == r"=1+1 \textbackslash{}input\{x\} & $<$ 0.1 \\"
    with (tmp_path / "table.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [["model", "corr"], ["[/b] a|b\nc", "-0.5 +- 0.1"], [r"'=1+1 \input{x}", "< 0.1"]]
