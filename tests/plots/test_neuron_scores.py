import numpy as np

from synapsnet_pyg.plots.canvas import make_figure
from synapsnet_pyg.plots.neuron_scores import (
    draw_neurons_against_baseline,
    draw_scores_by_group,
    draw_scores_in_space,
)


def test_neurons_above_the_line_are_counted():
    _, (ax,) = make_figure(3, 3)
    baseline, fitted = np.array([0.1, 0.5, 0.2]), np.array([0.2, 0.4, 0.3])
    draw_neurons_against_baseline(ax, baseline, fitted, name_baseline="copy", name_fitted="ours")
    assert ax.get_title() == "2 of 3 neurons above the line"
    assert ax.lines[1].get_xydata().tolist() == np.stack([baseline, fitted], 1).tolist()


def test_groups_stand_from_top_to_bottom_with_their_means():
    _, (ax,) = make_figure(3, 3)
    draw_scores_by_group(ax, ["V1", "$LM"], [np.array([0.2, 0.4]), np.array([0.1])], label="correlation")
    assert [text.get_text() for text in ax.get_yticklabels()] == ["V1 (2)", "\\$LM (1)"]
    assert ax.get_ylim()[0] > ax.get_ylim()[1]
    assert np.allclose(ax.lines[1].get_xdata(), 0.3)


def test_the_best_neurons_are_drawn_on_top():
    _, (ax,) = make_figure(3, 3)
    draw_scores_in_space(ax, np.arange(3.0), np.zeros(3), np.array([0.3, 0.1, 0.2]), names=("x", "y"))
    assert ax.collections[0].get_array().tolist() == [0.1, 0.2, 0.3]
    assert ax.collections[0].get_offsets()[:, 0].tolist() == [1, 2, 0]
