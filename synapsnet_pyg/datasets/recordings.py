"""Base class of data sets: sessions of a folder, read once and kept as session files."""

import hashlib
import inspect
import json
import os
import warnings
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from torch_geometric.data import Dataset
from tqdm import tqdm

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.files import Json, atomic_path, make_folder, shorten, sweep, visible
from synapsnet_pyg.intake.notes import DataWarning
from synapsnet_pyg.processes.children import pool
from synapsnet_pyg.processes.signals import without_interrupts
from synapsnet_pyg.readers.readable import readable

FORMAT = 2
"""Version of the kept sessions, to be raised when equal files and arguments give other sessions."""

_NOT_IN_SESSIONS = {"self", "root", "sessions", "seeds", "processed", "jobs", "transform", "choices"}


class LeftOutError(ValueError):
    """Error for a recording without the requested data, which is left out of the data set."""


class RecordingDataset(Dataset):
    """Base class of data sets, a PyG dataset of sessions.

    A subclass sets its own attributes, calls ``super().__init__`` and defines :meth:`find` and :meth:`read`. Each
    session is read once and kept in a subfolder of ``processed`` as ``<name>.h5``, beside ``<name>.json`` (arguments,
    source files with sizes and times, warnings). Each set of arguments that change the sessions has its own subfolder.
    Sessions are read again after a change of a source file. A session that cannot be read is left out with a warning,
    unless all are. Files are written completely or not at all, so that several
    processes may prepare the same data set.

    Args:
        root: Folder of the data set.
        sessions: Names of sessions, or ends of names after a hyphen; wildcards are allowed (``"SB025-*"``). None: all.
        processed: Folder of the session files. None: ``root/processed``.
        jobs: Number of processes that read at once. A script with several needs ``if __name__ == "__main__":``.
        transform: Function applied to each session that is taken from the data set.

    Raises:
        FileNotFoundError: The folder is missing or holds no session of this data set.
        ValueError: A file is damaged or has another form than expected; the message names it.
    """

    arguments: dict[str, Any]
    """Arguments that change the sessions, as written to JSON."""

    def __new__(cls, *args: Any, **kwargs: Any) -> "RecordingDataset":
        """Keeps the arguments that change the sessions, for every subclass."""
        dataset = super().__new__(cls)
        if args or kwargs:  # none for copies and unpickled data sets
            bound = inspect.signature(cls.__init__).bind(dataset, *args, **kwargs)
            bound.apply_defaults()
            arguments = bound.arguments | bound.arguments.get("choices", {})
            dataset.arguments = {key: value for key, value in arguments.items() if key not in _NOT_IN_SESSIONS}
        return dataset

    def __init__(
        self,
        root: str | os.PathLike[str],
        sessions: Iterable[str] | None = None,
        *,
        processed: str | os.PathLike[str] | None = None,
        jobs: int = 1,
        transform: Callable[[Session], Session] | None = None,
    ) -> None:
        folder = Path(root).expanduser()
        super().__init__(str(folder), transform)
        if jobs < 1:
            raise ValueError(f"Expected at least one process that reads (got jobs {jobs}).")
        sources = dict(sorted(self.find(folder).items()))
        if not sources:
            raise FileNotFoundError(f"Expected sessions of {type(self).__name__} in '{folder}' (found none).")
        wanted = ["*"] if sessions is None else list(sessions)
        self.sources = {
            name: files
            for name, files in sources.items()
            if any(fnmatch(name, pattern) or name.endswith(f"-{pattern}") for pattern in wanted)
        }
        if not self.sources:
            raise ValueError(f"Expected sessions among {shorten(list(sources), 8)} (got {', '.join(wanted)}).")
        text = json.dumps([type(self).__name__, FORMAT, self.arguments], sort_keys=True, default=_plain)
        key = hashlib.sha256(text.encode()).hexdigest()[:12]
        self._folder = Path(processed or folder / "processed") / key
        self._unreadable: dict[str, str] = {}
        self.names = self._prepare(jobs)

    def find(self, root: Path) -> Mapping[str, list[Path]]:
        """Returns the files of each session by the session's name.

        The method should be fast, and static if possible.

        Args:
            root: Folder of the data set.

        Raises:
            FileNotFoundError: The folder is missing.
        """
        raise NotImplementedError

    def read(self, name: str, files: list[Path]) -> Session:
        """Reads one session.

        Args:
            name: Name of the session.
            files: Files of the session, from :meth:`find`.

        Raises:
            LeftOutError: The files do not hold the requested data.
            ValueError: A file is damaged.
        """
        raise NotImplementedError

    @classmethod
    def download(cls, root: str | os.PathLike[str], sessions: Iterable[str] = (), *, source: str | None = None) -> None:
        """Fetches a public data set; other data sets raise an error.

        Args:
            root: Folder to fill.
            sessions: Sessions to fetch, for data sets of separate sessions.
            source: Source of the files, for data sets with several.

        Raises:
            ValueError: The data set is not public.
            OSError: The source cannot be reached; the message describes a download by hand.
        """
        raise ValueError(f"Expected a public data set to fetch (got {cls.__name__}, which reads your own files).")

    @property
    def has_download(self) -> bool:
        """Switch of PyG for a download, always False: a data set can be a terabyte and is fetched on request only."""
        return False

    @property
    def has_process(self) -> bool:
        """Switch of PyG for its processing, always False: PyG reads pickles there."""
        return False

    @property
    def processed_dir(self) -> str:
        """Folder of the session files for the arguments of this data set."""
        return str(self._folder)

    @property
    def processed_file_names(self) -> list[str]:
        """Names of the session files."""
        return [f"{name}.h5" for name in self.names]

    @property
    def raw_file_names(self) -> list[str]:
        """Paths of all source files."""
        return [str(path) for files in self.sources.values() for path in files]

    def len(self) -> int:
        """Returns the number of sessions."""
        return len(self.names)

    def get(self, idx: int) -> Session:
        """Loads the idx-th session."""
        return Session.load(self._folder / f"{self.names[idx]}.h5")

    def __repr__(self) -> str:
        arguments = "".join(f", {key}={value!r}" for key, value in self.arguments.items())
        return f"{type(self).__name__}({len(self)} sessions{arguments})"

    def _prepare(self, jobs: int) -> list[str]:
        """Reads the sessions that are not kept yet; returns the names of all kept sessions."""
        sweep(self._folder)
        missing = [name for name in self.sources if self._kept(name) is None]
        new = [folder for folder in (self._folder, *self._folder.parents) if not folder.exists()]
        try:
            if missing:
                make_folder(self._folder)
                self._read_all(missing, jobs)
            return self._names_of_kept()
        except BaseException:
            # Without any session, remove the new folders and the records of sessions that were left out.
            if new and not visible(self._folder, "*.h5"):
                for record in self._folder.glob("*.json"):
                    record.unlink()
                with suppress(OSError):
                    for folder in new:
                        folder.rmdir()
            raise

    def _read_all(self, missing: list[str], jobs: int) -> None:
        """Reads and keeps sessions, several at once."""
        bar = tqdm(total=len(missing), desc="reading", unit="session", disable=None if len(missing) > 1 else True)
        if jobs == 1 or len(missing) < 2:
            for name in missing:
                self._note(name, self._read_and_keep(name))
                bar.update()
        else:
            self.transform, transform = None, self.transform  # not needed in the other processes
            with pool(min(jobs, len(missing))) as executor:
                with without_interrupts():  # of the processes that start here
                    reasons = executor.map(self._read_and_keep, missing)
                for name, reason in zip(missing, reasons, strict=True):
                    self._note(name, reason)
                    bar.update()
            self.transform = transform
        bar.close()

    def _note(self, name: str, reason: str | None) -> None:
        """Notes a session that cannot be read; the others go on."""
        if reason is not None:
            self._unreadable[name] = reason

    def _names_of_kept(self) -> list[str]:
        """Returns the names of the kept sessions, and repeats the warnings of reading them."""
        names: list[str] = []
        known: dict[str, str] = {}
        if len(self._unreadable) == len(self.sources):
            name, reason = next(iter(self._unreadable.items()))
            more = f" ({len(self.sources) - 1} more cannot be read either)" if len(self.sources) > 1 else ""
            raise ValueError(f"Session '{name}' cannot be read: {reason}{more}")
        for name in self.sources:
            if name in self._unreadable:
                warnings.warn(f"{name} is left out: {self._unreadable[name]}", DataWarning, stacklevel=5)
                continue
            record = self._kept(name) or {"warnings": [], "left_out": "its files vanished while it was read"}
            for message in record["warnings"]:
                warnings.warn(f"{name}: {message}", DataWarning, stacklevel=5)
            if record["left_out"] is None:
                names.append(name)
                same = known.setdefault(record.get("activity", name), name)
                if same != name:
                    warnings.warn(f"{name} holds the same activity as {same}.", DataWarning, stacklevel=5)
            else:
                warnings.warn(f"{name} is left out: {record['left_out']}", DataWarning, stacklevel=5)
        if not names:
            raise ValueError(f"Expected a session in '{self.root}' with the requested data (all are left out).")
        return names

    def _kept(self, name: str) -> Json | None:
        """Returns the record of reading a session, or None if the session must be read (again)."""
        try:
            record: Json = json.loads((self._folder / f"{name}.json").read_text())
            complete = record["left_out"] is not None or (self._folder / f"{name}.h5").is_file()
            return record if complete and record["source"] == _stamps(self.sources[name]) else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _label(self, name: str) -> Path:
        """Returns the only source file of a session, or the folder of all."""
        files = self.sources[name]
        return files[0] if len(files) == 1 else Path(os.path.commonpath(files)) if files else Path(name)

    def _read_and_keep(self, name: str) -> str | None:
        """Reads one session and writes its file and the record of reading it; returns why it cannot be read."""
        record: Json = {"source": _stamps(self.sources[name]), "left_out": None}
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", DataWarning)
            try:
                with readable(self._label(name), own=(ValueError,)):
                    session = self.read(name, self.sources[name])
                session.save(self._folder / f"{name}.h5")
                record["activity"] = activity_digest(session)
            except LeftOutError as error:
                record["left_out"] = str(error)
            except (ValueError, FileNotFoundError) as error:
                return str(error)
        for warning in caught:
            if not issubclass(warning.category, DataWarning):
                warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
        messages = (str(warning.message) for warning in caught if issubclass(warning.category, DataWarning))
        record["warnings"] = list(dict.fromkeys(messages))
        record["arguments"] = self.arguments
        with atomic_path(self._folder / f"{name}.json") as temporary:
            temporary.write_text(json.dumps(record, indent=1, default=_plain))
        return None


def listed(values: str | Iterable[str]) -> list[str]:
    """Returns one text or several as a list."""
    return [values] if isinstance(values, str) else list(values)


def activity_digest(session: Session) -> str:
    """Returns a text that two sessions share if they hold the same activity in the same bins."""
    digest = hashlib.sha256(f"{session.bin_size} {list(session.activity.shape)}".encode())
    digest.update(session.activity.contiguous().numpy().data)  # not copied
    return digest.hexdigest()[:16]


def require_folder(root: Path, remedy: str) -> None:
    """Raises an error unless a folder exists.

    Args:
        root: Path of the folder.
        remedy: Instruction to get the folder, for the error's message.

    Raises:
        FileNotFoundError: The folder is missing.
    """
    if not root.is_dir():
        raise FileNotFoundError(f"Expected a folder of recordings (there is no folder '{root}'); {remedy}.")


def _stamps(files: list[Path]) -> list[list[Any]]:
    """Returns name, size and time of each source file; folders are skipped."""
    return [[path.name, path.stat().st_size, path.stat().st_mtime_ns] for path in files if path.is_file()]


def _plain(value: Any) -> list[Any] | str:
    """Returns a value that JSON cannot hold as a list or a text."""
    return list(value) if isinstance(value, (set, frozenset, range, tuple)) else str(value)
