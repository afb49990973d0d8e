"""Packages that only some functions need."""

from importlib import import_module
from typing import Any


def optional_import(module: str, extra: str) -> Any:
    """Imports a module of a package that only some functions need.

    Args:
        module: Name of the module, such as ``scipy.sparse``.
        extra: Extra of ``synapsnet_pyg`` that installs it.

    Raises:
        ImportError: The package is not installed; the message has the line of pip that installs it.
    """
    try:
        return import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise ImportError(
            f"Expected {package} to be installed (got: {error}); pip install {package}, or pip install "
            f"'synapsnet_pyg[{extra}]'"
        ) from None
