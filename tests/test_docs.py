"""The documentation site: what it must hold, quickly; and the whole build without a warning, slowly."""

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from runpy import run_path

import pytest
from parsers import command_parsers, options_of

import synapsnet_pyg

pytest.importorskip("sphinx")
pytest.importorskip("myst_nb")
jupytext = pytest.importorskip("jupytext")

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def tools():
    """Modules that make pages."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(DOCS / "_tools"))
        import api_pages
        import command_pages
        import copied_pages
        import list_pages
        import mathml

        yield {
            "api": api_pages,
            "commands": command_pages,
            "copied": copied_pages,
            "lists": list_pages,
            "mathml": mathml,
        }


def test_the_configuration_is_sound(monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    settings = run_path(str(DOCS / "conf.py"))
    assert settings["nitpicky"]
    assert settings["nb_execution_raise_on_error"]
    assert settings["release"] == synapsnet_pyg.__version__
    assert [name for name in settings["extensions"] if find_spec(name) is None] == []


def test_every_public_name_is_described_once(tools):
    text = "\n".join(text for name, text in tools["api"].pages().items() if "/modules/" not in name)
    described = re.findall(r"^\.\. auto(?:class|function|data):: (\w+)$", text, re.MULTILINE)
    assert sorted(described) == sorted(synapsnet_pyg.__all__)


def test_every_module_is_described_once(tools):
    text = "\n".join(tools["api"].pages().values())
    described = re.findall(r"^\.\. automodule:: synapsnet_pyg\.(\S+)$", text, re.MULTILINE)
    package = ROOT / "synapsnet_pyg"
    files = [path.relative_to(package).with_suffix("") for path in package.rglob("*.py")]
    modules = [".".join(path.parts).removesuffix(".__init__") for path in files if path.parts[0] != "cli"]
    assert sorted(described) == sorted(set(modules) - {"__init__"})


def test_every_command_and_option_has_its_place(tools):
    pages, parsers = tools["commands"].pages(), command_parsers()
    assert {f"commands/{name.replace(' ', '-')}.rst" for name in parsers} == pages.keys() - {"commands/index.rst"}
    for name, parser in parsers.items():
        page = pages[f"commands/{name.replace(' ', '-')}.rst"]
        given = re.findall(r"^\.\. option:: ([^\s,.]+)", page, re.MULTILINE)
        typed = {option if option.startswith("-") else option.upper() for option in options_of(parser)}
        assert typed - set(given) == set(), name
        assert f"synapsnet {name}" in pages["commands/index.rst"]
        assert "Examples" in page, name


def test_every_format_is_listed(tools):
    from synapsnet_pyg.datasets.registry import READERS

    table = (ROOT / "data" / "README.md").read_text()
    assert [name for name in READERS if f"`{name}`" not in table] == []
    assert [name for name in READERS if f"`{name}`" not in tools["lists"].pages()["formats.md"]] == []


def test_every_example_has_its_place(tools):
    copied = tools["copied"]
    shown = "\n".join(path.read_text() for path in DOCS.glob("*.md"))
    scripts = {path.stem for path in (ROOT / "examples").glob("*.py")}
    included = {name for name in scripts if f"{{literalinclude}} ../examples/{name}.py" in shown}
    assert scripts == {*copied.NOTEBOOKS, *copied.RECORDED} | included
    books = (*copied.NOTEBOOKS, *copied.RECORDED)
    assert [
        name for name in books if f"{{download}}`{name}.ipynb <generated/notebooks/{name}.ipynb>`" not in shown
    ] == []


def test_every_page_is_reached():
    pages = {path.stem for path in DOCS.glob("*.md")} - {"index"}
    trees = "\n".join(re.findall(r"```\{toctree\}.*?```", (DOCS / "index.md").read_text(), re.DOTALL))
    assert pages == {line for line in trees.splitlines() if line in pages}


def test_notebooks_are_short_and_complete(tools):
    copied = tools["copied"]
    for name, arguments in copied.NOTEBOOKS.items():
        text = copied.notebook(ROOT / "examples" / f"{name}.py", arguments, execute=True)
        book = jupytext.reads(text, fmt="ipynb")
        assert book.cells[0].source.startswith("# "), name
        assert repr([f"{name}.py", *arguments]) in book.cells[1].source
        script = jupytext.reads((ROOT / "examples" / f"{name}.py").read_text(), fmt="py:percent")
        sources = [cell.source for cell in book.cells]
        assert sources[:1] + sources[2:] == [cell.source for cell in script.cells]


def test_equations_of_docstrings_can_be_drawn(tools):
    mathml = tools["mathml"].mathml
    inline, block = re.compile(r":math:`([^`]*)`"), re.compile(r"( *)\.\. math::\n\n?((?:\1 +\S.*\n)+)")
    texts = {path: path.read_text() for path in (ROOT / "synapsnet_pyg").rglob("*.py")}
    for path, text in texts.items():
        for equation in inline.findall(text):
            assert mathml(equation.replace("\\\\", "\\"), block=False).startswith("<math"), path
        for _, equation in block.findall(text):
            assert mathml(equation, block=True).startswith("<math"), path
    assert "munder" not in mathml(r"\hat a_i + \bar{\hat x}_i^2", block=False), (
        "indices stand beside a letter with accent"
    )
    assert "mtable" in mathml(r"a &= \big(b\big) \\ c &= d", block=True)


def test_equations_of_pages_can_be_drawn(tools):
    text = (DOCS / "method.md").read_text()
    equations = re.findall(r"\$\$\n(.*?)\n\$\$", text, re.DOTALL)
    assert len(equations) >= 8
    assert all("<math" in tools["mathml"].mathml(equation, block=True) for equation in equations)


@pytest.mark.slow
def test_the_site_is_built_without_a_warning(tmp_path):
    command = [sys.executable, "-m", "sphinx", "-W", "-n", "-q", "-b", "html", DOCS, tmp_path / "html"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    site = tmp_path / "html"
    pictures = sorted((site / "_images").glob("*.png"))
    assert len(pictures) >= 8, "figures of notebooks"
    assert {path.name for path in site.rglob("*.ipynb")} >= {"first_steps.ipynb"}
    assert "searchindex.js" in {path.name for path in site.iterdir()}
    links = re.findall(r'(?:href|src)="(https?://[^"]+\.(?:js|css))', (site / "index.html").read_text())
    assert links == [], "the site needs nothing from the internet"
