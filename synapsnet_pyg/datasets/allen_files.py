"""Files of the Allen Institute's Neuropixels recordings: session files among others, and the table of channels."""

import csv
import re
from pathlib import Path

import numpy as np

from synapsnet_pyg.intake.notes import warn
from synapsnet_pyg.readers.nwb_groups import Node, NWBFile, as_text, open_nwb
from synapsnet_pyg.readers.reader import walk

_CCF = ("anterior_posterior_ccf_coordinate", "dorsal_ventral_ccf_coordinate", "left_right_ccf_coordinate")


def session_files(root: Path) -> dict[str, list[Path]]:
    """Returns the files of each session: NWB, and the table of channels if there is one.

    Args:
        root: Folder, or session file.
    """
    sources: dict[str, list[Path]] = {}
    for path in walk(root) if root.is_dir() else [root]:
        number = re.search(r"(?:session_|ses-)(\d+)", path.stem)
        name = f"allen-{number[1] if number else path.stem}"
        if path.suffix != ".nwb" or path.is_dir() or re.search(r"probe[_-]", path.stem):
            continue
        table = _channels_of(path, root)
        if not _is_allen(path, table):
            continue
        if name in sources:
            warn(f"'{path}' is left out: session {name} is in '{sources[name][0]}' already.")
            continue
        sources[name] = [path] if table is None else [path, table]
    return sources


def _is_allen(path: Path, channels: Path | None) -> bool:
    """Returns True if a file holds units and says that it is the Allen Institute's, or has a name as the Allen's."""
    named = re.fullmatch(r"session_\d{9,}|sub-\d+_ses-\d{9,}", path.stem) is not None
    try:
        file = open_nwb(path)
        if file.get("units/spike_times") is None:
            return False
        institution = file.array("general/institution")
        if institution is not None and "allen institute" in as_text(institution[()]).lower():
            return True
        specifications = file.get("specifications")
        if specifications is not None and any("aibs" in name for name in specifications.names()):
            return True
        has_id = file.array("general/session_id") is not None
        return named or channels is not None or (has_id and bool(stimuli_of(file)))
    except (ValueError, FileNotFoundError):  # named when it is read
        return named or channels is not None


def _channels_of(path: Path, root: Path) -> Path | None:
    """Returns the table of channels beside or above a file, within the root."""
    top = root if root.is_dir() else root.parent
    if top.name == path.stem:  # the folder of one session; the cache is above
        top = top.parent
    for folder in path.parents:
        table = folder / "channels.csv"
        if table.is_file():
            with table.open(encoding="utf-8-sig", errors="replace") as file:
                if "ccf" in file.readline():
                    return table
        if folder == top:
            break
    return None


def stimuli_of(file: NWBFile) -> dict[str, Node]:
    """Returns the tables of presentations by the names of their stimuli.

    Args:
        file: Session file.
    """
    tables = file.get("intervals")
    return {
        table.name.removesuffix("_presentations"): table
        for table in ([] if tables is None else tables.children())
        if table.name.endswith("_presentations") and not table.is_array
    }


def coordinates(path: Path) -> dict[str, tuple[float, ...]]:
    """Reads the CCF coordinates of each channel id from ``channels.csv``; those below zero are unknown.

    Args:
        path: Table of channels.

    Raises:
        ValueError: A column is missing, or an entry is no number.
    """
    with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
        rows = csv.DictReader(file)
        missing = {"id", *_CCF} - set(rows.fieldnames or ())
        if missing:
            raise ValueError(
                f"Expected columns id, {', '.join(_CCF)} in '{path}' (lacks {', '.join(sorted(missing))})."
            )
        known: dict[str, tuple[float, ...]] = {}
        for row in rows:
            try:
                place = [float(row[key] or "nan") for key in _CCF]
                known[str(int(float(row["id"])))] = tuple(x if x >= 0 else np.nan for x in place)
            except (ValueError, TypeError):
                shown = ", ".join(str(row[key]) for key in ("id", *_CCF))
                raise ValueError(f"Expected numbers in '{path}' (got {shown} in line {rows.line_num}).") from None
        return known
