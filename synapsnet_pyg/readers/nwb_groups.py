"""Groups and arrays of NWB files in HDF5 or Zarr, on disk or at a URL, with every link followed."""

import json
import os
import re
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from synapsnet_pyg.files import optional_import
from synapsnet_pyg.readers.hdf5_files import LEFT_OUT, require_stored
from synapsnet_pyg.readers.hdf5_links import elsewhere
from synapsnet_pyg.readers.nwb_hdf5 import check_start, hdf5_of_nwb
from synapsnet_pyg.readers.nwb_remote import remote_file
from synapsnet_pyg.readers.reader import natural


class Node:
    """Group or array of an NWB file. Links of HDF5 and of hdmf-zarr are followed.

    Args:
        item: Group or array of h5py or zarr.
        path: Path in the file, without a slash at its ends.
        file: File that the user opened; the node may lie in another one, behind a link.
    """

    def __init__(self, item: Any, path: str, file: "NWBFile | None") -> None:
        self.item, self.path, self._file = item, path, file

    @property
    def file(self) -> "NWBFile":
        """File that the user opened."""
        assert self._file is not None
        return self._file

    def __repr__(self) -> str:
        return f"'{self.path or '/'}' of '{self.file.name}'"

    @property
    def name(self) -> str:
        """Last part of the path."""
        return self.path.rsplit("/", 1)[-1]

    @property
    def is_array(self) -> bool:
        """True for an array, False for a group."""
        return hasattr(self.item, "shape") and hasattr(self.item, "dtype")

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of an array."""
        with self._reading():
            return tuple(self.item.shape or ())

    @property
    def dtype(self) -> np.dtype:
        """Kind of an array's numbers."""
        with self._reading():
            dtype: np.dtype = self.item.dtype
            return dtype

    def __bool__(self) -> bool:
        return True

    def __len__(self) -> int:
        return self.shape[0] if self.shape else 1

    def __getitem__(self, key: Any) -> np.ndarray:
        for name in self._sources():
            if not os.path.exists(name):
                raise ValueError(f"Expected '{name}', which holds the values of {self!r} (there is no such file).")
        if key is Ellipsis or key in ((), slice(None)):
            self.require_stored()
        with self._reading():
            return np.asarray(self.item[key])

    def require_stored(self, *, whole: bool = True) -> None:
        """Raises a ValueError if an array of HDF5 claims much more than its file holds.

        Args:
            whole: Whether all entries are to be in memory at once, for which there must be room.
        """
        if self.file.is_hdf5:
            require_stored(self.item, repr(self), whole=whole)

    def _elsewhere(self, item: Any) -> str:
        """Returns the file outside of the opened one's folder that an object lies in, or takes its values from."""
        return "" if url_of(self.file.name) else elsewhere(item, self.file.name)

    def _sources(self) -> list[str]:
        """Returns the other files that hold an array's values; HDF5 takes zeros for those that are missing."""
        names: list[str] = []
        with self._reading():
            if getattr(self.item, "is_virtual", False):
                names += [source.file_name for source in self.item.virtual_sources()]
            names += [name for name, _, _ in getattr(self.item, "external", None) or ()]
            folder = os.path.dirname(self.item.file.filename) if names else ""
        return [os.path.join(folder, name) for name in names if name != "." and "%" not in name]

    @property
    def key(self) -> tuple[Any, ...]:
        """Identity of the object, the same by whichever links it was reached."""
        with self._reading():
            if self.file.is_hdf5:
                info = h5py.h5o.get_info(self.item.id)
                return info.fileno, info.addr
            return _zarr_folder(self.item), self.item.path

    @property
    def kind(self) -> str:
        """Type of the object in NWB, such as ``RoiResponseSeries``; an empty text if the file does not say."""
        kind = self.attribute("neurodata_type") or ""
        ancestry = self.attribute("ancestry")  # of NWB 1
        if ancestry is not None and np.size(ancestry):
            kind = np.ravel(ancestry)[-1]
        return as_text(kind)

    def attribute(self, name: str) -> Any:
        """Returns an attribute, or None if there is none."""
        with self._reading():
            return self.item.attrs.get(name)

    def number(self, name: str, default: float) -> float:
        """Returns an attribute as a number; a default if there is none, or no number."""
        value = self.attribute(name)
        with suppress(TypeError, ValueError):
            return float(np.ravel(value)[0]) if value is not None and np.size(value) else default
        return default

    def names(self) -> list[str]:
        """Returns the names in a group, links among them."""
        if self.is_array:
            return []
        with self._reading():
            names = list(self.item.keys())
            return names if self.file.is_hdf5 else [*names, *(link["name"] for link in self._zarr_links())]

    def get(self, path: str) -> "Node | None":
        """Returns the group or array at a path below this one; None if there is none, or a link leads nowhere."""
        node: Node | None = self
        for part in path.strip("/").split("/"):
            if node is None or node.is_array or not part:
                return None
            node = node._child(part)
        return node

    def array(self, path: str) -> "Node | None":
        """Returns the array at a path below this one; None if there is none."""
        node = self.get(path)
        return node if node is not None and node.is_array else None

    def need(self, path: str) -> "Node":
        """Returns the group or array at a path below this one.

        Raises:
            ValueError: There is none.
        """
        node = self.get(path)
        if node is None:
            raise ValueError(f"Expected '{path}' in {self!r} (there is none){self.file.remark()}.")
        return node

    def children(self) -> Iterator["Node"]:
        """Yields what lies in a group, in natural order of the names."""
        for name in sorted(self.names(), key=natural):
            if (child := self._child(name)) is not None:
                yield child

    def target(self, reference: Any) -> "Node | None":
        """Returns the object that a reference leads to; None if it leads nowhere."""
        if isinstance(reference, np.ndarray) and reference.size == 1:
            reference = reference.ravel()[0]
        if isinstance(reference, dict):  # of hdmf-zarr
            link = reference.get("value", reference)
            return self._zarr_target(str(link.get("source", ".")), str(link.get("path", "/")))
        try:
            found = self.item.file[reference]
            return Node(found, str(found.name).strip("/"), self.file)
        except Exception:  # an empty reference, or one to an object that was deleted
            return None

    def _child(self, name: str) -> "Node | None":
        """Returns what has a name in a group."""
        path = f"{self.path}/{name}".strip("/")
        if not self.file.is_hdf5:
            return self._zarr_child(name, path)
        with self._reading():
            link = self.item.get(name, getlink=True)
            try:
                found = self.item[name] if link is not None else None
                if found is None or not (target := self._elsewhere(found)):
                    return found if found is None else Node(found, path, self.file)
                self.file.missing.setdefault(path, f"'{path}' lies in '{target}'{LEFT_OUT}")
                return None
            except Exception:  # KeyError, or others for circles of links and for damaged files behind a link
                if isinstance(link, h5py.HardLink):
                    raise
        where, reason = "", "which is missing"
        if isinstance(link, h5py.ExternalLink):
            where = f" of '{link.filename}'"
            there = os.path.isfile(os.path.join(os.path.dirname(self.item.file.filename), link.filename))
            reason = "which is missing in it, or cannot be read" if there else reason
        self.file.missing.setdefault(path, f"'{path}' is a link to '{link.path}'{where}, {reason}")
        return None

    def _zarr_child(self, name: str, path: str) -> "Node | None":
        """Returns what has a name in a group of Zarr."""
        try:
            found = self.item.get(name)
            pickled = any("pickle" in str(getattr(f, "codec_id", "")) for f in getattr(found, "filters", None) or ())
        except Exception as error:
            pickled = "pickle" in f"{error!r} {error.__cause__!r}".lower()
            if not pickled:
                with self._reading():
                    raise
        if pickled:
            self.file.missing.setdefault(path, f"'{path}' is a pickle, which is never loaded")
            return None
        if found is not None:
            return Node(found, path, self.file)
        for link in self._zarr_links():
            if link["name"] == name:
                target = self._zarr_target(str(link.get("source", ".")), str(link["path"]))
                if target is None:
                    where = "" if link.get("source", ".") == "." else f" of '{link['source']}'"
                    self.file.missing.setdefault(
                        path, f"'{path}' is a link to '{link['path']}'{where}, which is missing"
                    )
                return target and Node(target.item, path, self.file)
        return None

    def _zarr_links(self) -> list[dict[str, str]]:
        """Returns the links of a group of Zarr."""
        return [link for link in self.item.attrs.get("zarr_link", []) if "name" in link and "path" in link]

    def _zarr_target(self, source: str, path: str) -> "Node | None":
        """Returns an object of this or of another Zarr folder."""
        folder = os.path.normpath(os.path.join(_zarr_folder(self.item), source))
        if not os.path.isdir(folder):
            return None
        root = Node(optional_import("zarr", "lab").open(folder, mode="r"), "", self.file)
        return root.get(path) if path.strip("/") else root

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Turns errors of h5py and zarr into one line."""
        try:
            yield
        except MemoryError:
            raise ValueError(f"Expected {self!r} to fit into memory (it does not).") from None
        except Exception:  # h5py raises errors of many kinds for damaged files
            raise ValueError(_cause(self)) from None


class NWBFile(Node):
    """Root of an NWB file.

    Args:
        item: Root group of h5py or zarr.
        name: Path or URL, as in messages.
    """

    def __init__(self, item: Any, name: str) -> None:
        self.missing: dict[str, str] = {}
        """Path -> sentence on a link that leads nowhere, or on an array that is never loaded."""
        self.is_hdf5 = isinstance(item, h5py.Group)
        self.label = name
        super().__init__(item, "", None)

    @property
    def file(self) -> "NWBFile":
        """The file itself; it holds no reference to itself, and is closed with its last node."""
        return self

    @property
    def name(self) -> str:
        """Path or URL."""
        return self.label

    @property
    def version(self) -> str:
        """Version of NWB, such as ``2.7.0``; an empty text if the file does not say."""
        stored = self.attribute("nwb_version")
        node = self.array("nwb_version") if stored is None else None
        return as_text(stored if node is None else node[()]).removeprefix("NWB-")

    def remark(self) -> str:
        """Returns a remark on links that lead nowhere, for messages about things that are not found."""
        return "".join(f"; {sentence}" for sentence in list(self.missing.values())[:3])


def open_nwb(path: str | os.PathLike[str]) -> NWBFile:
    """Opens an NWB file for reading: HDF5, a folder of Zarr, or a URL. It stays open as long as a node of it is in use.

    Args:
        path: Path, or URL (``http://``, ``https://``, ``dandi://DANDISET/PATH``).

    Raises:
        FileNotFoundError: There is no such file, or it is a link to a file that was not fetched.
        ValueError: The file is not NWB, is cut short, or cannot be reached.
    """
    url = url_of(path)
    if url is not None:
        source = remote_file(url)
        file = NWBFile(hdf5_of_nwb(source, url), url)
        weakref.finalize(file, source.session.close)
        return file
    path = Path(path)
    if path.is_symlink() and not path.exists():
        raise FileNotFoundError(
            f"Expected an NWB file (got '{path}', a link to a file that was not fetched); 'datalad get' fetches it."
        )
    if path.is_dir():
        return NWBFile(_zarr_root(path), str(path))
    if not path.is_file():
        raise FileNotFoundError(f"Expected an NWB file (there is no file '{path}').")
    check_start(path)
    return NWBFile(hdf5_of_nwb(path, str(path)), str(path))


def url_of(path: str | os.PathLike[str]) -> str | None:
    """Returns the URL that a path is, even if it went through ``pathlib``, which joins slashes; None for a path.

    Example:
        >>> url_of(Path("https://host/a.nwb")), url_of("a.nwb")
        ('https://host/a.nwb', None)
    """
    found = re.fullmatch(r"(https?|dandi):/+(.+)", str(path))
    return f"{found[1]}://{found[2]}" if found else None


def is_nwb_zarr(path: Path) -> bool:
    """Returns True if a folder is an NWB file in Zarr."""
    for header in (".zattrs", "zarr.json"):
        with suppress(OSError, ValueError):
            found = json.loads((path / header).read_text())
            return "nwb_version" in (found.get("attributes", {}) if header == "zarr.json" else found)
    return False


def as_text(value: Any) -> str:
    """Returns a value as text, from any of the forms of texts in HDF5 and Zarr."""
    value = value.item() if isinstance(value, np.ndarray) and value.size == 1 else value
    return "" if value is None else value.decode("utf-8", "replace").strip() if isinstance(value, bytes) else str(value)


def _zarr_root(path: Path) -> Any:
    """Opens a folder of Zarr."""
    if not is_nwb_zarr(path):
        raise ValueError(f"Expected an NWB file, or a folder of NWB in Zarr (got the folder '{path}').")
    zarr = optional_import("zarr", "lab")
    try:
        return zarr.open(str(path), mode="r")
    except Exception:  # zarr raises errors of many kinds for damaged folders
        hint = "; it is Zarr 3, and needs zarr>=3" if (path / "zarr.json").is_file() else ""
        raise ValueError(
            f"Expected a sound folder of NWB in Zarr (got '{path}', which cannot be read{hint})."
        ) from None


def _zarr_folder(item: Any) -> str:
    """Returns the folder of a group or array of Zarr."""
    store = item.store
    store = getattr(store, "store", store)  # of consolidated metadata
    return os.path.abspath(str(getattr(store, "path", None) or getattr(store, "root", "")))


def _cause(node: Node) -> str:
    """Returns why a part of a file cannot be read."""
    lacking: list[str] = []
    with suppress(Exception):
        plan = node.item.id.get_create_plist()
        filters = [plan.get_filter(i) for i in range(plan.get_nfilters())]
        lacking = [f"{as_text(f[3]) or f[0]}" for f in filters if not h5py.h5z.filter_avail(f[0])]
    if lacking:
        return (
            f"Expected to read {node!r} (it is compressed by {', '.join(lacking)}, which h5py lacks); "
            "pip install hdf5plugin"
        )
    return f"Expected to read {node!r} (this part is cut short or damaged); fetch or copy the file again."
