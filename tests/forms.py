"""The form of what a command leaves, without its numbers: names, columns, keys, kinds."""

import csv
import json
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterable
from html import unescape
from itertools import groupby
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch

from synapsnet_pyg.models.registry import MODELS

NUMBER = re.compile(r"(?<![A-Za-z_])[-+]?(?:\d+(?:\.\d+)?(?:e[-+]?\d+)?|nan|inf)(?![A-Za-z_])")
KINDS = {"b": "truth value", "i": "integer", "u": "integer", "f": "number", "U": "text", "S": "text", "O": "object"}
HEADINGS = re.compile(r"<(h[1-6]|th|caption|figcaption|summary|dt|button|label)\b[^>]*>(.*?)</\1>", re.DOTALL)


def form_of_folder(folder: Path) -> dict[str, Any]:
    """Finds the form of every file below a folder, hidden ones included."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {_name(path, folder): form_of_file(path, folder) for path in files}


def _name(path: Path, folder: Path) -> str:
    """A folder's name may be a hash of paths, which are never the same."""
    return "/".join(re.sub(r"^[0-9a-f]{12}$", "HASH", part) for part in path.relative_to(folder).parts)


def form_of_file(path: Path, folder: Path) -> Any:
    """Finds the form of a file by its ending; of pictures, that they are there."""
    readers: dict[str, Callable[[Path], Any]] = {
        ".npz": _arrays,
        ".csv": _columns,
        ".json": lambda one: skeleton(json.loads(one.read_text()), folder),
        ".h5": _datasets,
        ".graphml": _attributes,
        ".gexf": _attributes,
        ".parquet": _parquet,
        ".ckpt": lambda one: "checkpoint" if "runs" in one.relative_to(folder).parts else _checkpoint(one),
        ".html": _headings,
        ".md": lambda one: lines(one.read_text(), folder),
        ".tex": lambda one: lines(one.read_text(), folder),
        ".txt": lambda one: lines(one.read_text(), folder),
        ".png": lambda one: "picture",
        ".svg": lambda one: "picture",
    }
    return readers.get(path.suffix, lambda one: "file")(path)


def skeleton(value: Any, folder: Path | None = None) -> Any:
    """Keeps the keys of nested objects, of a list its first element, of a scalar what kind it is."""
    if isinstance(value, dict):
        return {without_numbers(str(key), folder, keys=True): skeleton(one, folder) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [skeleton(one, folder) for one in value[:1]]
    if isinstance(value, bool):
        return "truth value"
    if value is None or isinstance(value, int | float):
        return "number or null"
    return "text" if isinstance(value, str) else type(value).__name__


def lines(text: str, folder: Path | None = None) -> list[str]:
    """Keeps the lines of a text without numbers and paths; rows of a table, whose order is theirs, once and sorted."""
    plain = [without_numbers(line, folder) for line in text.splitlines()]
    kept: list[str] = []
    for of_table, group in groupby((line for line in plain if line), key=_row):
        kept += sorted(set(group)) if of_table else [line for line, _ in groupby(group)]
    return kept


def without_numbers(text: str, folder: Path | None = None, keys: bool = False) -> str:
    """Replaces numbers by ``#`` and paths by ``PATH``; keys of objects lose paths only."""
    if folder is not None:
        root = re.escape(str(folder.parent))
        text = re.sub(rf"'?{root}[^\s'\":;,]*'?", "PATH", text)
    if keys:
        return text
    text = re.sub(r"\S+ -> \S+?(?=[\s:;,]|$)", "ID -> ID", text)  # which edges change most is a matter of numbers
    text = re.sub(rf"(?<=: )({'|'.join(MODELS)})(?=[;.])", "MODEL", text)  # and so is which model is best
    text = re.sub(rf"(?<=minus )({'|'.join(MODELS)})(?=, the best)", "MODEL", text)
    text = re.sub(r"^(Best by correlation|Nothing is forecast here): .*", "VERDICT", text)  # numbers decide it too
    text = re.sub(r"(?<=, p )[=<] ", "", text)
    text = re.sub(r"(?<=about )([\d.]+) (min|h)(?= here)", r"\1 s", text)  # a busy machine takes longer
    text = re.sub(r"(?<!\S)-(?!\S)", "#", NUMBER.sub("#", text))  # an undefined score stands as '-'
    text = re.sub(
        r"(?<=epoch # )\s*train MSE # validation correlation # \*", "train MSE # validation correlation #", text
    )
    return re.sub(r" \*(?= # s$)", "", re.sub(r"-{4,}|\.{4,}", "----", " ".join(text.split())))


def _row(line: str) -> bool:
    return bool(re.search(r"(#( \+- #)?[ |&\\]+){2}#?", line)) or line.count(" # ") > 3


def _arrays(path: Path) -> dict[str, str]:
    with np.load(path, allow_pickle=False) as file:
        return {key: _kind(file[key]) for key in sorted(file.files)}


def _kind(array: Any) -> str:
    text = array.dtype.kind == "O" or h5py.check_string_dtype(array.dtype) is not None
    return f"{'text' if text else KINDS[array.dtype.kind]} of {array.ndim} axes"


def _columns(path: Path) -> list[str]:
    with path.open(newline="") as file:
        header = next(csv.reader(file))
    return [column for column, _ in groupby(map(without_numbers, header))]


def _datasets(path: Path) -> dict[str, str]:
    found: dict[str, str] = {}

    def visit(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            found[name] = _kind(item)
        found.update({f"{name} @{key}": "attribute" for key in item.attrs})

    with h5py.File(path) as file:
        found.update({f"@{key}": "attribute" for key in file.attrs})
        file.visititems(visit)
    return dict(sorted(found.items()))


def _attributes(path: Path) -> dict[str, Any]:
    """Declared attributes of nodes and edges, graphml's by ``for``, gexf's by ``class``."""
    root = ElementTree.parse(path).getroot()
    told: dict[str, set[str]] = {"node": set(), "edge": set(), "graph": set()}
    kind = "node"
    for element in root.iter():
        name = element.tag.rpartition("}")[2]
        if name == "key":
            told[element.get("for", "node")].add(f"{element.get('attr.name')} ({element.get('attr.type')})")
        elif name == "attributes":
            kind = element.get("class", "node")
        elif name == "attribute":
            told[kind].add(f"{element.get('title')} ({element.get('type')})")
        elif name in ("node", "edge", "graph"):
            told[name] |= {f"@{key}" for key in element.attrib}
    return {key: sorted(names) for key, names in told.items()}


def _parquet(path: Path) -> dict[str, str]:
    from pyarrow.parquet import read_schema

    return {field.name: str(field.type) for field in read_schema(path)}


def _checkpoint(path: Path) -> dict[str, Any]:
    saved = torch.load(path, map_location="cpu", weights_only=True)
    return {
        "keys": sorted(saved),
        "description": skeleton(saved.get("description", {})),
        "state_dict": sorted(saved["state_dict"]),
    }


def _headings(path: Path) -> list[str]:
    found = HEADINGS.findall(path.read_text())
    plain = (without_numbers(unescape(re.sub(r"<[^>]+>", "", text))) for _, text in found)
    return [text for text, _ in groupby(one for one in plain if one)]


def sorted_json(value: Any) -> str:
    """Writes a form for people to read and compare."""
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def shapes(state: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Tells the kind and shape of each tensor of a model's state, and the form of what else it keeps."""
    return {key: _shape(value) if isinstance(value, torch.Tensor) else skeleton(value) for key, value in state}


def _shape(value: torch.Tensor) -> str:
    return f"{str(value.dtype).removeprefix('torch.')} {' x '.join(map(str, value.shape)) or 'scalar'}"
