import pytest

from synapsnet_pyg.plots.canvas import make_figure
from synapsnet_pyg.plots.comparisons import (
    draw_component_bars,
    draw_model_against_model,
    draw_ranking,
    draw_recoveries,
    draw_sweep,
)


def test_a_sweep_has_a_line_a_model_through_the_means():
    _, (ax,) = make_figure(3, 3)
    draw_sweep(ax, {"one": {4: [0.2, 0.4], 1: [0.1]}, "other": {4: [0.5]}}, "size")
    assert ax.lines[0].get_xdata().tolist() == [1, 4]
    assert ax.lines[0].get_ydata() == pytest.approx([0.1, 0.3])
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["one", "other"]
    assert ax.get_xlabel() == "size"


def test_a_ranking_puts_the_best_model_on_top():
    _, (ax,) = make_figure(3, 3)
    draw_ranking(ax, {"good": [0.5, 0.7], "bad": [0.1]})
    assert [label.get_text() for label in ax.get_yticklabels()] == ["bad", "good"]


def test_component_bars_leave_unknown_correlations_out():
    _, (ax,) = make_figure(3, 3)
    draw_component_bars(ax, {"one": [[0.2, None, 0.5], [0.4, None]]})
    assert [bar.get_height() for bar in ax.patches] == pytest.approx([0.3, 0.5])


def test_models_are_compared_on_the_sessions_that_both_have():
    _, (ax,) = make_figure(3, 3)
    draw_model_against_model(ax, {"a": 0.1, "b": 0.5, "c": 0.2}, {"a": 0.2, "b": 0.4}, name_x="X", name_y="Y")
    assert ax.get_title() == "1 of 2 sessions above the line"
    assert ax.get_ylabel() == "Y: test correlation"


def test_recoveries_show_every_seed_and_the_mean():
    _, (ax,) = make_figure(3, 3)
    draw_recoveries(ax, {"lag_1": [0.1, 0.2, 0.6], "ridge": [0.5]})
    assert ax.lines[0].get_ydata() == pytest.approx([0.1, 0.2, 0.6])
    assert ax.lines[1].get_ydata() == pytest.approx([0.3, 0.3])
    assert [label.get_text() for label in ax.get_xticklabels()] == ["lag 1", "ridge"]
