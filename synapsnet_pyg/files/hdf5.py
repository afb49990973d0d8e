"""HDF5 files of our own: written completely or not at all, and read only as what they are declared to be."""

import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from synapsnet_pyg.files.checksums import DamagedFileError, check_seal, seal
from synapsnet_pyg.files.memory import free_memory, require_memory
from synapsnet_pyg.files.writing import atomic_stream

_EXPANSION = 1032
"""Largest factor by which gzip shrinks bytes."""

_KINDS = {"f": "floating-point numbers", "i": "whole numbers", "u": "counts", "b": "True or False", "T": "texts"}


@contextmanager
def atomic_hdf5(path: str | os.PathLike[str], format: str) -> Iterator[tuple[h5py.File, Callable[[], None]]]:
    """Gives a ``with`` block a new HDF5 file, which gets the name ``path`` if the block ends without an error.

    The file ends with a checksum, which :func:`open_hdf5` compares.

    Args:
        path: Path of the file; its folder must exist.
        format: Name of the format, which is kept as an attribute too.

    Returns:
        The file, and a function that raises the error of an earlier write, for a block that writes for long.

    Raises:
        OSError: As in :func:`atomic_path`.
    """
    with atomic_stream(path) as stream:
        with h5py.File(stream, "w") as file:
            file.attrs["format"] = format
            yield file, stream.check  # type: ignore[attr-defined]
        seal(stream, format)


class Field(NamedTuple):
    """Declaration of a field of an HDF5 file."""

    kinds: str
    """Kinds that its entries may have: ``f`` (floating point), ``i`` and ``u`` (whole), ``b`` (True or False), ``T``
    (text)."""
    axes: int | None = None
    """Number of axes; None: at least one."""


class OwnFile:
    """HDF5 file of our own, open for reading.

    Each field must be stored in the file itself: links to other places, and values that other files hold, are refused.
    No field may claim more memory than the file can hold or is free.

    Args:
        file: File that is open for reading.
        path: Path of the file, for messages.
        sealed: Whether the file has a checksum; those of earlier versions and other programs have none.
    """

    def __init__(self, file: h5py.File, path: Path, sealed: bool) -> None:
        self.file, self.path, self.sealed = file, path, sealed
        self._size, self._claimed = path.stat().st_size, 0

    def attribute(self, name: str, kind: type) -> Any:
        """Returns a text, a number or a whole number (``kind`` is str, float or int) that is kept beside the fields."""
        value = self.file.attrs.get(name)
        value = value.decode("utf-8") if isinstance(value, bytes) else value
        kinds: tuple[type, ...] = {str: (str,), float: (int, float, np.integer, np.floating), int: (int, np.integer)}[
            kind
        ]
        if not isinstance(value, kinds) or isinstance(value, bool | np.bool_):
            raise DamagedFileError(f"Expected '{name}' of '{self.path}' to be one {kind.__name__} (got {value!r}).")
        return kind(value)

    def dataset(self, name: str, field: Field, *, whole: bool = True) -> h5py.Dataset:
        """Returns a field as it is declared, before its values are read.

        Args:
            name: Name of the field.
            field: Its declaration.
            whole: Whether it will be read at once, not a few chunks at a time.

        Raises:
            DamagedFileError: The field is missing, or of another kind or number of axes, or stored elsewhere, or
                incomplete.
            ValueError: It needs more memory than is free.
        """
        link = self.file.get(name, getlink=True)
        if link is None:
            raise DamagedFileError(f"Expected a field '{name}' in '{self.path}' (there is none).")
        dataset: Any = self.file[name] if isinstance(link, h5py.HardLink) else None
        if not isinstance(dataset, h5py.Dataset):
            self._refuse(name, "stored in the file itself", "a group" if dataset is not None else "a link elsewhere")
        if dataset.is_virtual or dataset.external:
            self._refuse(name, "stored in the file itself", "values that another file holds")
        kind = "T" if h5py.check_string_dtype(dataset.dtype) is not None else dataset.dtype.kind
        if kind not in field.kinds or (kind in "iu" and h5py.check_enum_dtype(dataset.dtype)):
            self._refuse(name, " or ".join(_KINDS[kind] for kind in field.kinds), str(dataset.dtype))
        if dataset.shape is None or dataset.ndim != (field.axes or max(1, dataset.ndim)):
            axes = "at least one axis" if field.axes is None else f"{field.axes} axes"
            self._refuse(name, f"an array with {axes}", str(dataset.shape and list(dataset.shape)))
        needed = self._checked_size(name, dataset)
        self._claimed += needed if whole else 0
        require_memory(self._claimed, f"the fields of '{self.path}'")
        return dataset

    def _checked_size(self, name: str, dataset: h5py.Dataset) -> int:
        """Returns the bytes of a field, which must have room in the file and be complete there."""
        created, text = dataset.id.get_create_plist(), h5py.check_string_dtype(dataset.dtype)
        # The file holds a reference of 16 bytes to each text of any length.
        entry = 16 if text is not None and text.length is None else dataset.dtype.itemsize
        needed = math.prod(dataset.shape) * entry
        filters = [created.get_filter(number)[0] for number in range(created.get_nfilters())]
        known = {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32}
        if not known >= set(filters) or len(set(filters)) < len(filters):
            self._refuse(name, "compressed by gzip or not at all", "another filter")
        expansion = _EXPANSION if filters else 1
        if dataset.chunks is None:
            complete, label = dataset.id.get_storage_size() == needed, f"{dataset.id.get_storage_size()} bytes"
        else:
            whole = math.prod(-(-length // chunk) for length, chunk in zip(dataset.shape, dataset.chunks, strict=True))
            count = dataset.id.get_num_chunks() if needed <= expansion * self._size else 0
            complete, label = count == whole, f"{count} of {whole} chunks"
            require_memory(math.prod(dataset.chunks) * entry, f"a chunk of '{name}' of '{self.path}'")
        if needed > expansion * self._size or (needed and not complete):
            self._refuse(name, f"{needed} bytes, as its shape {list(dataset.shape)} claims", f"{label} in the file")
        return int(needed)

    def read(self, name: str, field: Field) -> np.ndarray | list[str]:
        """Reads a field: an array in the byte order of this machine, or a list of texts."""
        dataset = self.dataset(name, field)
        if h5py.check_string_dtype(dataset.dtype) is not None:
            return self._texts(name, dataset)
        array = np.asarray(dataset[()])
        return array.astype(array.dtype.newbyteorder("="), copy=False)

    def texts(self, name: str) -> list[str]:
        """Reads a list of texts."""
        return list(self.read(name, Field("T", 1)))

    def _texts(self, name: str, dataset: h5py.Dataset) -> list[str]:
        """Reads texts in blocks, since many of them may point to one long text of a file."""
        if dataset.ndim != 1:
            self._refuse(name, "a list of texts", str(list(dataset.shape)))
        block = int(max(1, min(4096, free_memory() // (4 * self._size))))
        texts: list[str] = []
        length = 0
        for start in range(0, len(dataset), block):
            entries = dataset[start : start + block].tolist()
            length += sum(map(len, entries))
            if length > self._size:
                self._refuse(name, f"at most {self._size} bytes of text, the size of the file", "more")
            texts += [entry.decode("utf-8") if isinstance(entry, bytes) else str(entry) for entry in entries]
        return texts

    def _refuse(self, name: str, expected: str, got: str) -> None:
        """Raises the error for a field that is not as it should be."""
        raise DamagedFileError(f"Expected '{name}' of '{self.path}' to be {expected} (got {got}).")


@contextmanager
def open_hdf5(path: str | os.PathLike[str], format: str, version: int, *, remedy: str) -> Iterator[OwnFile]:
    """Opens an HDF5 file of our own for reading, after comparing it with its checksum.

    Args:
        path: Path of the file.
        format: Name of the format, ``synapsnet`` and a noun.
        version: Newest version of the format that is read.
        remedy: Instruction to get such a file, for messages.

    Raises:
        FileNotFoundError: There is no such file.
        DamagedFileError: The file has another format or a newer version, is cut short or damaged.
        ValueError: A field needs more memory than is free.
    """
    path, label = Path(path), f"{format.removeprefix('synapsnet ')} file"
    if not path.is_file():
        raise FileNotFoundError(f"Expected a {label} (there is no file '{path}').")
    try:
        sealed = check_seal(path)
        with h5py.File(path, "r") as file:
            own = OwnFile(file, path, sealed)
            if file.attrs.get("format") not in (format, format.encode()):
                raise DamagedFileError(f"'{path}' is HDF5 but no {label}; {remedy}.")
            if (found := own.attribute("version", int)) > version:
                raise DamagedFileError(f"'{path}' has version {found} of its format, this program reads {version}.")
            yield own
    except DamagedFileError:
        raise
    except MemoryError:
        raise ValueError(f"Expected '{path}' to fit into memory; take a part of it, or a larger machine.") from None
    except (OSError, KeyError, RuntimeError, TypeError, ValueError, OverflowError) as error:
        if str(path) in str(error):
            raise
        reason = " ".join(str(error).split())[:150]
        raise DamagedFileError(
            f"'{path}' is not a readable {label}: foreign, cut short or damaged ({reason}); {remedy}."
        ) from None
