"""NWB files at a URL, of which only the parts that are needed are fetched."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from urllib.request import Request, urlopen

from synapsnet_pyg.files import optional_import

DANDI = "https://api.dandiarchive.org/api"
"""Address of the DANDI archive, which knows where the files of ``dandi://DANDISET/PATH`` lie."""

_SECONDS = 30.0
"""Longest wait for an answer of a server."""


def remote_file(url: str) -> Any:
    """Opens the file at a URL.

    Args:
        url: Address: ``http://``, ``https://``, or ``dandi://DANDISET[@VERSION]/PATH``.

    Raises:
        ValueError: There is no such file, no network, or the server sends whole files only.
        ImportError: The package remfile is not installed.
    """
    remfile = optional_import("remfile", "lab")
    address = _dandi_asset(url) if url.startswith("dandi://") else url
    with _answer(Request(address, headers={"Range": "bytes=0-7"}), url) as response:
        size = str(response.headers.get("Content-Range", "")).rpartition("/")[2]
        if response.status != 206 or not size.isdigit():
            raise ValueError(
                f"Expected a server that sends parts of a file (that of '{url}' sends whole files only); download it."
            )
        final = response.url
    # Signed addresses expire within a long session; the first one leads to a new one.
    signed = "expires" in final.lower() or "x-amz" in final.lower()
    return remfile.File(address if signed else final, _size=int(size), _max_cache_size=3e8)


def _dandi_asset(url: str) -> str:
    """Returns the address of a file of DANDI, given as ``dandi://DANDISET[@VERSION]/PATH``."""
    dandiset, _, path = url.removeprefix("dandi://").partition("/")
    dandiset, _, version = dandiset.partition("@")
    query = f"{DANDI}/dandisets/{quote(dandiset)}/versions/{quote(version or 'draft')}/assets/?path={quote(path)}"
    with _answer(Request(query), url) as response:
        assets = [asset for asset in json.load(response).get("results", []) if asset.get("path") == path]
    if not assets:
        raise ValueError(f"Expected a file of dandiset {dandiset} (there is no '{path}' in it).")
    return f"{DANDI}/assets/{assets[0]['asset_id']}/download/"


@contextmanager
def _answer(request: Request, url: str) -> Iterator[Any]:
    """Opens a URL; a server's refusal, or no network, is one line."""
    try:
        with urlopen(request, timeout=_SECONDS) as response:
            yield response
    except HTTPError as error:
        error.close()
        reason = {404: "there is no such file", 401: "it needs a login", 403: "it needs a login"}.get(error.code)
        raise ValueError(
            f"Expected an NWB file at '{url}' ({reason or f'the server answers with error {error.code}'})."
        ) from None
    except (URLError, OSError):
        raise ValueError(f"Expected to reach '{url}' (the server does not answer; is there a network?).") from None
