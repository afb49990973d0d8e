import numpy as np

from synapsnet_pyg.plots.canvas import make_figure
from synapsnet_pyg.plots.forecasts import draw_forecast_traces, draw_raster, draw_training_curve, time_ticks


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
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0", "0.1", "0.2", "0.3", "0.4"]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["1", "2", "3"]


def test_raster_names_the_condition_of_each_trial_and_ends_its_colours():
    figure, (ax,) = make_figure(5, 3)
    activity = np.array([[9.0, 0, 0, 0, 0], [0, 0, -1, 0, 0]])
    draw_raster(ax, activity, np.arange(5.0), breaks=[2], conditions=["left", "right"], label="2 neurons by area")
    (above,) = ax.child_axes
    figure.draw_without_rendering()
    assert above.get_xticks().tolist() == [0.5, 3]  # in the middle of each trial
    assert [text.get_text() for text in above.get_xticklabels()] == ["left", "right"]
    assert ax.get_ylabel() == "2 neurons by area"
    assert ax.images[0].colorbar.extend == "both"


def test_ticks_are_at_round_times_or_where_trials_begin():
    seconds = 90.17 + np.arange(295) / 30
    places, texts = time_ticks(seconds, [])
    assert texts == ["92", "94", "96", "98"]
    assert np.abs(seconds[places] - [92, 94, 96, 98]).max() <= 1 / 60
    assert time_ticks(np.array([25.3, 25.32, 25.7]), [2]) == ([0, 2], ["25.3", "25.7"])


def test_the_legend_names_the_intervals():
    _, (ax,) = make_figure(4, 3)
    truth = np.random.randn(2, 6)
    bands = np.stack([truth - 1, truth + 1, truth - 2, truth + 2])
    draw_forecast_traces(ax, np.arange(6.0), truth, truth, labels=["a", "b"], bands=bands)
    names = [text.get_text() for text in ax.get_legend().get_texts()]
    assert names == ["95 % interval", "50 % interval", "true", "forecast one bin ahead"]
