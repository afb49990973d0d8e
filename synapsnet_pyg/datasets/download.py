"""Downloads of public recordings, with progress bar, continuation after an interrupt, and checksums."""

import hashlib
import json
import os
import tarfile
import zipfile
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from tqdm import tqdm

FIGSHARE = "https://api.figshare.com/v2/articles"
ALLEN = "https://allen-brain-observatory.s3.us-west-2.amazonaws.com/visual-coding-neuropixels/ecephys-cache"
_TIMEOUT = 60
_CHUNK = 2**20


def fetch(url: str, path: Path, *, size: int | None = None, md5: str | None = None) -> Path:
    """Fetches one file; a complete file is kept, and the download of an incomplete file (``.part``) continues.

    Args:
        url: Address of the file.
        path: Path of the file; its folder is made.
        size: Expected number of bytes. None: as reported by the server.
        md5: Expected checksum. None: no check.

    Raises:
        OSError: The file cannot be reached or written; the next call continues.
        ValueError: The file differs from the published one; it is deleted.
    """
    if path.is_file() and size in (None, path.stat().st_size):
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    begun = part.stat().st_size if part.is_file() else 0
    if size is not None and begun > size:  # the start of another version
        part.unlink()
        begun = 0
    if begun != size:
        size = _continue(url, part, begun, size)
    if size is not None and part.stat().st_size != size:
        raise OSError(f"'{url}' broke off after {part.stat().st_size} of {size} bytes; repeat the command to continue.")
    if md5 and _md5(part) != md5:
        part.unlink()
        raise ValueError(f"'{url}' came with another checksum than {md5} and was deleted; fetch it again.")
    os.replace(part, path)
    return path


def _continue(url: str, part: Path, begun: int, size: int | None) -> int | None:
    """Fetches the rest of a file; returns the size of the file if the server or the caller knows it."""
    asked = Request(url, headers={"Range": f"bytes={begun}-"} if begun else {})
    try:
        with urlopen(asked, timeout=_TIMEOUT) as answer:
            continued = answer.status == 206
            begun = begun if continued else 0
            length = answer.headers.get("Content-Length")
            size = begun + int(length) if size is None and length else size
            bar = tqdm(
                total=size, initial=begun, unit="B", unit_scale=True, desc=part.stem, disable=None, unit_divisor=1024
            )
            with part.open("ab" if continued else "wb") as file, bar:
                while block := answer.read(_CHUNK):
                    file.write(block)
                    bar.update(len(block))
    except HTTPError as error:
        if error.code != 416:  # the file was complete already
            raise
    return size


def figshare(article: int, root: Path) -> None:
    """Fetches every file of a figshare article and unpacks its archives into ``root``.

    Raises:
        OSError: figshare cannot be reached; the message describes a download by hand.
        ValueError: A file differs from the published one.
    """
    try:
        with urlopen(f"{FIGSHARE}/{article}/files?page_size=1000", timeout=_TIMEOUT) as answer:
            files: list[dict[str, Any]] = json.load(answer)
        for file in files:
            done = root / ".fetched" / file["name"]
            if done.is_file() and done.read_text() == file["computed_md5"]:
                continue
            path = fetch(file["download_url"], root / file["name"], size=file["size"], md5=file["computed_md5"])
            unpack(path, root)
            done.parent.mkdir(exist_ok=True)
            done.write_text(file["computed_md5"])
    except (URLError, TimeoutError, ConnectionError) as error:
        raise OSError(
            f"figshare cannot be reached ({error}). By hand: open doi.org/10.6084/m9.figshare.{article}, "
            f"fetch all its files and unpack them into '{root}'."
        ) from None


def unpack(path: Path, root: Path) -> None:
    """Unpacks an archive into ``root`` and deletes it; other files stay unchanged.

    Raises:
        ValueError: The archive is damaged.
    """
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                archive.extractall(root)
        elif tarfile.is_tarfile(path):
            with tarfile.open(path) as packed:
                packed.extractall(root, filter="data")
        else:
            return
    except (zipfile.BadZipFile, tarfile.TarError, EOFError) as error:
        raise ValueError(f"'{path}' is a damaged archive ({error}); delete it and fetch it again.") from None
    path.unlink()


def allen_cache(root: Path, sessions: list[str]) -> None:
    """Fetches ``channels.csv`` and sessions of the AllenSDK's cache.

    Raises:
        OSError: The cache cannot be reached; the message describes a download by hand.
    """
    wanted = ["channels.csv", *(f"session_{session}/session_{session}.nwb" for session in sessions)]
    for file in wanted:
        try:
            fetch(f"{ALLEN}/{file}", root / file)
        except (URLError, TimeoutError, ConnectionError) as error:
            raise OSError(
                f"'{ALLEN}/{file}' cannot be reached ({error}). By hand: fetch "
                + ", ".join(f"{ALLEN}/{name} to '{root / name}'" for name in wanted)
                + "."
            ) from None


def dandiset(root: Path, paths: list[str]) -> None:
    """Fetches subjects or files of a dandiset, given as ``"000021/sub-707296975"``, with the dandi client.

    Raises:
        OSError: The client is not installed, or DANDI cannot be reached; the message describes a download by hand.
    """
    try:
        from dandi.download import DownloadExisting, download
    except ImportError:
        raise OSError("DANDI needs its client: pip install 'synapsnet_pyg[dandi]'") from None
    urls = [
        f"https://api.dandiarchive.org/api/dandisets/{number}/versions/draft/assets/?path={rest}"
        for number, _, rest in (path.partition("/") for path in paths)
    ]
    try:
        download(urls, root, existing=DownloadExisting.REFRESH)
    except Exception as error:  # the client has many kinds of errors
        raise OSError(
            f"DANDI cannot be reached or lacks a file ({error}). By hand: dandi download {' '.join(urls)} in '{root}'."
        ) from None


def _md5(path: Path) -> str:
    """Computes the checksum of a file."""
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(_CHUNK):
            digest.update(block)
    return digest.hexdigest()
