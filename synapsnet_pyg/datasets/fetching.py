"""Downloads of single files: continued after an interrupt, never a mixture of two versions, and verified."""

import hashlib
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException, HTTPMessage
from pathlib import Path
from typing import IO
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from tqdm import tqdm

from synapsnet_pyg.files import Json, atomic_path
from synapsnet_pyg.files.writing import room

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

TIMEOUT = 60
"""Longest wait for an answer of a server in seconds."""

_CHUNK = 2**20


def fetch(url: str, path: Path, *, size: int | None = None, md5: str | None = None) -> Path:
    """Fetches one file, or verifies the file that is there.

    The download goes to ``<name>.part``, and the next call continues it if the file at the source is still the same:
    ``<name>.part.json`` keeps its entity tag, or the time of its last change, and is locked while a process fetches.
    If no checksum is published, that of the file is kept as ``<name>.sha256``, which ``sha256sum -c`` reads as well.

    Args:
        url: Address of the file.
        path: Path of the file; its folder is made.
        size: Expected number of bytes. None: as reported by the server.
        md5: Expected checksum. None: none is published.

    Raises:
        OSError: The file cannot be reached or written, or another process fetches it; the next call continues.
        ValueError: The file differs from the published one, or from the one that was fetched.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_file():
        _verify(path, size, md5)
        return path
    part = path.with_name(path.name + ".part")
    with room(path), _locked(path) as record:
        if path.is_file():  # another process fetched it just now
            return path
        if not (md5 and part.is_file() and part.stat().st_size == size):
            _fetch(url, part, record, size)
        if md5 and _digest(part, "md5") != md5:
            part.unlink()
            raise ValueError(f"'{url}' came with another checksum than {md5} and was deleted; fetch it again.")
        if not md5:
            with atomic_path(_checksum_file(path)) as temporary:
                temporary.write_text(f"{_digest(part, 'sha256')}  {path.name}\n")
        os.replace(part, path)
    return path


def _verify(path: Path, size: int | None, md5: str | None) -> None:
    """Raises a ValueError if a file differs from what was published, or fetched."""
    noted = _checksum_file(path)
    sha256 = noted.read_text().split(" ")[0] if noted.is_file() else None
    remedy = "it was changed or is damaged; move it away and give the same command again"
    if size is not None and path.stat().st_size != size:
        raise ValueError(f"Expected '{path}' of {size} bytes (got {path.stat().st_size}); {remedy}.")
    for name, wanted in (("md5", md5), ("sha256", None if md5 else sha256)):
        if wanted and _digest(path, name) != wanted:
            raise ValueError(f"Expected '{path}' with the {name} checksum {wanted} (got another); {remedy}.")


def _fetch(url: str, part: Path, record: "_Record", size: int | None) -> None:
    """Fetches the rest of a file, or all of it if the file at the source is another one by now."""
    if not _continued(url, part, record, size):
        part.unlink()
        _continued(url, part, record, size)


def _continued(url: str, part: Path, record: "_Record", size: int | None) -> bool:
    """Fetches the rest of a file; returns False if what is there is no beginning of it."""
    begun = part.stat().st_size if part.is_file() else 0
    version = record.read().get("version")
    ranged = {"Range": f"bytes={begun}-", "If-Range": version} if begun and version else {}
    try:
        with urlopen(Request(url, headers=ranged), timeout=TIMEOUT) as answer:
            rest = answer.status == 206
            same = answer.headers.get("Content-Range", "").startswith(f"bytes {begun}-")
            if rest and not (same and _version(answer.headers) in (None, version)):
                return False
            begun = begun if rest else 0
            length = answer.headers.get("Content-Length")
            total = begun + int(length) if length else None
            if None not in (size, total) and size != total:
                raise ValueError(f"Expected {size} bytes at '{url}' (there are {total}); it holds another version now.")
            size = total if size is None else size
            if size is None and "chunked" not in answer.headers.get("Transfer-Encoding", ""):
                raise OSError(f"Expected a server that tells the size of '{url}' (it does not); fetch it by hand.")
            record.write({"url": url, "version": _version(answer.headers)})
            with part.open("ab" if rest else "wb") as file:
                _copy(answer, file, part.stem, total=size)
    except HTTPException:  # the end of chunks is missing
        size = size or -1
    except HTTPError as error:
        error.close()
        if error.code != 416 or not begun:
            raise
        size = begun  # complete, if the server's size is that
        if error.headers.get("Content-Range", "").rpartition("/")[2] != str(begun):
            return False
    got = part.stat().st_size if part.is_file() else 0
    if size is not None and got != size:
        of = f" of {size}" if size > 0 else ""
        raise OSError(f"'{url}' broke off after {got}{of} bytes; repeat the command to continue.")
    return True


def _copy(answer: IO[bytes], file: IO[bytes], label: str, *, total: int | None) -> None:
    """Writes the bytes of an answer to a file, which begins at its present place."""
    begun = file.tell()
    bar = tqdm(total=total, initial=begun, unit="B", unit_scale=True, desc=label, disable=None, unit_divisor=1024)
    with bar:
        while block := answer.read(_CHUNK):
            file.write(block)
            bar.update(len(block))


def _version(headers: HTTPMessage) -> str | None:
    """Returns the text by which a server knows this version of a file again, for the header If-Range."""
    tag = headers.get("ETag", "")
    return tag if tag.startswith('"') else headers.get("Last-Modified")  # weak tags may not stand in If-Range


class _Record:
    """Notes on a download beside its file: who fetches it, and which version.

    Args:
        file: The notes, an open file of JSON.
    """

    def __init__(self, file: IO[str]) -> None:
        self.file = file

    def read(self) -> Json:
        """Returns the notes; none if they are damaged."""
        self.file.seek(0)
        try:
            notes = json.loads(self.file.read())
        except ValueError:
            notes = None
        return notes if isinstance(notes, dict) else {}

    def write(self, notes: Json) -> None:
        """Replaces the notes."""
        self.file.seek(0)
        self.file.truncate()
        json.dump({"process": os.getpid(), "computer": socket.gethostname(), **notes}, self.file)
        self.file.flush()


@contextmanager
def _locked(path: Path) -> Iterator[_Record]:
    """Gives a ``with`` block the notes on a download, which no other process has at the same time.

    Raises:
        BlockingIOError: Another process fetches this file.
    """
    part, notes = path.with_name(path.name + ".part"), path.with_name(path.name + ".part.json")
    while True:
        with notes.open("a+") as file:
            record = _Record(file)
            try:
                if fcntl is not None:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                who = record.read()
                raise BlockingIOError(
                    f"Expected '{path}' for this process alone (process {who.get('process', '?')} on "
                    f"{who.get('computer', '?')} fetches it); wait for it."
                ) from None
            if not (notes.exists() and os.path.samestat(os.fstat(file.fileno()), notes.stat())):
                continue  # the process before has just finished and removed the notes
            record.write(record.read() | {"process": os.getpid(), "computer": socket.gethostname()})
            try:
                yield record
            finally:
                if not part.exists():
                    notes.unlink()
            return


def _checksum_file(path: Path) -> Path:
    """Returns the path of the checksum of a file."""
    return path.with_name(path.name + ".sha256")


def _digest(path: Path, algorithm: str) -> str:
    """Computes a checksum of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()
