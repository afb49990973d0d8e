"""Other files that an HDF5 file leads to: external links, virtual data sets and external storage.

A file of a stranger can name any file of the machine, so that only files in its own folder, or below, are used.
"""

import os
from typing import Any

import h5py


def elsewhere(item: Any, home: str) -> str:
    """Returns the file outside of a folder that an object lies in, or takes its values from; an empty text for none.

    Args:
        item: Group or data set of h5py, reached by any links.
        home: Path of the HDF5 file that the user opened, whose folder must not be left.
    """
    own = os.path.abspath(item.file.filename)
    if not is_below(own, home):
        return own
    if not isinstance(item, h5py.Dataset):
        return ""
    if item.is_virtual:
        for source in item.virtual_sources():
            if source.file_name != "." and (found := outside(source.file_name, own, home)):
                return found
    for name, _, _ in item.external or ():
        # Any file can be read as raw numbers, and no program makes links of them: they are followed to their end.
        if found := outside(name, own, home, resolved=True):
            return found
    return ""


def outside(name: str, owner: str, home: str, *, resolved: bool = False) -> str:
    """Returns the file outside of a folder that HDF5 would open for a name; an empty text if there is none.

    HDF5 looks in the folder of the file that has the link and in the current one, first for the whole path, then for
    its last part.

    Args:
        name: Name as stored in the link. It may hold ``%b``, the number of a block.
        owner: Path of the file that has the link.
        home: Path of the HDF5 file that the user opened.
        resolved: Whether symbolic links are followed before the comparison.
    """
    folders = [os.path.dirname(os.path.abspath(owner)), os.getcwd(), os.path.dirname(os.path.realpath(owner))]
    for folder in folders:
        for place in (os.path.join(folder, name), os.path.join(folder, os.path.basename(name))):
            there = os.path.exists(place) or ("%" in name and os.path.isdir(os.path.dirname(place)))
            if there and not is_below(os.path.realpath(place) if resolved else place, home):
                return os.path.normpath(place)
    return ""


def is_below(path: str, home: str) -> bool:
    """Returns True if a path lies in the folder of a file, or below it.

    Example:
        >>> is_below("/data/day1/raw.h5", "/data/a.h5"), is_below("/data/../etc/b.h5", "/data/a.h5")
        (True, False)
    """
    known = {os.path.dirname(os.path.abspath(home)), os.path.dirname(os.path.realpath(home))}
    known |= {os.path.realpath(folder) for folder in known}
    return any(os.path.commonpath([os.path.abspath(path), folder]) == folder for folder in known)
