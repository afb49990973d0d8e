"""Configuration of the documentation site. ``make docs`` builds it into docs/_build/html."""

import sys
from importlib.util import find_spec
from pathlib import Path

from sphinx.application import Sphinx

DOCS = Path(__file__).parent
sys.path[:0] = [str(DOCS / "_tools"), str(DOCS.parent)]

import synapsnet_pyg  # noqa: E402

project = "synapsnet_pyg"
author = "the authors of synapsnet_pyg"
project_copyright = author
version = release = synapsnet_pyg.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "myst_nb",
    "mathml",
    "references",
]
exclude_patterns = [
    "_build",
    "_tools",
    "**.ipynb_checkpoints",
    "generated/formats.md",
    "generated/protocols.md",
    "generated/models.md",
]
templates_path: list[str] = []
nitpicky = True

# Names of other packages cannot be looked up without the internet.
nitpick_ignore_regex = [
    (
        r"py:.*",
        r"(torch|torch_geometric|torch_scatter|numpy|np|npt|pandas|pd|scipy|networkx|nx|h5py|matplotlib|plotly|lightning"
        r"|xarray|pynapple|neo|spikeinterface|collections|typing|types|pathlib|os|argparse|jsonargparse|optuna|zarr|pynwb"
        r"|concurrent|contextlib|logging|hdmf|tensorstore|pyarrow|sklearn|threading|sqlite3|sp|abc|datetime)(\.\w+)+",
    ),
    # Type variables, and aliases that are written out.
    (r"py:(class|obj)", r"((.*\.)?[A-Z]|(.*\.)?\w+T|.*\._\w+|Entry|Command|optional)"),
    (r"py:meth", r"_\w+"),
    # Parts of annotations that Sphinx cuts at a comma, and names that are imported from other packages.
    (r"py:class", r".*\[.*|zipfile\.\w+|csr_array|Logger"),
]

# Two rooms have a class of the same short name (Estimate); an annotation without its module may mean either.
suppress_warnings = ["ref.python"]

autosummary_generate = False
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_mock_imports = [name for name in ("triton",) if find_spec(name) is None]
autodoc_default_options = {"show-inheritance": True}
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 100
napoleon_numpy_docstring = False
napoleon_custom_sections = [("Shapes", "params_style")]
add_module_names = False

source_suffix = {".rst": "restructuredtext", ".md": "myst-nb", ".ipynb": "myst-nb"}
myst_enable_extensions = ["deflist", "dollarmath", "colon_fence", "attrs_inline"]
myst_heading_anchors = 4
nb_execution_mode = "cache"
nb_execution_raise_on_error = True
nb_execution_timeout = 170
nb_merge_streams = True

html_theme = "furo"
html_title = f"synapsnet_pyg {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sphinx = False
html_copy_source = False
html_math_renderer = "mathml"

linkcheck_timeout = 20


def setup(app: Sphinx) -> None:
    """Writes the pages that are made from the code before Sphinx looks for pages."""
    import pages

    app.connect("config-inited", lambda app, config: pages.write_pages(DOCS / "generated", DOCS.parent))
