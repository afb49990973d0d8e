"""Names of classes outside the package: whoever gives one decides that its module is imported."""

import os
import pkgutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

OURS = ("synapsnet_pyg.models.", "synapsnet_pyg.connectivity.", "synapsnet_pyg.nn.")
"""Modules of the package whose classes and functions a file may name."""


def user_object(path: str) -> Any:
    """Imports a class or function by its import path, which the user gave; its module may be in the current folder.

    Args:
        path: ``package.module.name``.

    Raises:
        ImportError: There is no such module.
        AttributeError: The module has nothing of that name.
        ValueError: The path is not one of names joined by dots.
    """
    with current_folder_last():
        return pkgutil.resolve_name(path)


@contextmanager
def current_folder_last() -> Iterator[None]:
    """Looks for modules in the current folder too, during a ``with`` block, after all other places."""
    folder = os.getcwd()
    sys.path.append(folder)
    try:
        yield
    finally:
        for place in reversed(range(len(sys.path))):
            if sys.path[place] == folder:
                del sys.path[place]
                break


def path_of(thing: Any) -> str:
    """Returns the import path of a class or function."""
    return f"{getattr(thing, '__module__', '')}.{getattr(thing, '__qualname__', '')}"


def is_ours(path: str) -> bool:
    """Returns True if an import path is that of a class or function that the package defines.

    Example:
        >>> is_ours("synapsnet_pyg.models.poco.POCO"), is_ours("synapsnet_pyg.models.poco.torch.load")
        (True, False)
    """
    if not path.startswith(OURS):
        return False
    try:
        return path_of(pkgutil.resolve_name(path)) == path
    except (ImportError, AttributeError, ValueError):
        return False


def untrusted(label: str, name: str, file: str | os.PathLike[str]) -> ValueError:
    """Returns the error for a name in a file that nobody vouched for.

    Args:
        label: Description of what the name should be.
        name: Import path in the file.
        file: Path of the file.
    """
    return ValueError(
        f"Expected {label} of the package (got '{name}' in '{file}', which would be imported and run); give --trust "
        f"{name} if you know its source, in Python trust=['{name}']."
    )
