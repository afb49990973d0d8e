"""Annotations of a command's arguments, and checks of lists, files and folders."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Literal, Protocol, TypeVar

from synapsnet_pyg.files import visible

PresetName = Literal["paper", "fast"]
ProtocolName = Literal["paper", "poco", "zapbench", "zapbench-long", "spikeprophecy"]
FoldsName = Literal["blocks", "trials"]
ClusterName = Literal["local", "slurm"]

Command = TypeVar("Command", bound=Callable[..., None])
Entry = TypeVar("Entry")


class Described(Protocol):
    """Entry of a registry with a description."""

    @property
    def description(self) -> str:
        """Description in one line."""
        ...


@dataclass(frozen=True)
class Names:
    """Annotation of an argument that takes a name of a registry; help and checks follow from the registry.

    Args:
        entries: Name -> entry of the registry.
        aliases: Name in older versions -> name today, still accepted.
    """

    entries: Mapping[str, Described]
    aliases: Mapping[str, str] = field(default_factory=dict)

    @property
    def choices(self) -> "Choices":
        """Names that are accepted; aliases are accepted and not listed."""
        return Choices(self.entries, self.aliases)

    @property
    def help(self) -> str:
        """Names and their descriptions."""
        return "; ".join(f"{name}: {entry.description}" for name, entry in self.entries.items())


class Choices(list[str]):
    """Names of a registry, as a list that also accepts their aliases.

    Args:
        names: Names that are listed.
        aliases: Further names that are accepted.
    """

    def __init__(self, names: Iterable[str], aliases: Iterable[str]) -> None:
        super().__init__(names)
        self._aliases = frozenset(aliases)

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or name in self._aliases


def option_groups(**groups: str) -> Callable[[Command], Command]:
    """Returns a decorator that shows options of a command under headings of its help.

    Args:
        **groups: Heading -> names of options, separated by blanks.
    """

    def decorate(command: Command) -> Command:
        command.groups = {option: name for name, options in groups.items() for option in options.split()}  # type: ignore[attr-defined]
        return command

    return decorate


def listed(text: str | None) -> list[str]:
    """Returns the parts of a text that commas separate."""
    return [part.strip() for part in text.split(",") if part.strip()] if text else []


def figure_formats(text: str) -> list[str]:
    """Returns formats of figures from a text such as ``png,pdf``.

    Raises:
        ValueError: A format is not known, or there is none.
    """
    from synapsnet_pyg.plots.image_files import FIGURE_FORMATS

    formats = listed(text)
    if not formats or not set(formats) <= set(FIGURE_FORMATS):
        raise ValueError(f"Expected formats among {', '.join(FIGURE_FORMATS)} (got '{text}').")
    return formats


def seconds(value: float | str | None, option: str) -> float | None:
    """Returns a duration that is given as a number or a fraction, such as ``0.05`` or ``1/30``.

    Args:
        value: Value of the option, or None.
        option: Option, for the error's message.

    Raises:
        ValueError: The value is neither a number nor a fraction.

    Example:
        >>> seconds("1/30", "--bin-size")
        0.03333333333333333
    """
    if value is None:
        return None
    number, slash, divisor = str(value).partition("/")
    try:
        return float(number) / float(divisor) if slash else float(number)
    except (ValueError, ZeroDivisionError):
        raise ValueError(f"Expected {option} in seconds, such as 0.05 or 1/30 (got '{value}').") from None


def circles(text: str | None) -> dict[str, float]:
    """Returns angles and their full circles of a text such as ``heading`` (360) or ``heading=360,phase=6.2832``.

    Raises:
        ValueError: A full circle is not a number.
    """
    known: dict[str, float] = {}
    for part in listed(text):
        name, equals, period = part.partition("=")
        known[name.strip()] = seconds(period, "--circular") or 360.0 if equals else 360.0
    return known


def chosen_names(entries: Mapping[str, Entry], names: list[str]) -> dict[str, Entry]:
    """Returns the entries with some names, or ends of names after a hyphen; wildcards are allowed. No names: all.

    Raises:
        ValueError: No entry has such a name.
    """
    chosen = {
        key: entry
        for key, entry in entries.items()
        if not names or any(fnmatch(key, name) or key.endswith(f"-{name}") for name in names)
    }
    if not chosen:
        raise ValueError(f"Expected sessions among {', '.join(entries)} (got {', '.join(names)}).")
    return chosen


def session_files(paths: list[str]) -> list[str]:
    """Returns files as they are, and the session files in folders."""
    files: list[str] = []
    for path in paths:
        inside = [*map(str, visible(Path(path), "*.h5"))] if Path(path).is_dir() else [path]
        if not inside:
            raise FileNotFoundError(f"Expected session files in '{path}' (there are none).")
        files += inside
    return files


def existing_folder(out: str) -> Path:
    """Returns the path of a file to write, whose folder must be there."""
    path = Path(out)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"Expected an existing folder for '{path}' (there is no '{path.parent}').")
    return path


def session_file(out: str) -> Path:
    """Returns the path of a session file to write: a new file or an older session, but no other file."""
    path = existing_folder(out)
    if path.suffix in (".npy", ".npz", ".mat"):
        raise ValueError(f"Expected a session file, which ends in .h5 (got '{path}').")
    if path.exists():
        from synapsnet_pyg.data.session_file import is_session_file

        if not is_session_file(path):
            raise FileExistsError(
                f"Expected a new file or a session file (got '{path}', which is not overwritten); choose another name."
            )
    return path


def output_folder(out: str) -> Path:
    """Returns a folder, created if needed."""
    from synapsnet_pyg.files import make_folder

    return make_folder(out)
