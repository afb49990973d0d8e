"""Commands that compare models and estimators.

Heavy libraries are imported by the command that needs them.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from synapsnet_pyg.cli.arguments import ClusterName, FoldsName, PresetName, ProtocolName, listed, session_files
from synapsnet_pyg.files import say

if TYPE_CHECKING:
    from synapsnet_pyg.benchmarks.forecast_results import Kind
    from synapsnet_pyg.benchmarks.variants import Variant


def benchmark_forecasting(
    sessions: list[str],
    *,
    out: str,
    models: str | None = None,
    context: int | None = None,
    horizon: int | None = None,
    seeds: int = 1,
    preset: PresetName = "paper",
    epochs: int | None = None,
    patience: int | None = 10,
    targets: int | None = None,
    learning_rate: float | None = None,
    halve_every: int | None = None,
    sweep: str | None = None,
    ablations: bool = False,
    dynamics: bool = False,
    single_only: bool = False,
    protocol: ProtocolName = "paper",
    cross_validate: int | None = None,
    folds: FoldsName = "blocks",
    tuned: str | None = None,
    jobs: int = 1,
    cluster: ClusterName = "local",
) -> None:
    """Compare forecasters on the same windows of the same sessions: tables, figures, one JSON file.

    Give the same command again to continue: finished jobs are not repeated.

    Args:
        sessions: Session files, or folders of them.
        out: Folder of the benchmark, created if needed.
        models: Names of models and of estimators that forecast, separated by commas; those of the paper's Table 1 if
            not given, and of a sweep synapsnet and neuprint. The anchors mean, copy, damped_copy, ar5, linear,
            linear_rrr, var1 and var5 are always added.
        context: Number of past bins that models with an argument window see; the protocol's if not given, of paper the
            models' defaults.
        horizon: Number of bins ahead, the protocol's if not given; above 1 all models are scored at each horizon up to
            it. Models with an argument horizon forecast all bins directly, and once more by feeding their forecasts
            back; others feed back.
        seeds: Number of fits of each model, from seed 0 on.
        preset: Training recipe of all models: paper or fast.
        epochs: Number of passes over the training windows; the preset's if not given.
        patience: Number of epochs without a better validation correlation after which a fit stops.
        targets: Number of bins that each training window forecasts, one step ahead each; the preset's if not given.
            It is not a horizon: see --horizon.
        learning_rate: Learning rate of the first epochs; the preset's if not given.
        halve_every: Number of epochs after which the learning rate is halved; the preset's if not given.
        sweep: Sizes to compare: window=1,2,5,10,20 (figure 6) or embedding=4,8,16,32,64,128 (figure 7).
        ablations: Compare SynapsNet with SynapsNet without each of its parts (Table 2).
        dynamics: Compare SynapsNet with RNN, GRU, LSTM and Transformer inside (Table 3).
        single_only: Leave out the fits to all sessions together.
        protocol: Division of each session, context and horizon of a published comparison: paper (80/10/10 in time, or
            the parts in the session file), poco (60/20/20 in patches of 1,000 bins, context 48, horizon 16), zapbench
            (70/10/20 of each segment, context 4, horizon 32), zapbench-long (context 256) or spikeprophecy (70/15/15
            in time, bins of 50 ms, context 10).
        cross_validate: Number of folds K, 3 or more: each bin is in one test part, and scores are means over folds.
        folds: Folds of --cross-validate: blocks (in time, with gaps of the largest context between parts) or trials
            (whole segments at random).
        tuned: Folders of synapsnet tune, separated by commas: their models take their best hyper-parameters. The table
            says by how many trials each model was tuned.
        jobs: Number of fits at once.
        cluster: Place of the fits: local (this machine) or slurm.

    Example:
        synapsnet benchmark forecasting m1.h5 --preset fast --jobs 2 --out compared
        synapsnet benchmark forecasting m1.h5 --models synapsnet,gru,lasso_var --seeds 3 --out compared
        synapsnet benchmark forecasting m1.h5 --context 20 --horizon 16 --preset fast --out ahead
    """
    from synapsnet_pyg.benchmarks.forecasting import CrossValidation, compare_forecasts
    from synapsnet_pyg.benchmarks.jobs import Workers
    from synapsnet_pyg.runs.recipe import Preset

    if sum([sweep is not None, ablations, dynamics]) > 1 or (models and (ablations or dynamics)):
        raise ValueError("Expected one of --models, --sweep, --ablations and --dynamics (--sweep goes with --models).")
    if tuned and (sweep is not None or ablations or dynamics):
        raise ValueError("Expected --tuned without --sweep, --ablations and --dynamics, which change one thing alone.")
    kind, variants = _variants(listed(models), sweep, ablations, dynamics)
    changes = {
        "epochs": epochs,
        "patience": patience,
        "targets": targets,
        "learning_rate": learning_rate,
        "halve_every": halve_every,
        "protocol": protocol,
    }
    result = compare_forecasts(
        session_files(sessions),
        Path(out),
        variants,
        kind=kind,
        seeds=seeds,
        preset=Preset(preset, changes),
        multi=not single_only,
        context=context,
        horizon=horizon,
        cross_validation=None if cross_validate is None else CrossValidation(cross_validate, folds == "trials"),
        tuned=listed(tuned),
        workers=Workers(jobs, cluster),
    )
    result.short_table().print()
    say(f"written to {out}: {kind}.md, .csv, .tex, .json, .png and {kind}-sessions.md, .csv, .tex")
    if result.horizons is not None:
        for table in result.horizons.tables(with_errors=False).values():
            say()
            table.print()
        say(f"written to {out}: {kind}-horizons.csv, .png and {kind}-horizons-correlation, -against-copy, -mae")
    _raise_if_failed(len(result.failed))


def _variants(models: list[str], sweep: str | None, ablations: bool, dynamics: bool) -> "tuple[Kind, list[Variant]]":
    """Returns what is compared: the kind of the comparison and its variants."""
    from synapsnet_pyg.benchmarks import variants

    if ablations:
        return "ablations", variants.ablations()
    if dynamics:
        return "dynamics", variants.dynamics()
    if sweep is None:
        return "forecasting", variants.named(models or variants.PAPER_MODELS)
    size, _, values = sweep.partition("=")
    numbers = listed(values)
    if size not in variants.SWEEPS or not numbers or not all(number.isdigit() for number in numbers):
        raise ValueError(f"Expected --sweep window=1,2,5 or embedding=4,8,16 (got '{sweep}').")
    chosen = variants.sweep(models or ["synapsnet", "neuprint"], size, list(map(int, numbers)))
    return ("window" if size == "window" else "embedding"), chosen


def tune(
    sessions: list[str],
    *,
    out: str,
    model: str = "synapsnet",
    trials: int = 30,
    timeout: float | None = None,
    jobs: int = 1,
    preset: PresetName = "fast",
    epochs: int | None = None,
    patience: int | None = 10,
    targets: int | None = None,
    context: int | None = None,
    horizon: int | None = None,
    protocol: ProtocolName = "paper",
    space: str | None = None,
    seed: int = 0,
) -> None:
    """Search the hyper-parameters of a model that forecast the validation parts best, by Optuna.

    Give the same command again to continue, also in several shells at once. The first trial has the defaults. The score
    is the correlation of the next bin, or for several bins ahead the squared error. Test parts are not used. The best
    arguments are for 'fit --config FOLDER/best.yaml' and 'benchmark forecasting --tuned FOLDER'.

    Args:
        sessions: Session files, or folders of them, fitted together in each trial.
        out: Folder of the search, created if needed: tune.db, best.yaml for fit --config, tune.md and tune.csv.
        model: Name of the model: {models}, or package.module.Class of your own.
        trials: Number of trials in all, those of earlier calls included.
        timeout: Number of hours after which no further trial begins; no limit if not given.
        jobs: Number of trials at once.
        preset: Training recipe of all trials: paper or fast.
        epochs: Number of passes over the training windows; the preset's if not given.
        patience: Number of epochs without a better validation correlation after which a fit stops.
        targets: Number of bins that each training window forecasts, one step ahead each; the preset's if not given.
        context: Number of past bins; if not given it is the protocol's, of paper one of the hyper-parameters (window).
        horizon: Number of bins ahead; the protocol's if not given.
        protocol: Division of each session, context and horizon of a published comparison, as in benchmark forecasting:
            paper, poco, zapbench, zapbench-long or spikeprophecy.
        space: YAML file of hyper-parameters in place of the model's own: each has a list of choices or
            {{low: 1e-4, high: 1e-2, log: true}}. Names of a recipe, such as learning_rate, go to the recipe, others to
            the model.
        seed: Seed of the search and of all fits.

    Example:
        synapsnet tune m1.h5 --model gru --trials 30 --out tuned-gru
        synapsnet tune m1.h5 --model tide --context 20 --horizon 8 --trials 30 --jobs 2 --out tuned-tide
    """
    from synapsnet_pyg.benchmarks import tuning
    from synapsnet_pyg.benchmarks.search_spaces import read_space
    from synapsnet_pyg.runs.recipe import Preset

    changes = {"epochs": epochs, "patience": patience, "targets": targets, "protocol": protocol, "seed": seed}
    search = tuning.Search.of(
        session_files(sessions),
        model,
        None if space is None else read_space(space),
        preset=Preset(preset, changes),
        context=context,
        horizon=horizon,
    )
    tuning.tune(search, Path(out), trials=trials, hours=timeout, jobs=jobs).print()
    say(f"written to {out}: best.yaml, tune.md, .csv, .tex; now: synapsnet fit SESSIONS --config {out}/best.yaml")


def benchmark_connectivity(
    *,
    out: str,
    populations: str = "paper",
    sessions: str | None = None,
    methods: str | None = None,
    seeds: int = 10,
    bins: int | None = None,
    neurons: int | None = None,
    recorded: int | None = None,
    sim_args: dict[str, Any] | None = None,
    preset: PresetName = "fast",
    epochs: int | None = None,
    patience: int | None = 6,
    ablations: bool = False,
    jobs: int = 1,
    cluster: ClusterName = "local",
) -> None:
    """Recover known wiring by estimators and models (figure 5): tables, figures, one JSON file.

    Give the same command again to continue: finished jobs are not repeated.

    Args:
        out: Folder of the benchmark, created if needed.
        populations: Names of simulations, as in simulate --population, separated by commas; zoo for all worlds of the
            zoo. Each seed makes another population.
        sessions: Session files with a true connectivity, separated by commas, instead of simulations.
        methods: Names of models and estimators, separated by commas; if not given synapsnet and all estimators:
            {estimators}.
        seeds: Number of seeds, from 0 on.
        bins: Number of bins of each recording.
        neurons: Number of neurons in the population.
        recorded: Number of neurons that are recorded.
        sim_args: Any other parameter of the simulation, as in --sim-args.hidden_drive 0.
        preset: Training recipe of models: paper or fast.
        epochs: Number of passes over the training windows; the preset's if not given.
        patience: Number of epochs without a better validation correlation after which a fit stops.
        ablations: Compare SynapsNet with SynapsNet without the parts that serve its connectivity.
        jobs: Number of populations at once.
        cluster: Place of the jobs: local (this machine) or slurm.

    Example:
        synapsnet benchmark connectivity --jobs 2 --out recovered
        synapsnet benchmark connectivity --methods ridge_var,lasso_var --seeds 3 --bins 5000 --out recovered
    """
    from synapsnet_pyg.benchmarks.jobs import Workers
    from synapsnet_pyg.benchmarks.recovery import DEFAULT_METHODS, Populations, compare_recovery
    from synapsnet_pyg.benchmarks.variants import named, recovery_ablations
    from synapsnet_pyg.runs.recipe import Preset

    if ablations and methods:
        raise ValueError("Expected either --methods or --ablations.")
    sizes = {"bins": bins, "neurons": neurons, "recorded": recorded}
    parameters = {key: value for key, value in sizes.items() if value is not None} | dict(sim_args or {})
    result = compare_recovery(
        Path(out),
        recovery_ablations() if ablations else named(listed(methods) or DEFAULT_METHODS),
        Populations(listed(populations), parameters, listed(sessions)),
        seeds=seeds,
        preset=Preset(preset, {"epochs": epochs, "patience": patience}),
        workers=Workers(jobs, cluster),
    )
    for table in result.short_tables():
        table.print()
    say(f"written to {out}: connectivity.md, .csv, .tex, .json, connectivity-seeds.* and a figure for each population")
    _raise_if_failed(len(result.failed))


def _raise_if_failed(failed: int) -> None:
    from synapsnet_pyg.benchmarks.jobs import JobsFailed

    if failed:
        raise JobsFailed(f"{failed} job(s) failed; the same command tries them again.")
