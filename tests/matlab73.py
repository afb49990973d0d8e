"""Writer of MATLAB v7.3 files as MATLAB itself writes them."""

import itertools
from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np
import scipy.sparse

_NUMBER = itertools.count()


class Cell(list):
    """Cell array of one row."""


class Structs(list):
    """Struct array: mappings with the same fields."""


class Matlab:
    """Object of one of MATLAB's classes, such as string."""

    def __init__(self, kind: str) -> None:
        self.kind = kind


def write_v73(path: Path, variables: Mapping[str, object]) -> None:
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, value in variables.items():
            _write(file, file, name, value)
    with path.open("r+b") as raw:
        raw.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64, HDF5 schema 1.00 .".ljust(116) + b"\0" * 8 + b"\0\2IM")


def _write(file: h5py.File, group: h5py.Group, name: str, value: object) -> h5py.HLObject:
    if isinstance(value, Matlab):
        data = group.create_dataset(name, data=np.array([[0xDD000000, 2, 1, 1, 1, 1]], np.uint32))
        data.attrs["MATLAB_class"], data.attrs["MATLAB_object_decode"] = np.bytes_(value.kind), np.int32(3)
        return data
    if isinstance(value, str):
        if not value:
            return _array(group, name, np.zeros((0, 0)), "char")
        data = group.create_dataset(name, data=np.array([[ord(c)] for c in value], np.uint16))
        data.attrs["MATLAB_class"], data.attrs["MATLAB_int_decode"] = np.bytes_("char"), np.int32(2)
        return data
    if isinstance(value, Cell):
        return _references(file, group, name, value, "cell")
    if isinstance(value, Structs):
        own = group.create_group(name)
        own.attrs["MATLAB_class"] = np.bytes_("struct")
        for field in value[0]:
            _references(file, own, field, [entry[field] for entry in value], None)
        return own
    if isinstance(value, Mapping):
        own = group.create_group(name)
        own.attrs["MATLAB_class"] = np.bytes_("struct")
        for field, entry in value.items():
            _write(file, own, field, entry)
        return own
    if scipy.sparse.issparse(value):
        return _sparse(group, name, scipy.sparse.csc_matrix(value))
    array = np.atleast_2d(np.asarray(value))
    kind = {"f8": "double", "f4": "single", "b1": "logical"}.get(array.dtype.str[1:], array.dtype.name)
    return _array(group, name, array, "double" if array.dtype.kind == "c" else kind)


def _array(group: h5py.Group, name: str, value: np.ndarray, kind: str) -> h5py.Dataset:
    if value.size == 0:  # MATLAB stores the size instead
        data = group.create_dataset(name, data=np.array(value.shape, np.uint64))
        data.attrs["MATLAB_empty"] = np.uint8(1)
    elif value.dtype.kind == "c":
        parts = np.empty(value.T.shape, [("real", "f8"), ("imag", "f8")])
        parts["real"], parts["imag"] = value.T.real, value.T.imag
        data = group.create_dataset(name, data=parts)
    else:
        data = group.create_dataset(name, data=value.T.astype("u1") if kind == "logical" else value.T)
    data.attrs["MATLAB_class"] = np.bytes_(kind)
    return data


def _sparse(group: h5py.Group, name: str, value: scipy.sparse.csc_matrix) -> h5py.Group:
    own = group.create_group(name)
    kind = "logical" if value.dtype == bool else "double"
    own.attrs["MATLAB_class"], own.attrs["MATLAB_sparse"] = np.bytes_(kind), np.uint64(value.shape[0])
    own["jc"] = value.indptr.astype(np.uint64)
    if value.nnz:
        own["data"] = value.data.astype("u1" if kind == "logical" else float)
        own["ir"] = value.indices.astype(np.uint64)
    return own


def _references(file: h5py.File, group: h5py.Group, name: str, entries: list[object], kind: str | None) -> h5py.Dataset:
    store = file.require_group("#refs#")
    references = np.empty((len(entries), 1), dtype=h5py.ref_dtype)
    for i, entry in enumerate(entries):
        references[i, 0] = _write(file, store, f"r{next(_NUMBER)}", entry).ref
    data = group.create_dataset(name, data=references, dtype=h5py.ref_dtype)
    if kind:
        data.attrs["MATLAB_class"] = np.bytes_(kind)
    return data
