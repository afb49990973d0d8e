"""Session files: HDF5, written completely or not at all, and read without unpickling."""

import os
from collections.abc import Mapping
from typing import Any

import h5py
import numpy as np
import torch
from torch import Tensor

from synapsnet_pyg.data.conversions import text
from synapsnet_pyg.files.checksums import DamagedFileError, sealed_format
from synapsnet_pyg.files.hdf5 import Field, atomic_hdf5, open_hdf5
from synapsnet_pyg.intake.notes import warn

FORMAT = "synapsnet session"
VERSION = 1
RENAMED = {"edge_weight_course": "edge_weight_series"}
"""Name of a field in files of older versions -> name today."""

FIELDS = {
    "activity": Field("f", 2),
    "behaviour": Field("fiub", 2),
    "behaviour_recorded": Field("biu", 2),
    "segment": Field("iuf", 2),
    "segment_part": Field("T", 1),
    "segment_context": Field("iu", 1),
    "neuron_id": Field("T", 1),
    "behaviour_name": Field("T", 1),
    "notes": Field("T", 1),
    "edge_index": Field("iu", 2),
    "edge_weight": Field("fiu", 1),
    "edge_weight_series": Field("f", 2),
    "true_response": Field("f", 3),
    "true_response_error": Field("f", 3),
    "activity_mean": Field("f", 1),
    "activity_scale": Field("f", 1),
    "constant": Field("biu", 1),
    "behaviour_mean": Field("f", 1),
    "behaviour_scale": Field("f", 1),
}
"""Field of a session -> kinds and axes that it may have in a file."""

NEURON_FIELD = Field("fiubT")
"""Kinds that every other field may have, which has an entry for each neuron."""


def is_session_file(path: str | os.PathLike[str]) -> bool:
    """Returns True if a file is a session file."""
    try:
        if sealed_format(path) == FORMAT:  # damage could keep HDF5 busy for ever
            return True
        with h5py.File(path, "r") as file:
            return text(file.attrs.get("format")) == FORMAT
    except (OSError, RuntimeError, ValueError, KeyError):  # KeyError: the root of a damaged file
        return False


def write_session_file(
    path: str | os.PathLike[str], fields: Mapping[str, Tensor | list[str]], attributes: Mapping[str, str | float]
) -> None:
    """Writes the fields of a session to one HDF5 file with a checksum, completely or not at all.

    Args:
        path: Path of the file; its folder must exist.
        fields: Name of a field -> tensor or texts.
        attributes: ``name``, ``bin_size`` in seconds, and ``position_unit`` if it is known.

    Raises:
        OSError: The folder is missing, not writable or full; an older file at ``path`` is untouched.
    """
    with atomic_hdf5(path, FORMAT) as (file, _):
        file.attrs.update(version=VERSION, **attributes)
        for key, value in sorted(fields.items()):  # PyTorch Geometric gives them in the order of a set
            _write(file, key, value)


def read_session_file(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Reads the fields of a session, which are the arguments of :class:`~synapsnet_pyg.data.session.Session`.

    Fields of files of older versions get today's names.

    Args:
        path: Path of the file.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is not a session, is damaged, or was written by a newer version.
    """
    remedy = "'synapsnet convert' makes session files of other files"
    with open_hdf5(path, FORMAT, VERSION, remedy=remedy) as own:
        fields: dict[str, Any] = {"name": own.attribute("name", str), "bin_size": own.attribute("bin_size", float)}
        if "position_unit" in own.file.attrs:
            fields["position_unit"] = own.attribute("position_unit", str)
        for key in own.file:
            name = RENAMED.get(key, key)
            value = own.read(key, FIELDS.get(name, NEURON_FIELD))
            fields[name] = torch.from_numpy(value) if isinstance(value, np.ndarray) else value
        if "activity" not in fields:
            raise DamagedFileError(f"Expected 'activity' in the session file '{path}' (got none).")
        if not own.sealed:
            warn(
                f"'{path}' has no checksum (an earlier version or another program wrote it), so damage cannot be seen; "
                "Session.load and save add one."
            )
    return fields


def _write(file: h5py.File, key: str, value: Tensor | list[str]) -> None:
    """Writes one field; large tensors are compressed."""
    if isinstance(value, Tensor):
        array = value.detach().cpu().numpy()
        packed = {"compression": "gzip", "compression_opts": 1, "shuffle": True} if array.size > 1000 else {}
        file.create_dataset(key, data=array, **packed)
    else:
        file.create_dataset(key, data=[str(entry) for entry in value], dtype=h5py.string_dtype())
