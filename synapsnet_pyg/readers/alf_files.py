"""Files of the IBL's ALF convention: ``[_namespace_]object.attribute[.extra].extension``, in folders of revisions."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from synapsnet_pyg.files import optional_import
from synapsnet_pyg.intake.neuron_table import Fields
from synapsnet_pyg.intake.notes import warn
from synapsnet_pyg.intake.plain import plain_array
from synapsnet_pyg.readers.array_files import ArrayFile
from synapsnet_pyg.readers.mapped_arrays import mapped
from synapsnet_pyg.readers.reader import natural

_NAME = re.compile(
    r"(?:_(?P<namespace>[a-z0-9]+)_)?(?P<object>\w+?)\.(?P<attribute>\w+)(?:\..+)?\.(?P<extension>npy|pqt|parquet|csv|tsv|json)"
)
"""Name of a file."""

_REVISION = re.compile(r"#.+#")
"""Name of a folder of a revision, such as ``#2021-06-03#``."""

_TABLES = frozenset({"pqt", "parquet", "csv", "tsv"})
"""Extensions of tables."""


class AlfFile(NamedTuple):
    """File with one attribute of an object."""

    path: Path
    """Path of the file."""
    extension: str
    """Extension without the dot."""
    revision: str
    """Name of the revision; an empty text for the first one."""


AlfFiles = dict[str, dict[str, AlfFile]]
"""Object -> attribute -> file."""


def alf_files(folders: Iterable[Path]) -> AlfFiles:
    """Returns the files of folders by object and attribute.

    Of an attribute in several revisions the last counts, and of several folders the first.

    Args:
        folders: Folders that hold the files; folders of revisions in them are searched, others not.
    """
    objects: AlfFiles = {}
    for folder in folders:
        revisions = [path for path in folder.iterdir() if path.is_dir() and _REVISION.fullmatch(path.name)]
        found: AlfFiles = {}
        for place in (folder, *sorted(revisions, key=lambda path: natural(path.name))):
            revision = place.name.strip("#") if place != folder else ""
            for path in sorted(place.iterdir()):
                parts = _NAME.fullmatch(path.name)
                if parts and (path.is_file() or path.is_symlink()):
                    attribute = parts["attribute"]
                    # parquet comes after csv in the alphabet, and replaces it
                    found.setdefault(parts["object"], {})[attribute] = AlfFile(path, parts["extension"], revision)
        for name, attributes in found.items():
            known = objects.setdefault(name, {})
            known |= {key: file for key, file in attributes.items() if key not in known}
    return objects


def has_spikes(folder: Path) -> bool:
    """Returns True if a folder, or a folder of a revision in it, holds spike times with their clusters."""
    if not folder.is_dir():
        return False
    patterns = [f"{place}spikes.{attribute}*.npy" for place in ("", "[#]*[#]/") for attribute in ("times", "clusters")]
    found = [any(folder.glob(pattern)) for pattern in patterns]
    return (found[0] or found[2]) and (found[1] or found[3])


def columns_of(file: AlfFile, attribute: str) -> dict[str, np.ndarray]:
    """Returns the columns of a table, or the array of a file under its attribute's name.

    Args:
        file: File to read.
        attribute: Name of the attribute.

    Raises:
        ValueError: The file is damaged.
    """
    if file.extension not in _TABLES:
        return {attribute: np.asarray(mapped(file.path))}
    if file.extension in ("pqt", "parquet"):
        pandas = optional_import("pandas", "lab")
        try:
            frame = pandas.read_parquet(file.path)
        except (ValueError, OSError):
            raise ValueError(f"Expected a table in '{file.path}' (it is damaged or cut short).") from None
        return {str(name): plain_array(frame[name]) for name in frame}
    with ArrayFile(file.path) as table:
        return {key: table.get(key) for key in table.keys if key != "table" or len(table.keys) == 1}


def times_of(files: dict[str, AlfFile], values: int) -> np.ndarray | None:
    """Returns the time of each sample of an object; None if it has none.

    Timestamps of even steps may be stored as rows of sample and time, and are then interpolated.

    Args:
        files: Attribute -> file.
        values: Number of samples.
    """
    for attribute in ("timestamps", "times"):
        if attribute in files:
            times = np.asarray(mapped(files[attribute].path), dtype=np.float64)
            if times.ndim == 2 and times.shape[1] == 2 and len(times) != values:
                return np.interp(np.arange(values), times[:, 0], times[:, 1])
            return times.ravel() if times.ndim == 2 and 1 in times.shape else times
    return None


def attributes_of(files: dict[str, AlfFile], skipped: Iterable[str] = ()) -> Fields:
    """Returns all attributes and columns of tables of an object; a file that cannot be read is left out with a warning.

    Args:
        files: Attribute -> file.
        skipped: Attributes that are not needed, such as waveforms.
    """
    columns: Fields = {}
    for attribute, file in files.items():
        if attribute in skipped or file.extension == "json":
            continue
        try:
            columns |= {key: values for key, values in columns_of(file, attribute).items() if key not in columns}
        except (ValueError, FileNotFoundError) as error:
            warn(f"{str(error).rstrip('.')}; '{attribute}' is left out.")
    return columns
