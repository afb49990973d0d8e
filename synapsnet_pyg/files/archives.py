"""Zip archives of our own, such as npz files and checkpoints: checked before anything in them is loaded."""

import os
import struct
import zipfile
import zlib
from collections.abc import Collection
from pathlib import Path

import numpy as np

from synapsnet_pyg.files.checksums import DamagedFileError
from synapsnet_pyg.files.memory import require_memory

_BLOCK = 2**20

_REAL = "biuf"
"""Kinds of numbers that an array may have, beside texts."""


def check_archive(path: str | os.PathLike[str], label: str, *, packed: bool = True) -> None:
    """Compares every member of a zip archive with its checksum, and what they claim with the memory that is free.

    Args:
        path: Path of the archive.
        label: Name of such a file in messages.
        packed: Whether members may be compressed.

    Raises:
        DamagedFileError: The file is no archive, is cut short, or a member differs from its checksum.
        ValueError: The members need more memory than is free.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if any(member.compress_type != zipfile.ZIP_STORED for member in members) and not packed:
                raise zipfile.BadZipFile("compressed members")
            if len({member.filename for member in members}) < len(members):
                raise zipfile.BadZipFile("two members of one name")
            if any(member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for member in members):
                raise zipfile.BadZipFile("an unusual compression")
            require_memory(sum(member.file_size for member in members), f"the contents of '{path}'")
            for member in members:
                with archive.open(member) as stream:
                    while stream.read(_BLOCK):  # the end compares the checksum
                        pass
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, RuntimeError, OSError, UnicodeError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        reason = " ".join(str(error).split())[:150]
        raise DamagedFileError(
            f"'{path}' is not a readable {label}: foreign, cut short or damaged ({reason})."
        ) from None


def read_npz(path: str | os.PathLike[str], names: Collection[str], label: str) -> dict[str, np.ndarray]:
    """Reads arrays of numbers and texts from an npz file. Nothing is unpickled.

    Args:
        path: Path of the file.
        names: Names of the arrays; none: all.
        label: Name of such a file in messages.

    Returns:
        Name -> array, in the byte order of this machine; names that the file lacks are missing.

    Raises:
        DamagedFileError: The file is damaged, or an array holds objects, or claims more numbers than the file holds.
        ValueError: The arrays need more memory than is free.
    """
    path = Path(path)
    check_archive(path, label)
    arrays: dict[str, np.ndarray] = {}
    with zipfile.ZipFile(path) as archive:
        for member in archive.namelist():
            name = member.removesuffix(".npy")
            if names and name not in names:
                continue
            arrays[name] = _read_array(archive, member, path)
    return arrays


def _read_array(archive: zipfile.ZipFile, member: str, path: Path) -> np.ndarray:
    """Reads one member of an npz file, if it is as long as its header claims."""
    try:
        with archive.open(member) as stream:
            version = np.lib.format.read_magic(stream)
            read_header = {
                (1, 0): np.lib.format.read_array_header_1_0,
                (2, 0): np.lib.format.read_array_header_2_0,
            }[version]
            shape, fortran_order, dtype = read_header(stream)
            if dtype.kind not in _REAL + "US":
                raise ValueError(f"an array of {dtype}")
            data = stream.read()
        values = np.frombuffer(data, dtype)
        if any(length < 0 for length in shape):
            raise ValueError(f"a shape of {shape}")
        array = values.reshape(shape, order="F" if fortran_order else "C")
    except (
        ValueError,
        KeyError,
        TypeError,
        SyntaxError,
        OverflowError,
        EOFError,
        RecursionError,
        MemoryError,
    ) as error:
        reason = " ".join(str(error).split())[:150]
        raise DamagedFileError(
            f"Expected an array '{member}' in '{path}' (got: {reason}); save the file anew."
        ) from None
    return array.astype(dtype.newbyteorder("="))
