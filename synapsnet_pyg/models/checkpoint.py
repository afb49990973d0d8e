"""Saved models: numbers, texts and tensors in one file, without other pickled objects."""

import os
from collections.abc import Mapping
from dataclasses import astuple
from pathlib import Path
from typing import Any

import torch

from synapsnet_pyg.data.session import SessionInfo
from synapsnet_pyg.files import atomic_stream
from synapsnet_pyg.models.forecaster import Forecaster
from synapsnet_pyg.models.registry import build_model, model_class, part_name


def save_model(model: Forecaster, path: str | os.PathLike[str]) -> None:
    """Writes a model to one file, completely or not at all; :func:`load_model` reads it.

    Args:
        model: Forecaster of any class.
        path: Path of the file.

    Raises:
        OSError: The folder is missing, not writable or full.
    """
    state = {f"model.{key}": value for key, value in model.state_dict().items()}
    write_checkpoint({"description": describe(model), "state_dict": state}, path)


def write_checkpoint(checkpoint: Mapping[str, Any], path: str | os.PathLike[str]) -> None:
    """Writes numbers, texts and tensors to one file, completely or not at all.

    Args:
        checkpoint: Name -> number, text, tensor, or lists and dictionaries of these.
        path: Path of the file.

    Raises:
        OSError: The folder is missing, not writable or full.
    """
    with atomic_stream(path) as stream:
        torch.save(checkpoint, stream)


def load_model(path: str | os.PathLike[str]) -> Forecaster:
    """Reads a model from a file, in evaluation mode and on the CPU.

    Only numbers, texts and tensors are unpickled. Files of version 0.1.0 are read too.

    Args:
        path: File written by :func:`save_model`, or a checkpoint of training.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is not a model, is damaged, or holds weights that do not fit its description.
    """
    saved = read_checkpoint(path)
    state = {key.removeprefix("model."): value for key, value in saved["state_dict"].items()}
    return rebuild(saved["description"], state, path)


def rebuild(description: Mapping[str, Any], state: Mapping[str, object], path: str | os.PathLike[str]) -> Forecaster:
    """Builds a model from its description and its weights, in evaluation mode and on the CPU.

    Args:
        description: Values of :func:`describe`.
        state: Name -> parameter. Ids of neurons that lie beside parameters may be missing; they are those of the
            description.
        path: File of the weights, for the error's message.

    Raises:
        ValueError: The weights do not fit the description.
    """
    sessions = [SessionInfo(*session) for session in description["sessions"]]
    kind = model_class(description["kind"])
    model = build_model(description["kind"], sessions, {**kind.earlier, **description["arguments"]})
    own = {key: value for key, value in model.state_dict().items() if not isinstance(value, torch.Tensor)}
    try:
        model.load_state_dict({**own, **kind.upgrade(state)})
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"'{path}' holds weights of another version of '{model.kind}' ({reason}); fit anew.") from None
    return model.eval()


def read_checkpoint(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Reads the contents of a saved model or of a checkpoint of training, onto the CPU.

    Args:
        path: Path of the file.

    Returns:
        ``description`` (see :func:`describe`), ``state_dict`` and, in a checkpoint, the state of training.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is not a model, or is damaged.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"Expected a saved model (there is no file '{path}').")
    try:
        saved: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # torch raises many kinds of errors for a damaged file
        saved = {}
    if not isinstance(saved, dict) or not {"description", "state_dict"} <= saved.keys():
        raise ValueError(f"'{path}' is not a readable model: foreign, cut short or damaged.")
    renamed = {_OLD_KEYS.get(key, key): value for key, value in saved["description"].items()}
    return saved | {"description": renamed}


_OLD_KEYS = {"name": "kind", "populations": "sessions"}
"""Key of a description in version 0.1.0 -> key today."""


def describe(model: Forecaster) -> dict[str, Any]:
    """Returns the description of a model from which :func:`load_model` builds it, without the weights.

    Args:
        model: Forecaster of any class.

    Returns:
        ``kind``, ``arguments`` (classes and functions by name) and ``sessions``; numbers, texts and tensors only.
    """
    return {
        "kind": model.kind,
        "arguments": {key: part_name(key, value) for key, value in model.arguments.items()},
        "sessions": [astuple(session) for session in model.sessions.values()],
    }
