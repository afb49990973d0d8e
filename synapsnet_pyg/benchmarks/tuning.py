"""Search of hyper-parameters on the validation part, by Optuna, in a file from which it resumes."""

import math
import shlex
import sys
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from synapsnet_pyg.benchmarks.search_spaces import RECIPE_KEYS, Range, Space, space_of
from synapsnet_pyg.benchmarks.variants import Variant, over_horizons
from synapsnet_pyg.data.protocols import protocol_named
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.files import Json, atomic_path, first_difference, hidden_folder, make_folder, optional_import, say
from synapsnet_pyg.files.json_files import write_json
from synapsnet_pyg.files.writing import room
from synapsnet_pyg.models.forecasting import forecast_horizons, forecast_session
from synapsnet_pyg.models.registry import build_model
from synapsnet_pyg.nn.threads import threads
from synapsnet_pyg.processes.children import Child, end_all
from synapsnet_pyg.runs.recipe import Preset
from synapsnet_pyg.runs.run import Run
from synapsnet_pyg.runs.scores import score_forecast
from synapsnet_pyg.runs.tables import Table, number_text

STORAGE = "tune.db"
"""Name of the file that keeps the trials."""

DEFAULTS = 0
"""Number of the trial of the model's defaults, the first of each search."""


@dataclass(frozen=True)
class Search:
    """Settings of a search.

    Attributes:
        paths: Session files, fitted together in each trial.
        kind: Name of the model.
        space: Hyper-parameter -> range or choices; names of a recipe, such as ``learning_rate``, go to the recipe and
            all others to the model.
        preset: Recipe of all trials; its seed is that of the search too.
        context: Number of past bins C for a model with an argument ``window``, which is then not searched. None: the
            protocol's, of ``paper`` the model's default.
        horizon: Number of bins ahead H. None: the protocol's.
    """

    paths: Sequence[str]
    kind: str
    space: Space
    preset: Preset = field(default_factory=lambda: Preset("fast"))
    context: int | None = None
    horizon: int = 1

    @classmethod
    def of(
        cls,
        paths: Sequence[str],
        kind: str,
        space: Space | None = None,
        *,
        preset: Preset | None = None,
        context: int | None = None,
        horizon: int | None = None,
    ) -> "Search":
        """Creates a search, with the context and horizon of the protocol and the search space of the model if needed.

        Of a model's own space, windows longer than half the longest segment of a part are left out.

        Raises:
            ValueError: A session, the model or a setting is invalid, or nothing of the model can be tuned.
        """
        preset = preset or Preset("fast")
        sessions = [Session.load(path) for path in paths]
        recipe = preset.recipe(sessions)
        if context is None and recipe.protocol != "paper":
            context = protocol_named(recipe.protocol).context
        horizon = protocol_named(recipe.protocol).horizon if horizon is None else horizon
        prepared = [recipe.prepare(session) for session in sessions]
        (variant,) = over_horizons([Variant(kind, kind)], context, horizon)
        model = build_model(kind, prepared[:1], variant.arguments)
        if space is None:
            if not list(model.parameters()):
                raise ValueError(
                    f"Expected a model that is trained (got '{kind}', which is solved in closed form and chooses what "
                    "it has to choose on the validation part); give a --space of your own for its arguments."
                )
            space = dict(space_of(kind))
            segments = [part.segment for session in prepared for part in session.split()]
            longest = min(int((segment[:, 1] - segment[:, 0]).max()) for segment in segments)
            windows = [w for w in map(int, _ends(space.get("window", ()))) if 2 * w <= longest - horizon + 1]
            space = {**space, "window": windows} if windows else {k: v for k, v in space.items() if k != "window"}
        if context is not None:
            space = {key: value for key, value in space.items() if key != "window"}
        resolved = [str(Path(path).resolve()) for path in paths]
        search = cls(resolved, kind, space, preset, context=context, horizon=horizon)
        for number in (0, -1):  # an argument that the model does not take shows before the search
            first = {key: _ends(value)[number] for key, value in space.items() if key not in RECIPE_KEYS}
            build_model(kind, prepared[:1], search.variant(first).arguments)
        return search

    @property
    def first(self) -> int:
        """Position of the first scored bin in each segment of the validation part, equal for all trials."""
        return int(max(5, self.context or 1, *_ends(self.space.get("window", (1,)))))

    def variant(self, chosen: Mapping[str, Any]) -> Variant:
        """Returns the model with the chosen hyper-parameters, context and horizon."""
        arguments = {key: value for key, value in chosen.items() if key not in RECIPE_KEYS}
        return over_horizons([Variant(self.kind, self.kind, arguments)], self.context, self.horizon)[0]

    def score(self, chosen: Mapping[str, Any], folder: Path) -> float:
        """Fits the model with the chosen hyper-parameters, and scores it on the validation parts.

        Returns:
            Mean over sessions of the correlation of the next bin, or for several bins ahead of the mean squared error
            over horizons.

        Raises:
            FloatingPointError: The training error is no longer finite.
            ValueError: The hyper-parameters do not go together, or no score is defined.
        """
        recipe = {key: value for key, value in chosen.items() if key in RECIPE_KEYS}
        preset = Preset(self.preset.name, {**self.preset.changes, **recipe})
        run = Run.fit(self.paths, folder, self.kind, arguments=self.variant(chosen).arguments, recipe=preset,
                      progress=False)  # fmt: skip
        scores: list[float] = []
        for session in run.sessions.values():
            part = session.split().validation
            if self.horizon == 1:
                forecast = forecast_session(run.model, part, run.targets, first=self.first)
                scores.append(score_forecast(part, forecast).correlation)
            else:
                ahead = forecast_horizons(run.model, part, self.horizon, run.targets, first=self.first)
                errors = [score_forecast(part, ahead.at(h)).mse for h in range(1, self.horizon + 1)]
                scores.append(sum(errors) / len(errors))
        score = sum(scores) / len(scores)
        if not math.isfinite(score):
            raise ValueError(f"Expected a validation score (got {score}).")
        return score

    @property
    def measure(self) -> str:
        """Name of the validation score."""
        return "correlation" if self.horizon == 1 else f"squared error over {self.horizon} bins"

    def settings(self) -> Json:
        """Returns all settings, ready for JSON, by which a resumed search is compared with this one."""
        return {
            "model": self.kind,
            "sessions": sorted(Session.load(path).fingerprint for path in self.paths),
            "preset": self.preset.name,
            **{key: value for key, value in self.preset.changes.items() if value is not None},
            "context": self.context,
            "horizon": self.horizon,
            "space": {
                key: {**value._asdict()} if isinstance(value, Range) else list(value)
                for key, value in self.space.items()
            },
        }


def tune(search: Search, out: Path, *, trials: int = 30, hours: float | None = None, jobs: int = 1) -> Table:
    """Searches hyper-parameters by Optuna's tree-structured Parzen estimator, and writes the best ones and a table.

    The first trial is the model with its defaults. The trials are kept in ``tune.db`` (SQLite): the same call goes on
    where a search ended, and calls in several processes or on several machines share one search. A trial whose fit
    fails is kept as failed. Random numbers depend on the seed and the number of the trial.

    Args:
        search: Settings.
        out: Folder of ``tune.db``, ``best.yaml`` (for ``synapsnet fit --config``), ``tune.json`` (for ``synapsnet
            benchmark forecasting --tuned``), ``tune.md``, ``.csv`` and ``.tex``, created if needed.
        trials: Number of trials in all, those of earlier calls included.
        hours: Time after which no further trial begins. None: no limit.
        jobs: Number of processes.

    Returns:
        Table of the trials, the best first.

    Raises:
        ImportError: Optuna is not installed.
        ValueError: The folder holds a search of other settings, a number is below 1, or every trial failed.
    """
    if trials < 1 or jobs < 1:
        raise ValueError(f"Expected at least 1 trial and 1 job (got {trials} and {jobs}).")
    with room(make_folder(out) / STORAGE):  # SQLite has errors of its own
        return _tune(search, out, trials, hours=hours, jobs=jobs)


def _tune(search: Search, out: Path, trials: int, *, hours: float | None, jobs: int) -> Table:
    """Runs the trials that are missing, and writes the files."""
    study, settings = _study(search, out), search.settings()
    if difference := first_difference(settings, study.user_attrs.get("settings", settings)):
        raise ValueError(f"'{out}' holds a search of other settings: {difference}; choose another --out.")
    study.set_user_attr("settings", settings)
    if jobs == 1:
        _work(search, study, out, trials, hours=hours)
    else:
        workers: list[Child] = []
        try:
            workers += [Child(_work_alone, (search, out, trials, hours)) for _ in range(jobs)]
            while not all(worker.is_done() for worker in workers):
                time.sleep(0.1)
            for error in [worker.error() for worker in workers]:
                if error is not None:
                    raise error
        finally:
            end_all(workers)
    return _write(search, study, out)


def _work_alone(search: Search, out: Path, trials: int, hours: float | None) -> None:
    """Runs trials on one thread, in one of several processes."""
    with threads(1):
        _work(search, _study(search, out), out, trials, hours=hours)


def _work(search: Search, study: Any, out: Path, trials: int, *, hours: float | None) -> None:
    """Runs trials until there are enough of them or the time is over."""
    optuna, start = optional_import("optuna", "tune"), time.monotonic()

    def objective(trial: Any) -> float:
        """Fits and scores one choice."""
        seed = int(search.preset.changes.get("seed") or 0)
        study.sampler = _sampler(optuna, 1_000_003 * seed + trial.number)
        chosen = {key: _suggest(trial, key, value) for key, value in search.space.items() if trial.number != DEFAULTS}
        try:
            with hidden_folder(out / "trial") as folder:
                return search.score(chosen, folder / "run")
        except (FloatingPointError, ValueError) as error:
            trial.set_user_attr("error", " ".join(str(error).split()))
            raise

    def tell(_: Any, trial: Any) -> None:
        """Prints the line of a trial."""
        score = trial.user_attrs.get("error", "interrupted") if trial.value is None else f"{trial.value:.4f}"
        chosen = ", ".join(f"{key} {_text(value)}" for key, value in trial.params.items()) or "defaults"
        say(f"trial {trial.number}: {search.measure} {score} ({chosen})", file=sys.stderr, flush=True)

    while len(_counted(study)) < trials and (hours is None or time.monotonic() - start < 3600 * hours):
        study.optimize(objective, n_trials=1, catch=(FloatingPointError, ValueError), callbacks=[tell])


def _study(search: Search, out: Path) -> Any:
    """Returns the search in ``tune.db``, which is begun if needed."""
    optuna = optional_import("optuna", "tune")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # heartbeats are experimental
        # A trial whose process was killed counts as interrupted after a minute without a sign of life.
        storage = optuna.storages.RDBStorage(
            f"sqlite:///{out.resolve() / STORAGE}", heartbeat_interval=15, grace_period=60
        )
    return optuna.create_study(
        storage=storage,
        study_name="tune",
        direction="maximize" if search.horizon == 1 else "minimize",
        sampler=_sampler(optuna, 0),
        load_if_exists=True,
    )


def _sampler(optuna: Any, seed: int) -> Any:
    """Returns a sampler that takes running trials into account."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the constant liar was experimental
        return optuna.samplers.TPESampler(seed=seed % 2**32, multivariate=False, constant_liar=True)


def _counted(study: Any) -> list[Any]:
    """Returns the trials that are finished, failed or running, without the interrupted ones."""
    return [t for t in study.get_trials(deepcopy=False) if t.state.name != "FAIL" or "error" in t.user_attrs]


def _suggest(trial: Any, name: str, space: Range | Sequence[Any]) -> Any:
    """Returns the value of a hyper-parameter in a trial."""
    if not isinstance(space, Range):
        return trial.suggest_categorical(name, list(space))
    if isinstance(space.low, int) and isinstance(space.high, int):
        return trial.suggest_int(name, space.low, space.high, log=space.log)
    return trial.suggest_float(name, space.low, space.high, log=space.log)


def _ends(space: Range | Sequence[Any]) -> Sequence[Any]:
    """Returns the ends of a range, or the choices."""
    return (space.low, space.high) if isinstance(space, Range) else space


def _write(search: Search, study: Any, out: Path) -> Table:
    """Writes the best hyper-parameters and the table of all trials, and returns the table."""
    counted = _counted(study)
    finished = [trial for trial in counted if trial.value is not None]
    if not finished:
        reason = next((trial.user_attrs["error"] for trial in counted if "error" in trial.user_attrs), "no time")
        raise ValueError(f"Expected a trial that could be scored (every trial failed; the first: {reason}).")
    best = study.best_trial
    recipe = {key: value for key, value in best.params.items() if key in RECIPE_KEYS}
    arguments = {key: value for key, value in best.params.items() if key not in RECIPE_KEYS}
    changes = {key: value for key, value in search.preset.changes.items() if value not in (None, "paper")}
    config = {"model": search.kind, "preset": search.preset.name, **changes, **recipe}
    model_args = dict(search.variant(arguments).arguments)
    told = f"{search.measure} {best.value:.4f} on validation, the best of {len(finished)} trials"
    with atomic_path(out / "best.yaml") as temporary:
        text = yaml.safe_dump(config | ({"model_args": model_args} if model_args else {}), sort_keys=False)
        temporary.write_text(f"# {told}; synapsnet fit SESSIONS --config best.yaml --out RUN\n{text}")
    values = {**search.settings(), "trials": len(counted), "score": best.value}
    write_json(out / "tune.json", {**values, "arguments": arguments, "recipe": recipe})
    sign = -1 if search.horizon == 1 else 1
    ordered = sorted(counted, key=lambda t: (t.value is None, sign * (t.value or 0.0), t.number))
    rows = [
        [
            str(trial.number) + (" (defaults)" if trial.number == DEFAULTS else ""),
            trial.user_attrs.get("error", "running") if trial.value is None else number_text(trial.value, 4),
            "-" if trial.duration is None else f"{trial.duration.total_seconds():.0f}",
            *(_text(trial.params.get(key, "-")) for key in search.space),
        ]
        for trial in ordered
    ]
    notes = [f"{told[0].upper()}{told[1:]}; mean over sessions of the validation parts. The test parts are not used.",
             f"By `{shlex.join(['synapsnet', *sys.argv[1:]])}`."]  # fmt: skip
    table = Table(f"Trials of {search.kind}", ["trial", search.measure, "seconds", *search.space], rows, notes)
    table.write(out / "tune")
    return table


def _text(value: Any) -> str:
    """Returns a hyper-parameter as text."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)
