"""Pages of the Python interface: public names by room, and the modules of each room."""

import pkgutil
from importlib import import_module
from itertools import chain

import synapsnet_pyg

PUBLIC_PAGES = {
    "sessions": ("Sessions and windows", ("data",)),
    "recordings": ("Recordings and data sets", ("datasets", "readers", "intake")),
    "simulations": ("Simulations", ("simulations",)),
    "models": ("Models and forecasts", ("models",)),
    "runs": ("Fits, runs and scores", ("runs", "metrics", "report", "experiments")),
    "estimators": ("Estimators of connectivity", ("connectivity",)),
    "analysis": ("Analyses of a connectivity", ("analysis",)),
    "results": ("Tables, graphs and files", ("results",)),
    "figures": ("Figures", ("plots",)),
}
"""Page -> title, and rooms whose public names it describes."""


def room_of(name: str) -> str:
    """Returns the room that a public name comes from."""
    return str(getattr(synapsnet_pyg, name).__module__.split(".")[1])


def public_names(rooms: tuple[str, ...]) -> list[str]:
    """Returns the public names of rooms, in the order of the stub."""
    return [name for name in synapsnet_pyg.__all__ if room_of(name) in rooms]


def modules_of(room: str) -> list[str]:
    """Returns the modules of a room, by full name."""
    package = import_module(f"synapsnet_pyg.{room}")
    if not hasattr(package, "__path__"):
        return [package.__name__]
    inside = [f"{package.__name__}.{module.name}" for module in pkgutil.iter_modules(package.__path__)]
    return [name for name in inside if not name.endswith("__main__")]


def rooms() -> list[str]:
    """Returns the rooms of the package, without the command line, which has pages of its own."""
    return [module.name for module in pkgutil.iter_modules(synapsnet_pyg.__path__) if module.name != "cli"]


def _heading(text: str, line: str) -> str:
    return f"{text}\n{line * len(text)}\n"


def _public_page(title: str, names: list[str]) -> str:
    listed = "\n".join(f"   {name}" for name in names)
    parts = [
        _heading(title, "="),
        ".. currentmodule:: synapsnet_pyg\n",
        f".. autosummary::\n   :nosignatures:\n\n{listed}\n",
    ]
    for name in names:
        is_class = isinstance(getattr(synapsnet_pyg, name), type)
        options = "\n   :members:\n" if is_class else "\n"
        kind = "class" if is_class else "function" if callable(getattr(synapsnet_pyg, name)) else "data"
        parts.append(f"{_heading(name, '-')}\n.. auto{kind}:: {name}{options}")
    return "\n".join(parts)


def _room_page(room: str) -> str:
    modules = modules_of(room)
    parts = [_heading(room, "=")]
    if modules != [f"synapsnet_pyg.{room}"]:
        parts.append(f".. automodule:: synapsnet_pyg.{room}\n   :members:\n")
    for module in modules:
        public = [name for name in synapsnet_pyg.__all__ if getattr(synapsnet_pyg, name).__module__ == module]
        parts.append(_heading(module.removeprefix("synapsnet_pyg."), "-"))
        exclude = f"   :exclude-members: {', '.join(public)}\n" if public else ""
        parts.append(f".. automodule:: {module}\n   :members:\n{exclude}")
        if public:
            links = ", ".join(f":py:obj:`~synapsnet_pyg.{name}`" for name in public)
            parts.append(f"Public names, described with the others: {links}.\n")
    return "\n".join(parts)


def pages() -> dict[str, str]:
    """Returns the pages by file name, relative to the folder of generated pages."""
    assert {room_of(name) for name in synapsnet_pyg.__all__} <= set(chain(*(r for _, r in PUBLIC_PAGES.values())))
    written = {f"api/{page}.rst": _public_page(title, public_names(r)) for page, (title, r) in PUBLIC_PAGES.items()}
    return written | {f"api/modules/{room}.rst": _room_page(room) for room in rooms()}
