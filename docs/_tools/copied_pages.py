"""Results and notebooks, taken from ``examples/`` as the pages of the site."""

from pathlib import Path

import jupytext
import nbformat

NOTEBOOKS = {
    "first_steps": [],
    "edges_to_trust": ["3000", "60", "20", "--epochs", "2", "--frames", "600"],
    "changing_connectivity": [
        "--bins", "2500", "--epochs", "1", "--state-bins", "3000", "--neurons", "30", "--state-epochs", "1",
    ],
}  # fmt: skip
"""Notebook that is executed -> arguments that make it short."""

RECORDED = ("worm_connectome", "signal_propagation", "zebrafish", "bugeon", "allen_neuropixels")
"""Notebooks that need a recording, which are shown without being executed."""

SETUP = """\
# Of the web page: figures that are saved are shown, too{small}.
import sys
from IPython.display import display
from matplotlib.figure import Figure

%matplotlib inline
sys.argv = {arguments}
save = Figure.savefig


def save_and_show(figure, *args, **kwargs):
    save(figure, *args, **kwargs)
    display(figure)


Figure.savefig = save_and_show"""


def notebook(path: Path, arguments: list[str], execute: bool) -> str:
    """Returns a script in percent format as a notebook with a first cell that shows figures and gives arguments.

    Args:
        path: Script.
        arguments: Arguments of the script.
        execute: True if the notebook is executed when the site is built.
    """
    book = jupytext.reads(path.read_text(), fmt="py:percent")
    small = "; small numbers, for a short run" if arguments else ""
    setup = nbformat.v4.new_code_cell(SETUP.format(small=small, arguments=[path.name, *arguments]))
    setup.metadata["tags"] = ["hide-cell"]
    book.cells.insert(1, setup)
    for number, cell in enumerate(book.cells):
        cell["id"] = f"cell-{number}"
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    if not execute:
        book.metadata["mystnb"] = {"execution_mode": "off"}
    return str(nbformat.writes(book))


def pages(root: Path) -> dict[str, str | bytes]:
    """Returns the pages by file name, relative to the folder of generated pages.

    Args:
        root: Folder of the repository.
    """
    examples = root / "examples"
    results = {f"results/{path.name}": path.read_bytes() for path in sorted((examples / "results").iterdir())}
    results["results/index.md"] = results.pop("results/README.md")
    books = {
        name: notebook(examples / f"{name}.py", NOTEBOOKS.get(name, []), name in NOTEBOOKS)
        for name in (*NOTEBOOKS, *RECORDED)
    }
    return {**results, **{f"notebooks/{name}.ipynb": text for name, text in books.items()}}
