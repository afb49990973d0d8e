"""Lists that the code knows, as tables within pages: formats, protocols, models."""

import pkgutil

from synapsnet_pyg.data.protocols import PROTOCOLS
from synapsnet_pyg.datasets.registry import READERS
from synapsnet_pyg.models.registry import ANCHORS, MODELS


def _table(head: tuple[str, str], rows: list[tuple[str, str]]) -> str:
    lines = [f"| {head[0]} | {head[1]} |", "|---|---|", *(f"| {left} | {right} |" for left, right in rows)]
    return "\n".join(lines) + "\n"


def _model_rows() -> list[tuple[str, str]]:
    rows = []
    for name, entry in MODELS.items():
        if name in ANCHORS:
            continue
        # The fixed argument of an estimator that forecasts names it; its class is the same for all.
        found = pkgutil.resolve_name(entry.path)
        fixed = ", ".join(f"{key} = {value}" for key, value in entry.fixed.items())
        first = (found.__doc__ or "").strip().split("\n\n")[0].replace("\n", " ").rstrip(".")
        rows.append(
            (f"`{name}`", f"{{py:class}}`~{entry.path}`{f' ({fixed})' if fixed else ''}: {' '.join(first.split())}")
        )
    return rows


def pages() -> dict[str, str]:
    """Returns the lists by file name, relative to the folder of generated pages."""
    return {
        "formats.md": _table(("`--reader`", "reads"), [(f"`{name}`", r.description) for name, r in READERS.items()]),
        "protocols.md": _table(
            ("`--protocol`", "what it says"), [(f"`{n}`", p.description) for n, p in PROTOCOLS.items()]
        ),
        "models.md": _table(("`--model`", "class"), _model_rows()),
    }
