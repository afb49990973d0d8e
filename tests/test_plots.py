import numpy as np
import torch

from synapsnet_pyg import plots


def test_matrix_shows_receivers_as_rows_and_no_diagonal():
    _, (ax,) = plots.figure(3, 3)
    connectivity = torch.tensor([[9.0, 0.5], [-1.0, 9.0]])
    shown = plots.matrix(ax, connectivity, limit=2.0).images[0].get_array()
    assert np.array_equal(np.asarray(shown), [[0, 0.5], [-1, 0]])
    assert ax.get_ylabel() == "receiver i"


def test_scatter_tells_the_correlation():
    _, (ax,) = plots.figure(3, 3)
    truth = torch.randn(6, 6)
    plots.true_against_learned(ax, truth, 2 * truth)
    assert "1.00" in ax.get_title()


def test_courses_and_training_curve_are_drawn(tmp_path):
    figure, (left, right) = plots.figure(6, 3, 2)
    plots.forecast_course(left, np.arange(9.0), np.random.randn(3, 9), np.random.randn(3, 9), ["a", "b", "c"], [4])
    plots.training_curve(right, [1, 2, 3], [0.1, 0.3, 0.2], {"var1": 0.25})
    assert len(left.lines) == 3 * 2 + 2  # with the mark of the break and the bar of three deviations
    assert np.isnan(left.lines[0].get_xdata()[4])
    assert "epoch 2" in right.get_title()
    figure.savefig(tmp_path / "a.png")
