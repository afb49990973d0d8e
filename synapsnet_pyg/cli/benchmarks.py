"""Commands that compare.

Heavy libraries are imported by the command that needs them.
"""

from pathlib import Path
from typing import Any, Literal

from synapsnet_pyg.cli.arguments import listed, session_files


def benchmark_forecasting(
    sessions: list[str],
    *,
    out: str,
    models: str | None = None,
    seeds: int = 1,
    preset: Literal["paper", "fast"] = "paper",
    epochs: int | None = None,
    patience: int | None = 10,
    targets: int | None = None,
    learning_rate: float | None = None,
    sweep: str | None = None,
    ablations: bool = False,
    dynamics: bool = False,
    single_only: bool = False,
    jobs: int = 1,
    cluster: Literal["local", "slurm"] = "local",
) -> None:
    """Compare forecasters on the same windows of the same sessions: tables, figures, one JSON file.

    Give the same command again to go on: jobs that are done are not repeated.

    Args:
        sessions: Session files, or folders of them.
        out: Folder of the comparison.
        models: Names, separated by commas; those of the paper's Table 1 if not given (of a sweep: synapsnet, neuprint).
        seeds: How many fits of each, from seed 0 on.
        preset: Training recipe of all: paper or fast.
        epochs: Instead of the preset's.
        patience: Stop a fit after so many epochs without a better validation correlation.
        targets: Bins forecast in each window, instead of the preset's.
        learning_rate: Instead of the preset's.
        sweep: Sizes to compare, window=1,2,5,10,20 (figure 6) or embedding=4,8,16,32,64,128 (figure 7).
        ablations: Compare SynapsNet with itself without each of its parts (Table 2).
        dynamics: Compare SynapsNet with RNN, GRU, LSTM and Transformer inside (Table 3).
        single_only: Leave out the fits of all sessions together.
        jobs: How many fits at once.
        cluster: Where they run: local (this machine) or slurm.
    """
    from synapsnet_pyg.benchmarks import variants
    from synapsnet_pyg.benchmarks.forecasting import Kind, compare_forecasts

    if sum([sweep is not None, ablations, dynamics]) > 1 or (models and (ablations or dynamics)):
        raise ValueError("Expected one of --models, --sweep, --ablations and --dynamics (--sweep goes with --models).")
    kind: Kind = "forecasting"
    if sweep is not None:
        what, _, sizes = sweep.partition("=")
        if what not in ("window", "embedding") or not all(size.isdigit() for size in listed(sizes)) or not sizes:
            raise ValueError(f"Expected --sweep window=1,2,5 or embedding=4,8,16 (got '{sweep}').")
        kind = "window" if what == "window" else "embedding"
        chosen = variants.sweep(listed(models) or ["synapsnet", "neuprint"], what, list(map(int, listed(sizes))))
    elif ablations:
        kind, chosen = "ablations", variants.ablations()
    elif dynamics:
        kind, chosen = "dynamics", variants.dynamics()
    else:
        chosen = [variants.Variant(name, name) for name in listed(models) or variants.PAPER_MODELS]
    training = {"epochs": epochs, "patience": patience, "targets": targets, "learning_rate": learning_rate}
    if seeds < 1:
        raise ValueError(f"Expected at least 1 seed (got {seeds}).")
    files = session_files(sessions)
    told = compare_forecasts(files, Path(out), chosen, kind, seeds, preset, training, not single_only, jobs, cluster)
    from synapsnet_pyg.benchmarks.tables import print_comparison

    print_comparison(told)
    print(f"written to {out}: {kind}.md, .csv, .tex, .json, .png and {kind}-sessions.md, .csv, .tex")
    if told["failed"]:
        raise RuntimeError(f"{len(told['failed'])} job(s) failed; the same command tries them again.")


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
    preset: Literal["paper", "fast"] = "fast",
    epochs: int | None = None,
    patience: int | None = 6,
    ablations: bool = False,
    jobs: int = 1,
    cluster: Literal["local", "slurm"] = "local",
) -> None:
    """Find known wiring again by estimators and models (figure 5): tables, figures, one JSON file.

    Give the same command again to go on: jobs that are done are not repeated.

    Args:
        out: Folder of the comparison.
        populations: Simulations, as in simulate --population, separated by commas; each seed makes another.
        sessions: Session files that know their graph, separated by commas, instead of simulations.
        methods: Models and estimators, separated by commas; if not given: synapsnet, sparse_low_rank_var, soft_ridge,
            lasso_var, ridge_var, poisson_glm, partial_correlation, lag0, lag1, lag2, curbd.
        seeds: How many, from 0 on.
        bins: Length of each recording.
        neurons: Neurons in the population.
        recorded: How many of them are recorded.
        sim_args: Any other argument of the simulator, as in --sim-args.hidden_drive 0.
        preset: Training recipe of models: paper or fast.
        epochs: Instead of the preset's.
        patience: Stop a fit after so many epochs without a better validation correlation.
        ablations: Compare SynapsNet with itself without the parts that serve its connectivity.
        jobs: How many at once.
        cluster: Where they run: local (this machine) or slurm.
    """
    from synapsnet_pyg.benchmarks.recovery import DEFAULT_METHODS, compare_recovery, recovery_ablations
    from synapsnet_pyg.benchmarks.tables import print_recovery
    from synapsnet_pyg.benchmarks.variants import Variant

    if ablations and methods:
        raise ValueError("Expected either --methods or --ablations.")
    sizes = {"bins": bins, "neurons": neurons, "recorded": recorded}
    laws = {key: value for key, value in sizes.items() if value is not None} | dict(sim_args or {})
    compared = recovery_ablations() if ablations else [Variant(m, m) for m in listed(methods) or DEFAULT_METHODS]
    told = compare_recovery(
        Path(out),
        compared,
        listed(populations),
        listed(sessions),
        seeds,
        laws,
        preset,
        {"epochs": epochs, "patience": patience},
        jobs,
        cluster,
    )
    print_recovery(told)
    print(f"written to {out}: connectivity.md, .csv, .tex, .json, connectivity-seeds.* and a picture a population")
    if told["failed"]:
        raise RuntimeError(f"{len(told['failed'])} job(s) failed; the same command tries them again.")
