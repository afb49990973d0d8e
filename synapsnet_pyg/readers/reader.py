"""Formats of recordings: the interface of a reader, and the search for recordings in files and folders."""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar, NamedTuple

from synapsnet_pyg.data.session_file import is_session_file
from synapsnet_pyg.files import typed_path
from synapsnet_pyg.intake.notes import warn
from synapsnet_pyg.intake.recording import Recording, Selection
from synapsnet_pyg.readers.hdf5_files import open_hdf5, survey_hdf5
from synapsnet_pyg.readers.readable import readable

Rows = list[tuple[str, str]]
"""Labels and their descriptions, the lines of ``synapsnet inspect``."""

_COPY = re.compile(r"( - copy| copy)( ?\d+)?$|^copy of |\(\d+\)$", re.IGNORECASE)
"""Names that file managers give to copies."""


class Reader:
    """Format of recordings. A subclass sets its names and defines :meth:`recognises`, :meth:`read`, :meth:`describe`.

    A reader only finds: raw spikes or traces with their clocks, neurons, behaviours and intervals. Whatever follows
    (bins, gaps, choice of neurons, ids) is done by :mod:`synapsnet_pyg.intake`, the same for every format.
    """

    name: ClassVar[str]
    """Name of the format on the command line."""
    generic: ClassVar[frozenset[str]] = frozenset()
    """Names of folders, in lower case, that are no part of a session's name, such as ``suite2p``."""

    own_keys: ClassVar[frozenset[str]] = frozenset()
    """Keys of the arrays that the format reads itself, such as ``spike_times`` of phy."""

    def recognises(self, path: Path) -> bool:
        """Returns True if a file or folder is one recording of this format; looks at names and headers only."""
        raise NotImplementedError

    def files(self, path: Path) -> list[Path]:
        """Returns the files of a recording that decide its content."""
        return [path] if path.is_file() else sorted(file for file in path.iterdir() if file.is_file())

    def read(self, path: Path, name: str, selection: Selection) -> Recording:
        """Reads a recording.

        Args:
            path: File or folder that :meth:`recognises` accepts.
            name: Name of the session.
            selection: Choices of the user; the reader looks up names of activity, behaviours and intervals.

        Raises:
            ValueError: A file is damaged, or has no such activity, behaviour or intervals; the message lists its own.
        """
        raise NotImplementedError

    def describe(self, path: Path) -> Rows:
        """Describes a recording from headers and small pieces of it."""
        raise NotImplementedError


_GUESSES = {"--frame-rate": ("30", "frames a second"), "--sampling-rate": ("30000", "samples a second")}
"""Option for a rate -> usual number, and its meaning."""


def next_rows(path: Path, options: str = "", *, unknown: str = "") -> Rows:
    """Returns the rows with the command that reads a recording.

    Args:
        path: Path of the recording.
        options: Further options of the command.
        unknown: Option for a rate that no file states; its number in the command is a guess, which is told.

    Example:
        >>> next_rows(Path("my mouse"), unknown="--frame-rate")[0]
        ('next', "synapsnet convert 'my mouse' out.h5 --frame-rate 30")
    """
    guess, meaning = _GUESSES.get(unknown, ("", ""))
    command = " ".join(filter(None, ["synapsnet convert", typed_path(path), "out.h5", options, unknown, guess]))
    told = [("replace", f"the {guess} by your {meaning}: no file states them, the number is a guess")]
    return [("next", command), *(told if unknown else [])]


class Found(NamedTuple):
    """Recording that was found."""

    reader: Reader
    """Reader of its format."""
    path: Path
    """File or folder."""

    def describe(self) -> Rows:
        """Describes the recording; any failure of a library is one line."""
        with readable(self.path):
            return self.reader.describe(self.path)

    def files(self) -> list[Path]:
        """Returns the files that decide its content; any failure of a library is one line."""
        with readable(self.path):
            return self.reader.files(self.path)


def walk(root: Path) -> Iterator[Path]:
    """Yields a folder and everything below it in natural order, following links; hidden names and copies are skipped.

    Files named ``._x`` (of macOS), ``.git`` and other hidden names are no recordings. Copies (``x copy``, ``x (1)``)
    are skipped with a warning.
    """
    yield from _walk(root, {os.path.realpath(root)})


def _walk(folder: Path, seen: set[str]) -> Iterator[Path]:
    """Yields a folder and everything below it, each real folder once."""
    yield folder
    for path in sorted(folder.iterdir(), key=lambda path: natural(path.name)):
        if path.name.startswith("."):
            continue
        if _COPY.search(path.stem):
            warn(f"'{path}' is taken for a copy and skipped; rename it if it is not one.")
            continue
        if path.is_dir():
            real = os.path.realpath(path)
            if real not in seen:
                seen.add(real)
                yield from _walk(path, seen)
        else:
            yield path


def natural(name: str) -> list[tuple[int, int, str]]:
    """Returns a key that sorts names as people do.

    Example:
        >>> sorted(["plane10", "plane2", "plane1"], key=natural)
        ['plane1', 'plane2', 'plane10']
    """
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", name) if part]


def session_name(root: Path, path: Path, generic: frozenset[str]) -> str:
    """Returns the name of a session from its place below a folder: ``mouse1/day2/suite2p`` is ``mouse1-day2``."""
    inside = path.relative_to(root).parts if path != root else ()
    parts = [part for part in inside if part.lower() not in generic]
    if not parts:
        for folder in (path.resolve(), *path.resolve().parents):
            if folder.name.lower() not in generic:
                parts = [folder.name]
                break
    suffix = path.suffix if path.is_file() or path.suffix in (".zarr", ".nwb") else ""
    parts[-1] = parts[-1].removesuffix(suffix).removesuffix(".nwb") or parts[-1]
    return "-".join(parts)


def find_recordings(root: str | Path, readers: Sequence[Reader]) -> dict[str, Found]:
    """Finds recordings in a file or below a folder.

    A folder that is a recording is not searched any further. Files of arrays count only where no other format was
    found, and session files not at all.

    Args:
        root: File or folder, or URL.
        readers: Formats to look for, the most particular first.

    Returns:
        Name of a session -> recording.

    Raises:
        FileNotFoundError: There is no such file or folder, or it is a link to a file that was not fetched.
    """
    if "://" in str(root):
        reader = next((reader for reader in readers if reader.recognises(Path(root))), None)
        return {} if reader is None else {Path(root).stem: Found(reader, Path(root))}
    root = Path(root)
    require_path(root)
    paths = list(walk(root)) if root.is_dir() else [root]
    for path in paths:
        if path.is_symlink() and not path.exists():
            warn(f"'{path}' is a link to a file that is not there, and is left out; fetch it ('datalad get').")
    present = [path for path in paths if path.exists()]
    for some in ([r for r in readers if r.name != "arrays"], [r for r in readers if r.name == "arrays"]):
        found: list[Found] = []
        for path in present:
            if any(other.path in path.parents for other in found):  # such as the many chunks of Zarr
                continue
            reader = _reader_of(path, some, root)
            if reader is not None:
                found.append(Found(reader, path))
        if found:
            _warn_of_damaged(present, [own.path for own in found])
            return _named(root, _once(found))
    return {}


def _reader_of(path: Path, readers: Sequence[Reader], root: Path) -> Reader | None:
    """Returns the first reader that recognises a path; None if there is none, or for a session file.

    A file that cannot be looked at holds up no others: it is left out with a warning, unless it is all there is.
    """
    try:
        with readable(path):
            reader = next((reader for reader in readers if reader.recognises(path)), None)
            if reader is not None:
                survey_hdf5(path, parts=True)
    except ValueError as error:
        if path == root:
            raise
        warn(f"'{path}' is left out: {error}")
        return None
    return None if reader is None or is_session_file(path) else reader


def _warn_of_damaged(paths: Sequence[Path], found: Sequence[Path]) -> None:
    """Warns of HDF5 files that no format took because they cannot be opened."""
    for path in paths:
        if path.suffix.lower() in (".h5", ".hdf5") and path.is_file() and path not in found:
            try:
                open_hdf5(path, parts=True).close()
            except (OSError, ValueError):
                warn(f"'{path}' is left out: it is cut short, or no HDF5 file.")


def _once(found: Sequence[Found]) -> list[Found]:
    """Returns recordings without further links to the same file."""
    known: dict[str, Path] = {}
    for recording in found:
        path = recording.path
        first = known.setdefault(os.path.realpath(path), path)
        if first != path:
            warn(f"'{path}' is left out: it is the same file as '{first}'.")
    return [recording for recording in found if recording.path in known.values()]


def require_path(path: Path) -> None:
    """Raises an error unless a file or folder exists.

    Raises:
        FileNotFoundError: There is none, or it is a link to a file that was not fetched.
    """
    if path.is_symlink() and not path.exists():
        raise FileNotFoundError(
            f"Expected a recording (got '{path}', a link to a file that is not there; fetch it with 'datalad get')."
        )
    if not path.exists():
        raise FileNotFoundError(f"Expected a recording (there is no file or folder '{path}').")


def _named(root: Path, found: Sequence[Found]) -> dict[str, Found]:
    """Returns recordings by the names of their sessions; the same name twice gets the format or a number."""
    named: dict[str, Found] = {}
    for recording in found:
        name = session_name(root, recording.path, recording.reader.generic)
        if name in named:
            name = f"{name}-{recording.reader.name}"
        number = 2
        while name in named:
            name, number = f"{name.removesuffix(f'-{number - 1}')}-{number}", number + 1
        named[name] = recording
    return named
