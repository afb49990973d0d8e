"""Checksums of our own files, by which damage is seen before anything is read."""

import hashlib
import json
import os
import re
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

_SEAL = re.compile(rb"\n(?P<format>[a-z ]+) sha256 (?P<digest>[0-9a-f]{64})\n\Z")
_LONGEST = 200
"""Number of bytes at the end of a file that hold the seal."""


class DamagedFileError(ValueError):
    """Error for a file of our own that is damaged, cut short, or no such file; the message names it."""


def seal(stream: BinaryIO, format: str) -> None:
    """Appends a line with the format and the checksum of all bytes before it to a file.

    HDF5 does not read what follows its own end, and cuts it off when it changes a file.

    Args:
        stream: File that is complete, open for reading and writing.
        format: Name of the format, lower-case letters and blanks.
    """
    stream.seek(0)
    digest = hashlib.file_digest(stream, "sha256").hexdigest()  # type: ignore[arg-type]
    stream.seek(0, os.SEEK_END)
    stream.write(f"\n{format} sha256 {digest}\n".encode())


def sealed_format(path: str | os.PathLike[str]) -> str | None:
    """Returns the format in the seal of a file; None if it has none."""
    with Path(path).open("rb") as file:
        found = _find_seal(file)
    return None if found is None else found["format"].decode()


def check_seal(path: str | os.PathLike[str]) -> bool:
    """Compares an HDF5 file with its checksum.

    Args:
        path: Path of the file.

    Returns:
        True if they agree, False if the file has no checksum, as of earlier versions or other programs.

    Raises:
        DamagedFileError: The bytes differ from those that were written.
    """
    with Path(path).open("rb") as file:
        found, size = _find_seal(file), os.fstat(file.fileno()).st_size
        file.seek(0)
        if found is None:
            # A version 0 superblock tells where HDF5 ends; what follows can only be a seal that is damaged.
            head = file.read(48)
            if (
                head[:9] == b"\x89HDF\r\n\x1a\n\x00"
                and len(head) == 48
                and struct.unpack_from("<Q", head, 40)[0] < size
            ):
                raise DamagedFileError(_other_bytes(path))
            return False
        digest, left = hashlib.sha256(), size - len(found[0])
        while left and (block := file.read(min(left, 2**20))):
            digest.update(block)
            left -= len(block)
    if digest.hexdigest().encode() != found["digest"]:
        raise DamagedFileError(_other_bytes(path))
    return True


def json_checksum(values: Mapping[str, Any]) -> str:
    """Returns the checksum of the values of a JSON file, whatever their order and indentation."""
    return hashlib.sha256(json.dumps(values, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _find_seal(file: BinaryIO) -> re.Match[bytes] | None:
    """Returns the seal at the end of a file that is open."""
    file.seek(max(0, os.fstat(file.fileno()).st_size - _LONGEST))
    return _SEAL.search(file.read())


def _other_bytes(path: str | os.PathLike[str]) -> str:
    """Returns the message for a file whose checksum is another."""
    return f"'{path}' is damaged: its checksum is not that of its bytes; take a copy, or make the file again."
