"""Commands that fit models, and commands that evaluate and write results of runs.

Heavy libraries are imported by the command that needs them.
"""

import json as json_text
from pathlib import Path
from typing import Any, Literal

from synapsnet_pyg.cli.arguments import PresetName, ProtocolName, figure_formats, listed, output_folder, session_files
from synapsnet_pyg.files import say, typed_path


def fit(
    sessions: list[str],
    *,
    out: str,
    model: str = "synapsnet",
    preset: PresetName = "paper",
    connectivity: Literal["auto", "dense", "sparse", "low-rank+sparse"] | None = None,
    window: int | None = None,
    targets: int | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    halve_every: int | None = None,
    patience: int | None = None,
    seed: int = 0,
    protocol: ProtocolName = "paper",
    fold: str | None = None,
    model_args: dict[str, Any] | None = None,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    precision: Literal["32-true", "bf16-mixed"] = "32-true",
    devices: int = 1,
    nodes: int = 1,
    resume: bool = False,
    logger: Literal["csv", "tensorboard", "wandb"] | None = None,
) -> None:
    """Fit a model to one or more sessions.

    Args:
        sessions: Session files, or folders of them. Several are fitted together; a neuron id that comes twice is one
            neuron.
        out: Folder of the run, created if needed; it must not hold another run.
        model: Name of the model: {models}, or package.module.Class of your own. Estimators
            ({forecasting_estimators}) are solved in closed form, without epochs.
        preset: Training recipe: paper (one target a window, 100 epochs) or fast (16 targets, 12 epochs or more).
        connectivity: Graph of SynapsNet: all pairs (dense), or for each neuron the 300 likeliest senders, without
            (sparse) or with a common drive (low-rank+sparse); auto, the default, is dense for at most 2,500 neurons if
            that takes at most half of the free memory, else low-rank+sparse.
        window: Number of past bins that a forecast sees; the protocol's if not given, of paper the model's default.
        targets: Number of bins that each training window forecasts, one step ahead each; the preset's if not given.
            It is not a horizon: for forecasts further ahead see evaluate --horizon.
        epochs: Number of passes over the training windows; the preset's if not given.
        batch_size: Number of windows in a step; the preset's if not given.
        learning_rate: Learning rate of the first epochs; the preset's if not given.
        halve_every: Number of epochs after which the learning rate is halved; the preset's if not given.
        patience: Number of epochs without a better validation correlation after which training stops; never if not
            given.
        seed: Seed of the weights' start, the order of windows and dropout.
        protocol: Division of each session, context and horizon of a published comparison, as in benchmark forecasting:
            paper, poco, zapbench, zapbench-long or spikeprophecy.
        fold: Fold in place of the protocol's parts: 2/5 (second of five blocks in time is the test part), 2/5 gap 48
            (bins between parts; the protocol's context if not given) or 2/5 trials (segments at random).
        model_args: Any argument of the model, as in --model-args.hidden_size 64.
        device: Where to compute: cuda (a GPU), cpu, or auto, a GPU if there is one.
        precision: Bits of matrix products: 32-true, or bf16-mixed for 16 of them, faster on a GPU.
        devices: Number of processes on each machine, each with its own device. They divide the sessions, and a step
            takes a batch of each; if there are fewer sessions than processes, they divide every batch.
        nodes: Number of machines.
        resume: Continue an interrupted run, given the same command again, or begin it; --epochs may be larger.
        logger: Logger that receives the scores of each epoch, in the folder of the run: csv, tensorboard or wandb
            (Weights & Biases); history.csv is always written.

    Example:
        synapsnet fit m1.h5 --out run --patience 10
        synapsnet fit sessions --out run --preset fast --model-args.hidden_size 64 --logger csv
    """
    from synapsnet_pyg.benchmarks.variants import Variant, over_horizons
    from synapsnet_pyg.data.protocols import PROTOCOLS
    from synapsnet_pyg.runs import recipe
    from synapsnet_pyg.runs.hardware import Hardware
    from synapsnet_pyg.runs.loggers import make_logger
    from synapsnet_pyg.runs.processes import join
    from synapsnet_pyg.runs.run import Run

    changes = {
        "targets": targets,
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "halve_every": halve_every,
        "patience": patience,
        "seed": seed,
        "protocol": protocol,
        "fold": fold,
    }
    given = {"window": window, "connectivity": connectivity}
    arguments = dict(model_args or {}) | {name: value for name, value in given.items() if value is not None}
    if protocol != "paper":
        size = PROTOCOLS[protocol]
        arguments = dict(over_horizons([Variant(model, model, arguments)], size.context, size.horizon)[0].arguments)
    hardware = Hardware(device, precision, devices, nodes)
    Run.fit(
        session_files(sessions),
        out,
        model,
        arguments=arguments,
        recipe=recipe.Preset(preset, changes),
        hardware=hardware,
        resume=resume,
        logger=None if logger is None else make_logger(logger, out),
    )
    if join(hardware).is_first:
        trust = f" --trust {model}" if "." in model else ""
        say(f"fitted run in {typed_path(out)}; now: synapsnet evaluate {typed_path(out)}{trust}")


def adapt(
    run: str,
    session: str,
    *,
    out: str,
    epochs: int | None = None,
    patience: int | None = None,
    seed: int = 0,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    resume: bool = False,
    trust: str | None = None,
) -> None:
    """Take a fitted run to a new session: its dynamics stay, connectivity and embeddings are learned.

    Args:
        run: Folder of a run, or of what export wrote, of a model whose dynamics sessions share, such as synapsnet or
            neuprint.
        session: Session file with the same behaviours.
        out: Folder of the new run, created if needed; it must not hold another run.
        epochs: Number of passes over the training windows; the run's if not given.
        patience: Number of epochs without a better validation correlation after which training stops; the run's if
            not given.
        seed: Seed of the weights' start, the order of windows and dropout.
        device: Where to compute: cuda (a GPU), cpu, or auto, a GPU if there is one.
        resume: Continue an interrupted run, given the same command again, or begin it.
        trust: Classes outside the package that the run may import, such as my_model.MyModel, separated by commas; a
            model of your own has one.

    Example:
        synapsnet adapt run tuesday.h5 --out run-tuesday
        synapsnet adapt run tuesday.h5 --out run-tuesday --epochs 5 --seed 1
    """
    from synapsnet_pyg.runs.hardware import Hardware
    from synapsnet_pyg.runs.run import Run

    changes = {"epochs": epochs, "patience": patience, "seed": seed}
    Run.adapt(run, session, out, changes=changes, hardware=Hardware(device), resume=resume, trust=listed(trust))
    say(f"fitted run in {typed_path(out)}; now: synapsnet evaluate {typed_path(out)}")


def evaluate(
    run: str, *, horizon: int = 1, json: bool = False, neurons: str | None = None, trust: str | None = None
) -> None:
    """Score a run on its test parts, beside mean, copy, AR(5) and ridge VAR forecasts, and the mean over trials.

    Scores have 95 % intervals over blocks of test bins. The ceiling is an estimate of the correlation that the noise
    in each neuron's activity allows.

    Args:
        run: Folder of the run.
        horizon: Number of bins ahead; above 1 further tables follow, with horizons as columns. A model forecasts all
            bins directly if it can, else by feeding its forecasts back (rolled out).
        json: Print one JSON object instead of tables.
        neurons: CSV file to write, with a row for each neuron: scores of all models, ceiling, rate and fields.
        trust: Classes outside the package that the run may import, such as my_model.MyModel, separated by commas; a
            model of your own has one.

    Example:
        synapsnet evaluate run
        synapsnet evaluate run --horizon 16
        synapsnet evaluate run --json > scores.json
        synapsnet evaluate run --neurons neurons.csv
    """
    from synapsnet_pyg.runs.evaluation import evaluate as evaluate_run
    from synapsnet_pyg.runs.evaluation import with_anchors
    from synapsnet_pyg.runs.horizon_evaluation import evaluate_horizons
    from synapsnet_pyg.runs.run import Run
    from synapsnet_pyg.runs.score_tables import print_scores

    if horizon < 1:
        raise ValueError(f"Expected --horizon of at least 1 bin (got {horizon}).")
    if neurons is not None and Path(neurons).suffix != ".csv":
        raise ValueError(f"Expected a file name that ends in .csv (got '{neurons}'), such as --neurons neurons.csv.")
    loaded = Run.load(run, trust=listed(trust))
    compared = with_anchors(loaded, loaded.split())
    scores = evaluate_run(loaded, compared)
    ahead = evaluate_horizons(loaded, horizon, compared=compared) if horizon > 1 else None
    if neurons is not None:
        from synapsnet_pyg.results.neuron_scores import save_neuron_scores

        save_neuron_scores(scores, Path(neurons))
    if json:
        values = scores.to_json() | ({} if ahead is None else {"horizons": ahead.to_json()})
        print(json_text.dumps(values, indent=2))
        return
    print_scores(scores)
    if ahead is not None:
        ahead.print()
    if neurons is not None:
        say(f"written to {neurons}")


def connectivity(
    run: str,
    *,
    out: str,
    format: str | None = None,
    threshold: float = 0.0,
    top_k: int | None = None,
    significance: bool = False,
    fdr: float | None = None,
    ensemble: str | None = None,
    trust: str | None = None,
) -> None:
    """Write the learned connectivity: matrix, edge table and graph, with statistics of every edge on request.

    Args:
        run: Folder of the run.
        out: Folder for the files, created if needed.
        format: Formats, separated by commas: npz (matrix), csv, parquet (edge table), graphml, gexf (graph), sparse
            (SciPy matrix), mat (MATLAB). If not given: npz, csv of at most 100000 edges (the significant and the
            strongest), and with --significance a graphml of the significant edges alone.
        threshold: Smallest absolute weight of an edge in tables and graphs.
        top_k: Number of strongest edges in tables and graphs; all if not given.
        significance: Test every edge of the recording. The column weight is the learned weight, as without the test,
            in standard deviations of the receiver's activity for one of the sender's. New columns: posterior_mean
            (effect shrunk towards zero where evidence is weak), effect (before shrinkage), error (its standard error),
            p_value, q_value, edge_probability, sign_stability (share of block-bootstrap samples with the same sign),
            lag (bins after which the edge acts), same_bin (partial correlation within the bin, whose direction the data
            do not tell) and same_bin_q. The expected share of false edges and limits of the recording are printed.
        fdr: False discovery rate of the edges in tables and graphs, such as 0.05; goes with --significance.
        ensemble: Further runs of the same sessions from other seeds, separated by commas. Weights become the mean over
            all runs. New columns: seed_deviation and sign_agreement (share of the runs with the sign of the mean).
        trust: Classes outside the package that the runs may import, such as my_model.MyModel, separated by commas; a
            model of your own has one.

    Example:
        synapsnet connectivity run --out results
        synapsnet connectivity run --out results --significance --fdr 0.05 --ensemble run-1,run-2
    """
    formats = None if format is None else listed(format)
    from synapsnet_pyg.results.connectivity import SIGNIFICANT, connectivity_results, save_connectivity_results
    from synapsnet_pyg.results.connectivity_files import FORMATS
    from synapsnet_pyg.runs.run import Run

    if formats is not None and (not formats or any(name not in FORMATS for name in formats)):
        raise ValueError(f"Expected formats among {', '.join(FORMATS)} (got '{format}').")
    if fdr is not None and not significance:
        raise ValueError("Expected --significance beside --fdr (got --fdr alone).")
    if fdr is not None and not 0 < fdr < 1:
        raise ValueError(f"Expected --fdr between 0 and 1, such as 0.05 (got {fdr}).")
    runs = [Run.load(folder, trust=listed(trust)) for folder in (run, *listed(ensemble))]
    results = connectivity_results(runs, significance=significance, rate=SIGNIFICANT if fdr is None else fdr)
    for line in save_connectivity_results(
        runs[0], results, Path(out), formats=formats, threshold=threshold, top_k=top_k, rate=fdr
    ):
        say(line)


def dynamics(
    run: str,
    *,
    out: str,
    top_k: int = 20,
    states: str | None = None,
    group_by: str | None = None,
    save: bool = False,
    trust: str | None = None,
) -> None:
    """Write the dynamics of the connectivity over the training part: mean and deviation, edges over time, states.

    Args:
        run: Folder of a run, best of a model whose connectivity follows the activity (netformer) or the behaviour
            (synapsnet with --model-args.modulation true).
        out: Folder for the files, created if needed.
        top_k: Number of the edges that change most to follow over time.
        states: Behaviours that are 1 where a state is on and 0 elsewhere, or comparisons such as 'running>2' in the
            unit of the recording, separated by commas: mean connectivity over the windows that lie within each state.
        group_by: Field of the neurons, such as cell_type, subclass or area, beside --states: connectivity from group to
            group in each state, tests of effects of groups, and differences between states. These differences are not
            tested: a model that is modulated by the states differs between them by construction. The command compare
            tests whether the recording differs.
        save: Write every weight in every window too (HDF5): neurons x neurons x windows x 4 bytes, compressed.
        trust: Classes outside the package that the run may import, such as my_model.MyModel, separated by commas; a
            model of your own has one.

    Example:
        synapsnet dynamics run --out results
        synapsnet dynamics run --out results --states running,still --group-by cell_type
        synapsnet dynamics run --out results --states 'running>2,running<0.5'
    """
    from synapsnet_pyg.results.dynamic_connectivity import save_dynamics
    from synapsnet_pyg.runs.run import Run

    loaded = Run.load(run, trust=listed(trust))
    for line in save_dynamics(
        loaded, Path(out), top_k=top_k, states=listed(states), group_by=group_by, every_window=save
    ):
        say(line, flush=True)


def report(
    run: str,
    *,
    out: str | None = None,
    session: str | None = None,
    format: str = "png,svg,pdf",
    trust: str | None = None,
) -> None:
    """Make a page of a run: a summary, scores, forecasts, connectivity and its significance; figures and tables.

    Several sessions have a page each beside index.html; those of 100 neurons or more are computed in up to four
    processes at once (OMP_NUM_THREADS=1: in one). Settings of matplotlib (matplotlibrc) change the figures.

    Args:
        run: Folder of the run.
        out: Folder for the page, created if needed; RUN/report if not given.
        session: Name of the only session on the page; all sessions if not given.
        format: Formats of the figures' files, separated by commas: png, svg, pdf.
        trust: Classes outside the package that the run may import, such as my_model.MyModel, separated by commas; a
            model of your own has one.

    Example:
        synapsnet report run
        synapsnet report run --out page --session monday
    """
    from synapsnet_pyg.report.report import write_report
    from synapsnet_pyg.runs.run import Run

    loaded = Run.load(run, trust=listed(trust))
    folder = Path(out or Path(run) / "report")
    written = write_report(loaded, folder, session, formats=figure_formats(format))
    say(f"written to {folder}: index.html and {len(written) - 1} other files")


def figures(
    run: str, *, out: str, session: str | None = None, format: str = "png,svg,pdf", trust: str | None = None
) -> None:
    """Draw a run: connectivity, forecasts of a few neurons, scores of all neurons, training curve.

    Settings of matplotlib (matplotlibrc) change the figures.

    Args:
        run: Folder of the run.
        out: Folder for the files, created if needed.
        session: Name of the only session to draw; all sessions if not given.
        format: Formats of each figure, separated by commas: png, svg, pdf.
        trust: Classes outside the package that the run may import, such as my_model.MyModel, separated by commas; a
            model of your own has one.

    Example:
        synapsnet figures run --out figures
        synapsnet figures run --out figures --session monday
    """
    from synapsnet_pyg.runs.evaluation import evaluate as evaluate_run
    from synapsnet_pyg.runs.run import Run

    formats = figure_formats(format)
    loaded = Run.load(run, trust=listed(trust))
    names, folder = loaded.session_names(session), output_folder(out)
    scores = evaluate_run(loaded)

    from synapsnet_pyg.results.figures import draw_run  # the largest matrices are gone when all of matplotlib comes

    for path in draw_run(loaded, names, folder, formats=formats, scores=scores):
        say(f"written to {path}")


def export(run: str, *, to: str) -> None:
    """Write a run as a folder to give away: weights, learned connectivity, scores, model card, but no recording.

    Others adapt it to their recordings. Names of sessions, neurons and behaviours are in it. Only models of the package
    can be written: to read the folder runs no code of yours.

    Args:
        run: Folder of the run.
        to: Folder of the files, created if needed; files of an older export are replaced.

    Example:
        synapsnet export run --to shared
        synapsnet export run --to for-a-colleague
    """
    from synapsnet_pyg.runs.run import Run
    from synapsnet_pyg.runs.run_file import RunRecord
    from synapsnet_pyg.runs.sharing import require_own_model

    require_own_model(RunRecord.read(Path(run)).kind)
    say(f"written to {Run.load(run).save_pretrained(to)}; it holds no recording, see README.md in it")
