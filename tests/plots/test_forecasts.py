import numpy as np

from synapsnet_pyg.plots.canvas import make_figure
from synapsnet_pyg.plots.forecasts import draw_forecast_traces, draw_raster, draw_training_curve


def test_traces_and_training_curve_are_drawn(tmp_path):
    figure, (left, right) = make_figure(6, 3, columns=2)
    draw_forecast_traces(
        left, np.arange(9.0), np.random.randn(3, 9), np.random.randn(3, 9), labels=["a", "b", "c"], breaks=[4]
    )
    draw_training_curve(right, [1, 2, 3], [0.1, 0.3, 0.2], 1, anchors={"var1": 0.25})
    assert len(left.lines) == 3 * 2 + 2  # with the mark of the break and the bar of three deviations
    assert np.isnan(left.lines[0].get_xdata()[4])
    assert "epoch 2" in right.get_title()
    figure.savefig(tmp_path / "a.png")


def test_raster_shows_its_numbers():
    _, (ax,) = make_figure(3, 3)
    activity = np.random.randn(3, 5)
    shown = draw_raster(ax, activity, np.arange(5.0) / 10, title="true").images[0]
    assert np.array_equal(np.asarray(shown.get_array()), activity)
    assert shown.get_extent() == [-0.5, 4.5, 2.5, -0.5]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0.00", "0.10", "0.20", "0.30", "0.40"]
