"""SynapsNet on PyTorch Geometric: forecast a recorded population and learn who drives whom."""

import ast
from importlib import import_module
from pathlib import Path
from typing import Any

__version__ = "0.1.0"


def _homes() -> dict[str, str]:
    """Reads where each public name lives from the stub beside this file, which alone lists them."""
    stub = Path(__file__).with_suffix(".pyi").read_text(encoding="utf-8")
    imports = [line for line in ast.parse(stub).body if isinstance(line, ast.ImportFrom)]
    return {name.name: f".{line.module}" for line in imports for name in line.names}


_HOME = _homes()

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    # Found when asked for: torch and PyG take seconds to import, which 'synapsnet --help' must not pay.
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name], __name__), name)


def __dir__() -> list[str]:
    return list(__all__)
