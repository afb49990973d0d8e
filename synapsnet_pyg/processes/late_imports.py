"""Modules that are executed at their first use instead of their import, because they take memory and seconds."""

import sys
import threading
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

LATE = ("matplotlib", "numba", "pandas", "scipy.stats", "torch._dynamo", "torch_geometric.datasets")
"""Modules that few commands use, or use at their end: 350 MB, and half of the seconds of a start."""


class _NoModel:
    """Class of compiled models, of which there are none."""


_STAND_INS: dict[tuple[str, str], object] = {
    ("torch._dynamo", "disable"): lambda function, *_, **__: function,
    ("torch._dynamo", "graph_break"): lambda *_, **__: None,
    ("torch._dynamo", "OptimizedModule"): _NoModel,
}
"""Module and name -> what the name means as long as the module is not executed.

PyTorch asks its compiler, which no command uses, not to compile how a tensor is made in a dispatch mode and a step of
Adam; Lightning asks whether a model is compiled.
"""

_executing = threading.RLock()


def import_late() -> None:
    """Makes the interpreter execute the modules of :data:`LATE` at the first use of a name in them.

    It is for programs, which own their process; modules that are imported already stay as they are.
    """
    if not any(isinstance(finder, _LateFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _LateFinder())


class _LateFinder(MetaPathFinder):
    """Finder of the modules of :data:`LATE`."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Returns how to import a module late, or None for any other module."""
        spec = PathFinder.find_spec(name, path, target) if name in LATE else None
        if spec is not None and spec.loader is not None:
            spec.loader = _LateLoader(spec.loader)
        return spec


class _LateLoader(Loader):
    """Loader that leaves a module empty until a name in it is used.

    :class:`importlib.util.LazyLoader` executes a module when its ``__file__`` is looked up as well, which
    :func:`inspect.getmodule` does with all modules, as part of the import of PyTorch's compiler.

    Args:
        loader: Loader that executes the module.
    """

    def __init__(self, loader: Loader) -> None:
        self.loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Makes the module as the other loader does."""
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """Leaves the module empty."""
        del module.__path__  # an import of a part of the package looks it up, and the package comes before its part
        module.__class__ = _LateModule


class _LateModule(ModuleType):
    """Module that is executed when a name is looked up that it does not have."""

    def __getattr__(self, name: str) -> Any:
        """Executes the module, which is an ordinary one from then on; other threads wait for it."""
        if (self.__name__, name) in _STAND_INS:
            return _STAND_INS[self.__name__, name]
        # The import of a part of a package asks for its path; that of a name can do without.
        if name == "__path__" and "importlib" not in sys._getframe(1).f_code.co_filename:
            raise AttributeError(name)
        with _executing:
            spec = self.__spec__
            if spec is not None and isinstance(spec.loader, _LateLoader):
                spec.loader = self.__loader__ = spec.loader.loader
                self.__path__ = spec.submodule_search_locations or []
                spec.loader.exec_module(self)
                self.__class__ = ModuleType  # type: ignore[assignment]
        return self.__getattribute__(name)
