"""The figures of a run, as PNG files."""

import csv
from pathlib import Path

from synapsnet_pyg import plots
from synapsnet_pyg.atomic import atomic_path
from synapsnet_pyg.metrics import correlation
from synapsnet_pyg.models.forecaster import forecast_session
from synapsnet_pyg.run import Run


def draw_run(run: Run, session: str, folder: Path) -> list[Path]:
    """Draws connectivity (beside the true one where known), forecasts of the best neurons, and the training curve.

    Args:
        run: With a model that tells a connectivity.
        session: Name of one of its sessions.
        folder: An existing folder.

    Returns:
        The files written.
    """
    recorded = run.sessions[session]
    split = recorded.split()
    drawn = []
    learned, truth = run.model.connectivity(split.train), recorded.true_connectivity
    if truth is None:
        figure, (ax,) = plots.figure(5.4, 4.6)
        plots.matrix(ax, learned, "learned connectivity")
    else:
        figure, (left, middle, right) = plots.figure(14, 4.4, 3)
        plots.matrix(left, truth, "true connectivity")
        plots.matrix(middle, learned, "learned connectivity")
        plots.true_against_learned(right, truth, learned)
    drawn.append((figure, "connectivity.png"))

    forecast = forecast_session(run.model, split.test, run.targets)
    best = correlation(forecast.truth, forecast.forecast).nan_to_num(-1).argsort(descending=True)[:5]
    shown = slice(0, min(300, len(forecast.bins)))
    start = recorded.num_bins - split.test.num_bins
    figure, (ax,) = plots.figure(10, 5)
    plots.forecast_course(
        ax,
        ((start + forecast.bins[shown]) * recorded.bin_size).numpy(),
        forecast.truth[best][:, shown].numpy(),
        forecast.forecast[best][:, shown].numpy(),
        [recorded.neuron_id[i] for i in best.tolist()],
    )
    drawn.append((figure, "forecast.png"))

    history = run.folder / "history.csv"
    if history.is_file():
        with history.open(newline="") as file:
            rows = list(csv.DictReader(file))
        figure, (ax,) = plots.figure(5.4, 3.8)
        plots.training_curve(
            ax, [int(row["epoch"]) for row in rows], [float(row["validation_correlation"]) for row in rows]
        )
        drawn.append((figure, "training.png"))
    for figure, name in drawn:
        with atomic_path(folder / name) as temporary:
            figure.savefig(temporary, dpi=120)
    return [folder / name for _, name in drawn]
