import numpy as np
from matplotlib.colors import to_hex

from synapsnet_pyg.plots.canvas import make_figure
from synapsnet_pyg.plots.groups import draw_forest, draw_signs
from synapsnet_pyg.plots.style import EXCITES, GREY, INHIBITS


def test_intervals_stand_at_their_rows():
    _, (ax,) = make_figure(3, 3)
    mean, low, high = np.array([0.2, -0.3, 0.1]), np.array([0.1, -0.4, np.nan]), np.array([0.3, -0.2, np.nan])
    draw_forest(ax, ["a", "b", "c"], mean, low, high, marked=np.array([True, True, False]))
    points = ax.collections[1]
    assert points.get_offsets().tolist() == [[0.2, 0], [-0.3, 1], [0.1, 2]]
    assert [to_hex(colour) for colour in points.get_facecolors()] == [EXCITES, INHIBITS, GREY]
    assert [text.get_text() for text in ax.get_yticklabels()] == ["a", "b", "c"]
    assert ax.get_ylim() == (2.5, -0.5)  # the first row is on top


def test_each_sign_has_its_colour_and_number():
    _, (ax,) = make_figure(3, 3)
    values = np.array([0.1, -0.1, 0.0])
    sign = ["up", "down", "up"]
    draw_signs(ax, values, values, np.full(3, 0.1), sign=sign, signs=("up", "down", "open"))
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["up (2)", "down (1)", "open (0)"]
