"""Downloads of public recordings from their archives."""

import json
import tarfile
import zipfile
from pathlib import Path, PureWindowsPath
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from synapsnet_pyg.datasets.fetching import TIMEOUT, fetch
from synapsnet_pyg.files import atomic_path
from synapsnet_pyg.files.writing import room

FIGSHARE = "https://api.figshare.com/v2/articles"
ALLEN = "https://allen-brain-observatory.s3.us-west-2.amazonaws.com/visual-coding-neuropixels/ecephys-cache"


def figshare(article: int, root: Path) -> None:
    """Fetches every file of a figshare article and unpacks its archives into ``root``.

    Raises:
        OSError: figshare cannot be reached; the message describes a download by hand.
        ValueError: A file differs from the published one.
    """
    try:
        with urlopen(f"{FIGSHARE}/{article}/files?page_size=1000", timeout=TIMEOUT) as answer:
            files = _listed(answer.read(), root)
        for name, url, size, md5 in files:
            done = root / ".fetched" / name
            unpacked = done.is_file() and done.read_text() == md5
            path = root / name
            if unpacked and not path.exists():
                continue
            fetch(url, path, size=size, md5=md5)
            if unpack(path, root):  # repeated as a whole if it was interrupted
                done.parent.mkdir(parents=True, exist_ok=True)
                with atomic_path(done) as temporary:
                    temporary.write_text(md5)
                path.unlink(missing_ok=True)
    except (URLError, TimeoutError, ConnectionError) as error:
        raise OSError(
            f"figshare cannot be reached ({error}). By hand: open doi.org/10.6084/m9.figshare.{article}, "
            f"fetch all its files and unpack them into '{root}'."
        ) from None


def _listed(text: bytes, root: Path) -> list[tuple[str, str, int, str]]:
    """Returns name, address, size and checksum of the files in a list of figshare."""
    try:
        files: list[dict[str, Any]] = json.loads(text)
        listed = [(file["name"], file["download_url"], int(file["size"]), file["computed_md5"]) for file in files]
    except (ValueError, KeyError, TypeError):
        raise ValueError("Expected a list of files of figshare (it answers with something else); try later.") from None
    for name, *_ in listed:
        _inside(root, name)
    return listed


def unpack(path: Path, root: Path) -> bool:
    """Unpacks an archive into ``root``; returns whether the file is one.

    Raises:
        ValueError: The archive is damaged.
        OSError: The disk is full.
    """
    try:
        with room(path):
            if zipfile.is_zipfile(path):
                with zipfile.ZipFile(path) as archive:
                    archive.extractall(root)
            elif tarfile.is_tarfile(path):
                with tarfile.open(path) as packed:
                    packed.extractall(root, filter="data")
            else:
                return False
    except (zipfile.BadZipFile, tarfile.TarError, EOFError) as error:
        raise ValueError(f"'{path}' is a damaged archive ({error}); delete it and fetch it again.") from None
    return True


def allen_cache(root: Path, sessions: list[str]) -> None:
    """Fetches ``channels.csv`` and sessions of the AllenSDK's cache.

    Raises:
        OSError: The cache cannot be reached; the message describes a download by hand.
    """
    wanted = ["channels.csv", *(f"session_{session}/session_{session}.nwb" for session in sessions)]
    for file in wanted:
        try:
            fetch(f"{ALLEN}/{file}", _inside(root, file))
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


def _inside(root: Path, name: str) -> Path:
    """Returns the path of a file of a listing; raises a ValueError if it would lie outside of the folder."""
    path = PureWindowsPath(name)  # knows both kinds of slashes
    if not path.name or path.anchor or ".." in path.parts or ":" in name or not name.isprintable():
        raise ValueError(
            f"Expected names of files within '{root}' (the listing has {name!r}); nothing of it is fetched."
        )
    return root / name
