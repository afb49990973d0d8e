"""From session files to a run's folder: what stands between the command line and the training."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.files import make_folder
from synapsnet_pyg.models.checkpoint import load_model
from synapsnet_pyg.models.forecaster import Forecaster
from synapsnet_pyg.models.registry import build_model
from synapsnet_pyg.runs.recipe import recipe
from synapsnet_pyg.runs.run import Run, read_settings, write_settings
from synapsnet_pyg.runs.training import check_fit, fit


def fit_files(
    paths: Sequence[str | os.PathLike[str]],
    out: Path,
    model: str = "synapsnet",
    arguments: dict[str, Any] | None = None,
    preset: str = "paper",
    training: dict[str, Any] | None = None,
    seed: int = 0,
    resume: bool = False,
    progress: bool = True,
) -> Run:
    """Fits a model to session files and leaves a run.

    Args:
        paths: Session files.
        out: Folder of the run; made, and must not hold a run unless it is resumed.
        model: Name of the model.
        arguments: Of the model.
        preset: Key of :data:`~synapsnet_pyg.runs.recipe.PRESETS`.
        training: Arguments of :func:`~synapsnet_pyg.runs.training.fit` instead of the preset; None entries are ignored.
        seed: Of everything random.
        resume: Continue, given the same arguments again; only ``epochs`` may differ.
        progress: Show it.

    Raises:
        FileExistsError: The folder holds a run or other files.
        ValueError: An argument or a file does not do, or a resumed run was begun differently.
    """
    sessions = [Session.load(path) for path in paths]
    settings = settings_of(sessions, preset, training, seed)
    torch.manual_seed(seed)
    made = build_model(model, sessions, arguments)
    return _fit(made, sessions, paths, out, model, dict(arguments or {}), settings, resume, progress)


def settings_of(
    sessions: Sequence[Session], preset: str, training: Mapping[str, Any] | None = None, seed: int = 0
) -> dict[str, Any]:
    """Arguments of :func:`~synapsnet_pyg.runs.training.fit` for these sessions: the preset's, but for what is given."""
    settings = recipe(preset, sum(session.num_bins for session in sessions), len(sessions))
    return settings | _given(training) | {"seed": seed}


def _given(training: Mapping[str, Any] | None) -> dict[str, Any]:
    return {key: value for key, value in (training or {}).items() if value is not None}


def adapt_file(
    folder: Path,
    path: str | os.PathLike[str],
    out: Path,
    training: dict[str, Any] | None = None,
    seed: int = 0,
    resume: bool = False,
    progress: bool = True,
) -> Run:
    """Fits a run's model to a session that is new to it, with the parts that sessions share frozen.

    Neurons that the run knows by their id start from the embedding that they have there.

    Args:
        folder: Of the run.
        path: Session file.
        out: Folder of the new run, which is a run as any other.
        training: Arguments of :func:`~synapsnet_pyg.runs.training.fit` instead of the run's; None entries are ignored.
        seed: Of everything random.
        resume: Continue, given the same arguments again.
        progress: Show it.

    Raises:
        FileExistsError: The folder holds a run or other files.
        FileNotFoundError: There is no run or no session.
        ValueError: The model's sessions share nothing, or the behaviours are not the run's.
    """
    settings = read_settings(folder)
    name, arguments = settings["model"]["name"], settings["model"]["arguments"]
    known = load_model(folder / "best.ckpt")
    if not known.shared:
        raise ValueError(
            f"Expected a model whose sessions share their dynamics ('{name}' shares nothing); fit it anew."
        )
    session = Session.load(path)
    behaviours = next(iter(known.sessions.values())).behaviour_name
    if list(session.behaviour_name) != behaviours:
        raise ValueError(
            f"Expected the behaviours of the run, {', '.join(behaviours) or 'none'} "
            f"(session '{session.name}' has {', '.join(session.behaviour_name) or 'none'})."
        )
    torch.manual_seed(seed)
    made = build_model(name, [session], arguments)
    made.adopt(known)
    recipe_of_run = settings["training"] | {"seed": seed} | _given(training)
    return _fit(made, [session], [path], out, name, arguments, recipe_of_run, resume, progress, str(folder.resolve()))


def _fit(
    made: Forecaster,
    sessions: list[Session],
    paths: Sequence[str | os.PathLike[str]],
    out: Path,
    model: str,
    arguments: dict[str, Any],
    settings: dict[str, Any],
    resume: bool,
    progress: bool,
    adapted_from: str | None = None,
) -> Run:
    """Writes ``run.json`` and fits."""
    check_fit(made, sessions, **settings)
    if resume:
        check_same(out, sessions, model, arguments, settings)
    elif (out / "run.json").exists():
        raise FileExistsError(f"'{out}' holds a run already; continue it with --resume or choose another --out.")
    make_folder(out)
    write_settings(out, list(zip(sessions, map(Path, paths), strict=True)), model, arguments, settings, adapted_from)
    for session in sessions:
        session.standardise(inplace=True)
    fit(made, sessions, out, model, **settings, resume=resume, progress=progress)
    return Run(out, read_settings(out), made, {session.name: session for session in sessions})


def check_same(
    out: Path, sessions: Sequence[Session], model: str, arguments: dict[str, Any], settings: dict[str, Any]
) -> None:
    """Tells if a fit in a folder was begun differently: only the same one can be continued.

    Raises:
        ValueError: It was; or with more epochs.
    """
    begun = read_settings(out)
    pairs = {
        "sessions (name, fingerprint)": (
            [(session.name, session.fingerprint) for session in sessions],
            [(session["name"], session["fingerprint"]) for session in begun["sessions"]],
        ),
        "model": (model, begun["model"]["name"]),
        "model arguments": (arguments, begun["model"]["arguments"]),
        **{
            key: (settings.get(key), begun["training"].get(key))
            for key in settings | begun["training"]
            if key != "epochs"
        },
    }
    if settings["epochs"] < begun["training"]["epochs"]:
        raise ValueError(
            f"'{out}' was begun with {begun['training']['epochs']} epochs (got {settings['epochs']}); resume it with "
            "as many or more."
        )
    for what, (now, then) in pairs.items():
        if now != then:
            raise ValueError(
                f"'{out}' was begun with {what} {then} (got {now}); give the same command again to resume it."
            )
