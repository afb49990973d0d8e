"""Saved models: numbers, texts and tensors in one file, without pickles."""

import os
from pathlib import Path
from typing import Any

import torch

from synapsnet_pyg.files import atomic_path
from synapsnet_pyg.models.forecaster import Forecaster, Population
from synapsnet_pyg.models.registry import PARTS, build_model


def save_model(model: Forecaster, name: str, path: str | os.PathLike[str]) -> None:
    """Writes a model to one file, wholly or not at all; :func:`load_model` makes it again.

    Args:
        model: Any forecaster.
        name: What :func:`build_model` finds it by.
        path: Of the file.
    """
    state = {f"model.{key}": value for key, value in model.state_dict().items()}
    with atomic_path(path) as temporary:
        torch.save({"description": describe(model, name), "state_dict": state}, temporary)


def load_model(path: str | os.PathLike[str]) -> Forecaster:
    """Makes the model of a file again, in evaluation mode on the CPU. Nothing is unpickled but tensors and texts.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is not a model, or damaged.
    """
    saved = read_checkpoint(path)
    description, state = saved["description"], saved["state_dict"]
    populations = [Population(*population) for population in description["populations"]]
    model = build_model(description["name"], populations, description["arguments"])
    model.load_state_dict({key.removeprefix("model."): value for key, value in state.items()})
    return model.eval()


def read_checkpoint(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What a model's file or a checkpoint of its training holds, on the CPU.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is not a model, or damaged.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"Expected a saved model (there is no file '{path}').")
    try:
        saved: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # torch raises many kinds for a damaged file
        saved = {}
    if not isinstance(saved, dict) or not {"description", "state_dict"} <= saved.keys():
        raise ValueError(f"'{path}' is not a readable model: foreign, cut short or damaged.")
    return saved


def describe(model: Forecaster, name: str) -> dict[str, Any]:
    """What :func:`load_model` needs beside the weights: numbers, texts and tensors only."""
    return {
        "name": name,
        "arguments": {key: part_name(key, value) for key, value in model.arguments.items()},
        "populations": [tuple(population) for population in model.populations.values()],
    }


def part_name(key: str, value: Any) -> Any:
    """Returns the name of an argument that is a part, and any other value as it is."""
    if not callable(value):
        return value
    for name, part in PARTS.get(key, {}).items():
        if part is value:
            return name
    raise ValueError(f"Expected '{key}' to be one of the parts that can be saved: {', '.join(PARTS.get(key, {}))}.")
