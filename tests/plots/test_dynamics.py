import numpy as np
import pytest

from synapsnet_pyg.plots.canvas import make_figure
from synapsnet_pyg.plots.dynamics import draw_changes, draw_trace_agreement, draw_weight_traces


def test_time_series_stand_beside_those_of_other_weights():
    _, (ax,) = make_figure(3, 3)
    pearson, by_chance = np.array([0.95, 0.85, 0.85, -0.05]), np.repeat([-0.95, 0.95], [30, 10])
    draw_trace_agreement(ax, pearson, by_chance, title="NetFormer")
    counts = np.array([bar.get_height() for bar in ax.patches[:20]])
    assert counts[[9, 18, 19]].tolist() == [1, 2, 1]
    assert counts.sum() == 4
    expected = ax.patches[20].get_data().values
    assert expected[[0, 19]].tolist() == [3, 1]  # as many weights as there are
    assert ax.lines[0].get_xdata() == [0.85, 0.85]
    assert "median 0.85" in [text.get_text() for text in ax.get_legend().get_texts()]


def test_changes_lie_about_the_line_of_equality():
    _, (ax,) = make_figure(3, 3)
    true = np.array([-0.1, 0.2, 0.3])
    draw_changes(ax, true, {"modulated": true / 2, "fixed": 0 * true})
    assert [line.get_ydata().tolist() for line in ax.lines[2:]] == [[-0.05, 0.1, 0.15], [0, 0, 0]]
    assert ax.lines[1].get_slope() == 1
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["modulated", "fixed"]


def test_learned_traces_are_drawn_in_the_true_scale():
    _, (ax,) = make_figure(3, 2)
    seconds, true = np.arange(5.0), np.array([0.0, 1, 2, 3, 4])
    draw_weight_traces(ax, seconds, {"one": (true, 100 - 50 * true), "still": (np.full(5, 2.0), np.full(5, 9.0))})
    _, falling, _, still = (line.get_ydata() for line in ax.lines)
    assert falling == pytest.approx(4 - true)
    assert still == pytest.approx(np.full(5, 2.0))
