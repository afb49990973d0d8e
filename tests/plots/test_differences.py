import numpy as np

from synapsnet_pyg.plots.canvas import make_figure
from synapsnet_pyg.plots.differences import draw_against_null, draw_intervals, draw_z_values


def test_intervals_are_read_from_the_top(tmp_path):
    figure, (ax,) = make_figure(3, 3)
    value, marked = np.array([0.5, -0.2, 0.1]), np.array([True, False, False])
    draw_intervals(ax, ["a", "b", "c"], value, low=value - 0.1, high=value + 0.3, marked=marked)
    names = dict(zip(ax.get_yticks(), (text.get_text() for text in ax.get_yticklabels()), strict=True))
    assert names == {2: "a", 1: "b", 0: "c"}
    (lines_of_others, lines_of_marked) = (bars[2][0].get_segments() for bars in ax.containers)
    np.testing.assert_allclose(lines_of_marked[0], [[0.4, 2], [0.8, 2]])
    assert len(lines_of_others) == 2
    figure.savefig(tmp_path / "a.svg")


def test_z_values_stand_beside_the_normal_distribution():
    _, (ax,) = make_figure(3, 3)
    draw_z_values(ax, np.array([0.1, -0.3, 1.1, 40.0]), called=1)
    assert ax.get_title() == "1 of 4 pairs differ"
    assert max(ax.lines[0].get_ydata()) == 1 / (2 * np.pi) ** 0.5
    heights = [bar.get_height() for bar in ax.patches]
    assert sum(heights) * 0.25 == 1  # also the value that is out of sight
    assert ax.get_yscale() == "log"


def test_the_null_stands_beside_what_was_observed():
    _, (ax,) = make_figure(3, 3)
    draw_against_null(ax, 1.7, np.linspace(0.9, 1.1, 50), "mean square")
    assert sum(bar.get_height() for bar in ax.patches) == 50
    assert list(ax.lines[0].get_xdata()) == [1.7, 1.7]
    assert ax.get_xlabel() == "mean square"
