"""Shared runs: a fitted model as a folder without its recordings, which others can read and adapt."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from synapsnet_pyg.data.session import SessionInfo
from synapsnet_pyg.files import Json, atomic_path, make_folder, optional_import
from synapsnet_pyg.models.checkpoint import describe, rebuild
from synapsnet_pyg.models.forecaster import Forecaster
from synapsnet_pyg.models.registry import MODELS, PARTS
from synapsnet_pyg.nn.current_conv import sparse_matrix
from synapsnet_pyg.runs.model_card import model_card
from synapsnet_pyg.runs.recipe import Recipe
from synapsnet_pyg.runs.run_file import FILE, versions

if TYPE_CHECKING:
    from synapsnet_pyg.runs.run import Run

CONFIG, WEIGHTS, CONNECTIVITY, SCORES, CARD = (
    "config.json",
    "model.safetensors",
    "connectivity.safetensors",
    "scores.json",
    "README.md",
)
FILES = (CONFIG, WEIGHTS, CONNECTIVITY, SCORES, CARD)
"""Files of a shared run."""

FORMAT = "synapsnet shared run"
VERSION = 1
_EDGES = "argument.edge_index."
"""Beginning of the names of tensors that say which edges of a session exist; the session's place follows."""

_LARGEST = 2**26
"""Largest size of a JSON file in bytes; 100,000 neuron ids take a tenth."""


@dataclass(frozen=True)
class SharedRun:
    """A fitted model that was shared without its recordings.

    It shows the learned connectivity and the embeddings, forecasts windows of the same neurons by ``model``, and
    ``Run.adapt(shared.folder, "new.h5", "out")`` takes its dynamics to a new recording. It cannot be scored again or
    drawn, and its edges cannot be tested: these need the recordings.

    Attributes:
        model: Model, in evaluation mode.
        arguments: Arguments of the model.
        recipe: Recipe of the fit.
        sessions: Name -> names and length of each session of the fit.
        bin_sizes: Name -> seconds of a bin.
        folder: Folder of the files.
    """

    model: Forecaster
    arguments: Mapping[str, Any]
    recipe: Recipe
    sessions: dict[str, SessionInfo]
    bin_sizes: dict[str, float]
    folder: Path

    @property
    def kind(self) -> str:
        """Name of the model."""
        return self.model.kind

    @classmethod
    def read(cls, folder: Path) -> "SharedRun":
        """Reads a shared run, also one of strangers: nothing is unpickled, and no class but the package's is used.

        Args:
            folder: Folder of :func:`share`.

        Raises:
            FileNotFoundError: The folder holds no shared run.
            ValueError: A file is damaged, of a newer version, or names a model that the package does not have.
            ImportError: safetensors is not installed.
        """
        path = folder / CONFIG
        if not path.is_file() or not (folder / WEIGHTS).is_file():
            raise FileNotFoundError(
                f"Expected a shared run, which 'synapsnet export' makes ('{folder}' has no {CONFIG} or no {WEIGHTS})."
            )
        values = _read_json(path)
        try:
            if values["format"] != FORMAT or values["version"] > VERSION:
                raise ValueError("of another program or a newer version")
            sessions = [_session(session) for session in values["sessions"]]
            description: Json = {
                "kind": _known_kind(values["kind"]),
                "arguments": _known_parts(values["arguments"]),
                "sessions": [(info.name, info.neuron_id, info.behaviour_name, info.num_bins) for info, _ in sessions],
            }
            recipe = Recipe.from_json(values["recipe"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"'{path}' is not a readable shared run ({error}).") from None
        infos = {info.name: info for info, _ in sessions}
        state = _read_tensors(folder / WEIGHTS)
        edges = {name: state.pop(f"{_EDGES}{i}") for i, name in enumerate(infos) if f"{_EDGES}{i}" in state}
        if not all(map(_are_edges, edges.values())):
            raise ValueError(f"Expected edges as whole numbers [2, E] in '{folder / WEIGHTS}' (got others).")
        arguments = description["arguments"]
        built = {**description, "arguments": {**arguments, "edge_index": edges}} if edges else description
        model = rebuild(built, state, folder / WEIGHTS)
        bin_sizes = {info.name: bin_size for info, bin_size in sessions}
        return cls(model, arguments, recipe, infos, bin_sizes=bin_sizes, folder=folder)

    def connectivity(self, session: str) -> Tensor:
        """Returns the learned connectivity [N, N] of the training part, ``[i, j]`` the effect of neuron j on neuron i.

        Args:
            session: Name of a session of the fit.

        Raises:
            ValueError: There is no such session, or the file does not fit.
        """
        if session not in self.sessions:
            raise ValueError(f"Expected a session among {', '.join(self.sessions)} (got '{session}').")
        path, N = self.folder / CONNECTIVITY, len(self.sessions[session].neuron_id)
        place, tensors = str(list(self.sessions).index(session)), _read_tensors(path)
        if f"{place}.edge_index" in tensors and f"{place}.weight" in tensors:
            edges, weight = tensors[f"{place}.edge_index"], tensors[f"{place}.weight"]
            inside = bool((edges >= 0).all() and (edges < N).all())
            if _are_edges(edges) and edges.shape[1:] == weight.shape and inside:
                return sparse_matrix(edges, weight, N)
        elif place in tensors and tensors[place].shape == (N, N):
            return tensors[place]
        raise ValueError(f"'{path}' has no connectivity of the {N} neurons of '{session}'.")

    def scores(self) -> Json:
        """Returns the scores on the test parts as they were shared; see :meth:`~.evaluation.Evaluation.to_json`.

        Raises:
            ValueError: The file is damaged.
        """
        return _read_json(self.folder / SCORES)


def share(run: "Run", folder: Path) -> Path:
    """Writes a run as a folder that can be given away, without its recordings.

    It holds the weights (safetensors), names of sessions, neurons and behaviours, lengths, bin sizes, recipe, learned
    connectivity, scores, and a model card. No activity, behaviour, path or fingerprint of a recording is in it.

    Args:
        run: Fitted run.
        folder: Folder, created if needed; files of an older export are replaced.

    Raises:
        FileExistsError: The folder holds a run.
        ValueError: The model is not of the package, or has tensors among its arguments.
        ImportError: safetensors is not installed.
    """
    from synapsnet_pyg.runs.evaluation import evaluate

    save = optional_import("safetensors.torch", "hub").save_file
    if (folder / FILE).exists():
        raise FileExistsError(f"Expected a folder without a run (got '{folder}'); choose another one.")
    require_own_model(run.kind)
    config = _config(run)
    scores, split = evaluate(run), run.split()
    tensors: dict[str, Tensor] = {}
    for place, name in enumerate(run.model.sessions):
        connectivity = run.model.connectivity(split[name].train)
        if connectivity.is_sparse:
            connectivity = connectivity.coalesce()
            tensors[f"{place}.edge_index"] = connectivity.indices().flip(0)
            tensors[f"{place}.weight"] = connectivity.values()
        else:
            tensors[str(place)] = connectivity
    weights = {key: value for key, value in run.model.state_dict().items() if isinstance(value, Tensor)}
    given = run.model.arguments.get("edge_index") or {}
    weights |= {f"{_EDGES}{place}": given[name] for place, name in enumerate(run.model.sessions) if name in given}
    make_folder(folder)
    texts = {CONFIG: _json(config), SCORES: _json(scores.to_json()), CARD: model_card(run, scores)}
    for name, text in texts.items():
        with atomic_path(folder / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
    for name, values in {WEIGHTS: weights, CONNECTIVITY: tensors}.items():
        with atomic_path(folder / name) as temporary:
            plain = {key: value.detach().cpu().contiguous().clone() for key, value in values.items()}
            save(plain, temporary, metadata={"orientation": "[receiver, sender]"})
    return folder


def require_own_model(kind: str) -> None:
    """Raises an error for a model outside the package, which no reader of a shared run would import.

    Args:
        kind: Name of the model.

    Raises:
        ValueError: It is not a model of the package.
    """
    if kind not in MODELS:
        raise ValueError(
            f"Expected a run of a model of the package (got '{kind}'): whoever reads an export shall run no code of "
            "others; give away the run's folder and the file of the model, or add the model to the package."
        )


def push_to_hub(run: "Run", repository: str, *, private: bool = True) -> str:
    """Shares a run on the Hugging Face hub, by the account of ``hf auth login``; see :func:`share`.

    Args:
        run: Fitted run.
        repository: Name on the hub, such as ``lab/m1``; created if needed.
        private: Whether a new repository is private.

    Returns:
        Address of the commit.

    Raises:
        ImportError: huggingface_hub or safetensors is not installed.
    """
    from tempfile import TemporaryDirectory

    api = optional_import("huggingface_hub", "hub").HfApi()
    with TemporaryDirectory() as folder:
        share(run, Path(folder))
        api.create_repo(repository, repo_type="model", private=private, exist_ok=True)
        commit = api.upload_folder(repo_id=repository, folder_path=folder, repo_type="model", allow_patterns=[*FILES])
    return str(commit)


def from_hub(repository: str, *, revision: str | None = None) -> SharedRun:
    """Reads a shared run from the Hugging Face hub; files other than :data:`FILES` are not fetched.

    Args:
        repository: Name on the hub, such as ``lab/m1``.
        revision: Branch, tag or commit; None: the newest.

    Raises:
        ImportError: huggingface_hub or safetensors is not installed.
        ValueError: A file is damaged, or names a model that the package does not have.
    """
    fetch = optional_import("huggingface_hub", "hub").snapshot_download
    return SharedRun.read(Path(fetch(repository, revision=revision, allow_patterns=[*FILES])))


def _config(run: "Run") -> Json:
    """Returns all of a run but its weights and recordings."""
    description = describe(run.model)
    arguments = {key: value for key, value in description["arguments"].items() if key != "edge_index"}
    try:
        arguments = json.loads(json.dumps(arguments))
    except TypeError as error:
        raise ValueError(
            f"Expected a model whose arguments are numbers and texts ({error}); fit it by the command line."
        ) from None
    return {
        "format": FORMAT,
        "version": VERSION,
        "kind": _known_kind(description["kind"]),
        "arguments": _known_parts(arguments),
        "sessions": [
            {
                "name": session.name,
                "neuron_id": list(session.neuron_id),
                "behaviour_name": list(session.behaviour_name),
                "num_bins": run.model.sessions[name].num_bins,
                "bin_size": session.bin_size,
            }
            for name, session in ((name, run.sessions[name]) for name in run.model.sessions)
        ],
        "recipe": run.recipe.to_json(),
        "versions": versions(),
    }


def _json(values: Json) -> str:
    """Returns JSON as a text."""
    return json.dumps(values, indent=2, allow_nan=False) + "\n"


def _read_json(path: Path) -> Json:
    """Reads an object of JSON of limited size."""
    if not path.is_file():
        raise FileNotFoundError(f"Expected a file of a shared run (there is no '{path}').")
    if path.stat().st_size > _LARGEST:
        raise ValueError(f"Expected a JSON file of at most {_LARGEST // 2**20} MiB (got '{path}').")
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"'{path}' is not readable JSON ({error}).") from None
    if not isinstance(values, dict):
        raise ValueError(f"Expected an object in '{path}' (got {type(values).__name__}).")
    return values


def _read_tensors(path: Path) -> dict[str, Tensor]:
    """Reads a file of safetensors."""
    safetensors = optional_import("safetensors.torch", "hub")
    if not path.is_file():
        raise FileNotFoundError(f"Expected a file of a shared run (there is no '{path}').")
    try:
        tensors: dict[str, Tensor] = safetensors.load_file(path)
    except Exception as error:  # safetensors raises its own kind, and others for odd headers
        raise ValueError(f"'{path}' is no readable file of safetensors ({error}).") from None
    return tensors


def _are_edges(edges: Tensor) -> bool:
    """Returns True for whole numbers [2, E]."""
    return edges.dtype == torch.int64 and edges.dim() == 2 and len(edges) == 2


def _known_kind(kind: object) -> str:
    """Returns the name of a model of the package; no other class is imported for a stranger's file."""
    if not isinstance(kind, str) or kind not in MODELS:
        raise ValueError(f"expected a model among {', '.join(MODELS)} (got '{kind}')")
    return kind


def _known_parts(arguments: object) -> Json:
    """Returns arguments whose parts, such as a GRU, have names of the package; nothing else is imported for them."""
    if not isinstance(arguments, dict):
        raise ValueError(f"expected the arguments of a model (got {type(arguments).__name__})")
    for key in PARTS.keys() & arguments.keys():
        known, value = resolve_name(PARTS[key]), arguments[key]
        if value is not None and (not isinstance(value, str) or value not in known):
            raise ValueError(f"expected '{key}' among {', '.join(known)} (got '{value}')")
    return arguments


def _session(values: Mapping[str, Any]) -> tuple[SessionInfo, float]:
    """Reads names, length and bin size of a session."""
    name, bins, bin_size = values["name"], values["num_bins"], values["bin_size"]
    ids, behaviours = values["neuron_id"], values["behaviour_name"]
    lists = all(isinstance(each, list) and all(isinstance(text, str) for text in each) for each in (ids, behaviours))
    if not isinstance(name, str) or not lists or not ids or len(set(ids)) != len(ids):
        raise ValueError("expected a name, different neuron ids and behaviours of each session, as texts")
    if type(bins) is not int or bins < 1 or isinstance(bin_size, bool) or not math.isfinite(bin_size) or bin_size <= 0:
        raise ValueError(f"expected a number of bins and seconds of a bin in session '{name}' (got {bins}, {bin_size})")
    return SessionInfo(name, ids, behaviours, bins), float(bin_size)
