"""References to names of the package: a name is found wherever the code finds it, however it is imported."""

from pkgutil import resolve_name
from types import FunctionType
from typing import Any

from docutils import nodes
from docutils.utils import get_source_line
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

import synapsnet_pyg


def names_of(target: str) -> list[str]:
    """Returns the names under which the site may describe a name: as the public one, and where it is defined.

    Args:
        target: Full name, such as ``synapsnet_pyg.results.graphs.to_pandas``.
    """
    if not target.startswith("synapsnet_pyg"):
        return []
    try:
        found = resolve_name(target)
    except (ImportError, AttributeError, ValueError):
        return []
    module, name = getattr(found, "__module__", None), getattr(found, "__qualname__", None)
    if module is None or name is None:
        return [target]
    public = name.partition(".")[0] in synapsnet_pyg.__all__
    return [f"synapsnet_pyg.{name}"] * public + [f"{module}.{name}"]


def resolve(app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.Node) -> nodes.Node | None:
    """Resolves a reference that Sphinx does not find by the name as it stands."""
    if node.get("refdomain") != "py":
        return None
    target, module, inside = node["reftarget"], node.get("py:module"), node.get("py:class")
    tried = [target, f"{module}.{target}", f"{module}.{inside}.{target}"]
    source, _ = get_source_line(node)
    home = (source or "").rpartition("docstring of ")[2].rstrip(":")
    while "." in home:  # names of the module in which a public name is defined
        home = home.rpartition(".")[0]
        tried.append(f"{home}.{target}")
    domain: Any = env.domains.python_domain
    for name in (name for candidate in tried for name in names_of(candidate)):
        if name in domain.objects:
            return domain.resolve_xref(env, node["refdoc"], app.builder, "obj", name, node, content)
    return None


def keep_first_line(_: Sphinx, what: str, *arguments: Any) -> None:
    """Keeps napoleon from reading the first words of an attribute's text, up to a colon, as its type."""
    if what in ("attribute", "data", "property"):
        arguments[-1][:0] = ["..", ""]


def skip_foreign(_: Sphinx, what: str, name: str, member: Any, *arguments: Any) -> bool | None:
    """Leaves out classes and functions of other packages that a module only names."""
    foreign = isinstance(member, type | FunctionType) and not member.__module__.startswith("synapsnet_pyg")
    return True if what == "module" and foreign else None


def setup(app: Sphinx) -> dict[str, bool]:
    """Connects the functions of this file."""
    app.connect("missing-reference", resolve)
    app.connect("autodoc-process-docstring", keep_first_line, priority=400)
    app.connect("autodoc-skip-member", skip_foreign)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
