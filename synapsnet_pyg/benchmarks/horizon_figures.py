"""Figure of the forecasting benchmark over horizons."""

from synapsnet_pyg.benchmarks.horizon_results import HorizonResults
from synapsnet_pyg.plots.canvas import Figure, make_figure
from synapsnet_pyg.plots.horizons import draw_horizons


def draw_horizon_results(results: HorizonResults) -> Figure:
    """Draws correlation and score against copy over horizons, a line for each model.

    Horizons are in seconds if all sessions have bins of the same size, else in bins.

    Args:
        results: Scores of a benchmark.
    """
    sizes = set(results.bin_size.values())
    unit, size = ("s", sizes.pop()) if len(sizes) == 1 else ("bins", 1.0)
    ahead = [h * size for h in range(1, results.horizon + 1)]
    figure, (left, right) = make_figure(12.5, 4.4, columns=2)
    draw_horizons(left, ahead, results.means("correlation"), unit=unit, label="test correlation")
    against_copy = results.means("against_copy")
    draw_horizons(right, ahead, against_copy, unit=unit, label="1 - MSE / MSE of a copy", bottom=-0.5, legend=True)
    return figure
