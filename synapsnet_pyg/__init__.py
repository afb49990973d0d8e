"""SynapsNet on PyTorch Geometric: forecast a recorded population and learn who drives whom.

The stub beside this file, ``__init__.pyi``, is the only list of public names: editors read it, and so does this file.
"""

import os
import re
import sys
from importlib import import_module
from importlib.resources import files
from typing import Any

__version__ = "0.2.0.dev0"
if "torch" not in sys.modules:
    # Threads of OpenMP spin while they wait for each other, at the cost of other processes and of themselves.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("GOMP_SPINCOUNT", "0")

_MODULE = {
    name: module
    for module, name in re.findall(r"from (\S+) import (\w+) as", files(__name__).joinpath("__init__.pyi").read_text())
}
"""Public name -> module that defines it."""

__all__ = list(_MODULE)


def __getattr__(name: str) -> Any:
    # Imported when asked for: torch and PyG take seconds to import, which 'synapsnet --help' must not pay.
    if name not in _MODULE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULE[name], __name__), name)


def __dir__() -> list[str]:
    return __all__
