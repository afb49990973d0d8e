"""Files of our own schema in which a value, a shape, a kind or a name is another one."""

import json
import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch

Change = Callable[[Path, random.Random], None]


def odd_number(draw: random.Random) -> Any:
    """Returns a number that few programs expect."""
    return draw.choice([
        0, -1, 1, 2**31, 2**63, -(2**63), 10**30, 0.5, -0.0, 1e-300, 1e300, float("nan"), float("inf"), float("-inf"),
        True,
    ])  # fmt: skip


def odd_value(draw: random.Random) -> Any:
    """Returns a value of JSON that few programs expect."""
    return draw.choice([
        odd_number(draw), None, "", "x", "\x00", "a" * 10000, [], {}, [[]], {"a": 1}, [1, "a"], [None] * 3, "NaN",
        "é\u202e", "../..",
    ])  # fmt: skip


def changed_json(value: Any, draw: random.Random) -> Any:
    """Returns JSON in which one value, key or entry is another, missing or there twice."""
    if isinstance(value, dict) and value and draw.random() < 0.85:
        key = draw.choice(list(value))
        kind = draw.random()
        if kind < 0.1:
            return {k: v for k, v in value.items() if k != key}
        if kind < 0.2:
            return value | {draw.choice(["", "x", "__class__", f"{key}".upper(), f"{key} "]): odd_value(draw)}
        return value | {key: changed_json(value[key], draw)}
    if isinstance(value, list) and value and draw.random() < 0.8:
        place = draw.randrange(len(value))
        rest = [*value[:place], *value[place + 1 :]]
        return draw.choice([
            rest, [*value, value[place]], [*value[:place], changed_json(value[place], draw), *value[place + 1 :]],
        ])  # fmt: skip
    return odd_value(draw)


def change_json(path: Path, draw: random.Random) -> None:
    """Changes a JSON file."""
    path.write_text(json.dumps(changed_json(json.loads(path.read_text()), draw)))


def changed_array(array: np.ndarray, draw: random.Random) -> np.ndarray:
    """Returns an array of another shape, kind or with other values."""
    kinds = ("f2", ">f4", "i1", "u8", "c8", "?", "S3", "U3", "f8")
    kind = draw.randrange(8)
    if kind == 0 and array.dtype.names:
        return array[draw.choice(array.dtype.names)]
    if kind == 0:
        return array.astype(object).astype("U8") if array.dtype.kind in "USO" else array.astype(draw.choice(kinds[:6]))
    if kind == 1:
        return array[: draw.randint(0, max(0, len(array) - 1))] if array.ndim else array.reshape(1)
    if kind == 2:
        return array.T if array.ndim > 1 else array[None]
    if kind == 3:
        return np.concatenate([array, array]) if array.ndim else np.zeros(3)
    if kind == 4:
        return np.zeros(draw.choice([(), (0,), (0, 5), (5, 0), (1, 1, 1), (3, 3)]), draw.choice(kinds))
    if array.dtype.kind in "fiu" and array.size:
        changed = array.copy()
        with np.errstate(all="ignore"):
            limits = [0, 1] if array.dtype.kind == "f" else [np.iinfo(array.dtype).min, np.iinfo(array.dtype).max]
            odd = [float("nan"), float("inf"), 1e30, -1.0] if array.dtype.kind == "f" else limits
            changed.reshape(-1)[draw.randrange(array.size)] = draw.choice(odd)
        return changed
    return array[::-1] if array.ndim else array


def change_hdf5(path: Path, draw: random.Random) -> None:
    """Changes one dataset or attribute of an HDF5 file."""
    with h5py.File(path, "r+") as file:
        names: list[str] = []
        file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
        name, kind = draw.choice(names), draw.randrange(8)
        data = file[name]
        if kind == 0:
            del file[name]
        elif kind == 1:
            del file[name]
            file.create_group(name)
        elif kind == 2:
            del file[name]
            file[name] = draw.choice([np.array(odd_number(draw), "f8"), "text", h5py.Empty("f4"), np.bytes_(b"\xff")])
        elif kind == 3 and len(file.attrs):
            key = draw.choice(list(file.attrs))
            file.attrs[key] = draw.choice([np.arange(3), "x", "", np.float64("nan"), -1, h5py.Empty("f4"), b"\xff\xfe"])
        elif kind == 4 and len(file.attrs):
            del file.attrs[draw.choice(list(file.attrs))]
        elif kind == 5:
            file[draw.choice(["x", "a/b", "num_nodes", "activity2", "batch", " ", "_x", "to_dict"])] = np.arange(6)
        elif kind == 6:
            shape = tuple(max(1, size) * draw.choice([1, 10**6]) for size in data.shape) or (10**9,)
            dtype = data.dtype
            del file[name]
            file.create_dataset(name, shape, dtype, chunks=True, compression="gzip")
        elif h5py.check_string_dtype(data.dtype) is None:
            array = changed_array(np.asarray(data[()]), draw)
            del file[name]
            file[name] = array.astype(h5py.string_dtype()) if array.dtype.kind == "U" else array


def change_npz(path: Path, draw: random.Random) -> None:
    """Changes one array of an archive of arrays."""
    with np.load(path) as file:
        arrays = {key: file[key] for key in file.files}
    key = draw.choice(list(arrays))
    kind = draw.random()
    if kind < 0.15:
        del arrays[key]
    elif kind < 0.25:
        arrays["more"] = np.arange(3)
    else:
        arrays[key] = changed_array(arrays[key], draw)
    np.savez(path, **arrays)
    if draw.random() < 0.1:
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(f"{key}.npy", b"twice")


def change_checkpoint(path: Path, draw: random.Random) -> None:
    """Changes a value, a tensor or an entry of a checkpoint."""
    saved = torch.load(path, map_location="cpu", weights_only=True)
    if draw.random() < 0.5:
        part = draw.choice(list(saved))
        value = changed_json(saved[part], draw) if not isinstance(saved[part], torch.Tensor) else odd_value(draw)
        saved[part] = value
    else:
        state = dict(saved["state_dict"])
        key = draw.choice(list(state))
        tensor = state[key]
        state[key] = odd_value(draw) if not isinstance(tensor, torch.Tensor) else draw.choice([
            tensor * float("nan"), tensor[None], tensor.double(), tensor.flatten()[:1], torch.zeros(0), odd_value(draw),
            tensor.to_sparse() if tensor.ndim else tensor,
        ])  # fmt: skip
        saved["state_dict"] = state
    torch.save(saved, path)
