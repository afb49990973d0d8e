"""Session files: HDF5, written completely or not at all, and read without unpickling."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from torch import Tensor

from synapsnet_pyg.data.conversions import text
from synapsnet_pyg.files.hdf5 import atomic_hdf5

FORMAT = "synapsnet session"
VERSION = 1
RENAMED = {"edge_weight_course": "edge_weight_series"}
"""Name of a field in files of older versions -> name today."""


def is_session_file(path: str | os.PathLike[str]) -> bool:
    """Returns True if a file is a session file."""
    try:
        with h5py.File(path, "r") as file:
            return text(file.attrs.get("format")) == FORMAT
    except OSError:
        return False


def write_session_file(
    path: str | os.PathLike[str], fields: Mapping[str, Tensor | list[str]], *, name: str, bin_size: float
) -> None:
    """Writes the fields of a session to one HDF5 file, completely or not at all.

    Args:
        path: Path of the file; its folder must exist.
        fields: Name of a field -> tensor or texts.
        name: Name of the session.
        bin_size: Duration of one bin in seconds.

    Raises:
        OSError: The folder is missing, not writable or full; an older file at ``path`` is untouched.
    """
    with atomic_hdf5(path) as (file, _):
        file.attrs.update(format=FORMAT, version=VERSION, name=name, bin_size=bin_size)
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
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"Expected a session file (there is no file '{path}').")
    try:
        with h5py.File(path, "r") as file:
            if text(file.attrs.get("format")) != FORMAT:
                raise ValueError(f"'{path}' is HDF5 but no session file; make one with 'synapsnet convert'.")
            if int(file.attrs["version"]) > VERSION:
                raise ValueError(
                    f"'{path}' has session format {file.attrs['version']}, this program reads {VERSION}; update it."
                )
            fields: dict[str, Any] = {RENAMED.get(key, key): _read(dataset) for key, dataset in file.items()}
            return fields | {"name": text(file.attrs["name"]), "bin_size": float(file.attrs["bin_size"])}
    except (OSError, KeyError, RuntimeError):
        raise ValueError(
            f"'{path}' is not a readable session file: foreign, cut short or damaged; "
            "'synapsnet convert' makes session files of other files."
        ) from None


def _write(file: h5py.File, key: str, value: Tensor | list[str]) -> None:
    """Writes one field; large tensors are compressed."""
    if isinstance(value, Tensor):
        array = value.detach().cpu().numpy()
        packed = {"compression": "gzip", "compression_opts": 1, "shuffle": True} if array.size > 1000 else {}
        file.create_dataset(key, data=array, **packed)
    else:
        file.create_dataset(key, data=[str(entry) for entry in value], dtype=h5py.string_dtype())


def _read(dataset: h5py.Dataset) -> Tensor | list[str]:
    """Reads one field."""
    if h5py.check_string_dtype(dataset.dtype) is not None:
        return [text(entry) for entry in dataset[()].tolist()]
    return torch.from_numpy(np.asarray(dataset[()]))
