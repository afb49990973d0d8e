"""Saved models: numbers, texts and tensors in one file, without other pickled objects."""

import os
from collections.abc import Collection, Mapping
from contextlib import nullcontext
from dataclasses import astuple
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from synapsnet_pyg.data.session import SessionInfo
from synapsnet_pyg.files import atomic_stream, require_memory
from synapsnet_pyg.files.archives import check_archive
from synapsnet_pyg.files.checksums import DamagedFileError
from synapsnet_pyg.models.bounded import Bounded, TooLargeError
from synapsnet_pyg.models.forecaster import Forecaster
from synapsnet_pyg.models.registry import build_model, model_class, part_name, require_trusted


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


def load_model(path: str | os.PathLike[str], *, trust: Collection[str] = ()) -> Forecaster:
    """Reads a model from a file, in evaluation mode and on the CPU.

    Only numbers, texts and tensors are unpickled. Files of version 0.1.0 are read too.

    Args:
        path: File written by :func:`save_model`, or a checkpoint of training.
        trust: Import paths of classes and functions outside the package that the file may name. Those that this
            process has used already need not be given.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is not a model, is damaged, holds weights that are not finite or do not fit its
            description, or names a class outside the package.
    """
    saved = read_checkpoint(path)
    state = {key.removeprefix("model."): value for key, value in saved["state_dict"].items()}
    return rebuild(saved["description"], state, path, trust=trust)


def rebuild(
    description: Mapping[str, Any],
    state: Mapping[str, object],
    path: str | os.PathLike[str],
    *,
    trust: Collection[str] = (),
) -> Forecaster:
    """Builds a model from its description and its weights, in evaluation mode and on the CPU.

    Args:
        description: Values of :func:`describe`.
        state: Name -> parameter. Ids of neurons that lie beside parameters may be missing; they are those of the
            description.
        path: File of the weights, for the error's message.
        trust: Import paths of classes and functions outside the package that the description may name.

    Raises:
        ValueError: The weights do not fit the description, or it names a class outside the package.
    """
    kind, arguments, sessions = _described(description, path)
    require_trusted(kind, arguments, path, trust)
    try:
        model_type = model_class(kind)
    except ValueError as error:
        raise ValueError(f"'{path}': {error}") from None
    try:
        state = model_type.upgrade(state)
        with Bounded(state) if kind not in trust else nullcontext():
            model = build_model(kind, sessions, {**model_type.earlier, **arguments})
        own = {key: value for key, value in model.state_dict().items() if not isinstance(value, Tensor)}
        model.load_state_dict({**own, **state})
    except TooLargeError:
        raise DamagedFileError(
            f"Expected '{path}' to describe a model of the size of its weights (it would be many times as large); take "
            "a copy, or fit anew."
        ) from None
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise DamagedFileError(f"'{path}' holds weights of another version of '{kind}' ({reason}); fit anew.") from None
    except (TypeError, ArithmeticError, LookupError, AttributeError, ValueError, AssertionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise DamagedFileError(f"'{path}' does not describe a '{kind}' ({reason}); take a copy, or fit anew.") from None
    return model.eval()


def read_checkpoint(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Reads the contents of a saved model or of a checkpoint of training, onto the CPU.

    Args:
        path: Path of the file.

    Returns:
        ``description`` (see :func:`describe`), ``state_dict`` and, in a checkpoint, the state of training.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is not a model, is damaged, or holds weights that are not finite.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"Expected a saved model (there is no file '{path}').")
    check_archive(path, "model", packed=False)  # torch does not compare checksums
    try:
        saved: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # torch raises many kinds of errors for a damaged file
        saved = {}
    parts = (saved.get("description"), saved.get("state_dict")) if isinstance(saved, dict) else ()
    if not parts or not all(isinstance(part, dict) and all(isinstance(key, str) for key in part) for part in parts):
        raise DamagedFileError(f"'{path}' is not a readable model: foreign, cut short or damaged.")
    for name, value in saved["state_dict"].items():
        _check_weights(name, value, path)
    renamed = {_OLD_KEYS.get(key, key): value for key, value in saved["description"].items()}
    return saved | {"description": renamed}


def _check_weights(name: str, value: Any, path: str | os.PathLike[str]) -> None:
    """Raises an error unless a saved tensor is finite and no larger than memory, whatever its strides claim."""
    if not isinstance(value, Tensor):  # texts that a part saves beside its weights
        return
    if value.layout != torch.strided:
        raise DamagedFileError(f"Expected a dense tensor '{name}' in '{path}' (got {value.layout}); fit anew.")
    require_memory(value.numel() * value.element_size(), f"'{name}' of '{path}'")
    if not bool(value.isfinite().all()):
        raise DamagedFileError(f"Expected finite weights '{name}' in '{path}' (got NaN or infinity); fit anew.")


def _described(
    description: Mapping[str, Any], path: str | os.PathLike[str]
) -> tuple[str, Mapping[str, Any], list[SessionInfo]]:
    """Returns kind, arguments and sessions of a description, after checking that they are such."""
    kind, arguments, sessions = (description.get(key) for key in ("kind", "arguments", "sessions"))
    if not isinstance(kind, str) or not isinstance(arguments, dict) or not isinstance(sessions, list):
        raise DamagedFileError(f"'{path}' has no description of a model (got {list(description)}); fit anew.")
    kinds = (str, list, list, int)
    for session in sessions:
        fits = isinstance(session, tuple | list) and len(session) == 4 and all(map(isinstance, session, kinds))
        if not fits or not all(isinstance(entry, str) for entry in [*session[1], *session[2]]) or session[3] < 0:
            raise DamagedFileError(f"Expected name, neurons, behaviours and bins of sessions in '{path}'; fit anew.")
    return kind, arguments, [SessionInfo(*session) for session in sessions]


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
