import numpy as np
import pytest

from synapsnet_pyg.report.plotly_canvas import colour_bar, make_grid, mark_groups


@pytest.mark.parametrize(("low", "high", "ends"), [(-1, 1, ("-1", "1")), (-3, 1, ("≤ -1", "1")), (0, 2, ("-1", "≥ 1"))])
def test_a_colour_bar_says_where_values_lie_beyond_it(low, high, ends):
    ticks = colour_bar(1, "weight", values=np.array([low, 0.5, high]), limit=1.0)["ticktext"]
    assert (ticks[0], ticks[-1]) == ends


def test_groups_get_strips_beside_every_image():
    figure = make_grid(300, columns=2, titles=["true", "forecast"])
    mark_groups(figure, ["CA1"] * 6 + ["DG"] * 3, cells=9, panels=2, both=False)
    strips = [(shape.yref, shape.y0, shape.y1) for shape in figure.layout.shapes]
    assert strips == [("y", -0.5, 5.5), ("y2", -0.5, 5.5), ("y", 5.5, 8.5), ("y2", 5.5, 8.5)]
    assert list(figure.layout.yaxis.ticktext) == ["CA1", "DG"]
    assert len({shape.fillcolor for shape in figure.layout.shapes}) == 2
