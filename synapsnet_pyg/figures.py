"""The figures of a run, as PNG files."""

import csv
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import torch

from synapsnet_pyg import plots
from synapsnet_pyg.atomic import atomic_path
from synapsnet_pyg.evaluation import scored_neurons
from synapsnet_pyg.export import file_name
from synapsnet_pyg.metrics import correlation
from synapsnet_pyg.models.forecaster import forecast_session
from synapsnet_pyg.run import Run


def draw_run(run: Run, sessions: Sequence[str], folder: Path) -> list[Path]:
    """Draws the connectivity of sessions (beside the true one where known), a few forecasts, and the training curve.

    Args:
        run: Any.
        sessions: Names of some of its sessions.
        folder: An existing folder.

    Returns:
        The files written: ``<session>-connectivity.png`` where the model tells one, ``<session>-forecast.png``,
        ``training.png`` (``<session>-training.png`` where each session has a model of its own).
    """
    drawn: list[tuple[plots.Figure, str]] = []
    for name in sessions:
        prefix = file_name(name)
        with suppress(NotImplementedError):  # a model that tells none
            drawn.append((_connectivity(run, name), f"{prefix}-connectivity.png"))
        drawn.append((_forecasts(run, name), f"{prefix}-forecast.png"))
        if (run.folder / prefix / "history.csv").is_file():
            drawn.append((_training(run.folder / prefix / "history.csv"), f"{prefix}-training.png"))
    if (run.folder / "history.csv").is_file():
        drawn.append((_training(run.folder / "history.csv"), "training.png"))
    for figure, name in drawn:
        with atomic_path(folder / name) as temporary:
            figure.savefig(temporary, dpi=120)
    return [folder / name for _, name in drawn]


def _training(history: Path) -> plots.Figure:
    with history.open(newline="") as file:
        rows = list(csv.DictReader(file))
    figure, (ax,) = plots.figure(5.4, 3.8)
    plots.training_curve(
        ax, [int(row["epoch"]) for row in rows], [float(row["validation_correlation"]) for row in rows]
    )
    return figure


def _connectivity(run: Run, name: str) -> plots.Figure:
    session = run.sessions[name]
    learned, truth = run.model.connectivity(session.split().train), session.true_connectivity
    areas = session.neuron_fields.get("area")
    areas = areas if isinstance(areas, list) else None
    if truth is None:
        figure, (ax,) = plots.figure(5.8, 4.6)
        plots.matrix(ax, learned, f"{name}: learned connectivity", groups=areas)
        return figure
    figure, (left, middle, right) = plots.figure(14, 4.4, 3)
    plots.matrix(left, truth, f"{name}: true connectivity", groups=areas)
    plots.matrix(middle, learned, "learned connectivity", groups=areas)
    plots.true_against_learned(right, truth, learned)
    return figure


def _forecasts(run: Run, name: str) -> plots.Figure:
    """The five neurons that are forecast best, over the first bins of the test part."""
    session = run.sessions[name]
    test = session.split().test
    forecast = forecast_session(run.model, test, run.targets)
    r = correlation(forecast.truth, forecast.forecast)
    r[~scored_neurons(session, forecast.truth)] = -torch.inf
    best = r.argsort(descending=True)[: min(5, int(r.isfinite().sum()))]
    if not len(best):
        raise ValueError(f"Expected a neuron that varies in training and test part of session '{name}' (got none).")
    bins = forecast.bins[:300]
    # A line must not run on from one segment into the next.
    belongs = torch.searchsorted(test.segment[:, 1].contiguous(), bins, right=True)
    new = torch.nonzero((bins.diff() > 1) | (belongs.diff() > 0)).flatten() + 1
    figure, (ax,) = plots.figure(10, 5)
    plots.forecast_course(
        ax,
        ((session.num_bins - test.num_bins + bins) * session.bin_size).numpy(),
        forecast.truth[best][:, : len(bins)].numpy(),
        forecast.forecast[best][:, : len(bins)].numpy(),
        [f"{session.neuron_id[i]}\nr = {float(r[i]):.2f}" for i in best.tolist()],
        new.tolist(),
    )
    ax.set_title(
        f"{name}: the {len(best)} best forecast neurons, beginning of the test part", loc="left", fontsize="medium"
    )
    return figure
