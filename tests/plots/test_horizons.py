import numpy as np
import pytest

from synapsnet_pyg.plots.canvas import make_figure
from synapsnet_pyg.plots.horizons import draw_fans, draw_horizons
from synapsnet_pyg.plots.style import TRUE


def test_a_bad_model_does_not_squeeze_the_others():
    _, (ax,) = make_figure(4, 3)
    draw_horizons(ax, [1, 2], {"good": [0.5, 0.4], "bad": [-9.0, -5.0]}, unit="bins", label="score", bottom=-0.5)
    assert ax.get_ylim()[0] == -0.5
    assert ax.get_legend() is None


def test_fans_lie_on_the_recorded_activity():
    _, (ax,) = make_figure(4, 3)
    seconds = np.arange(6.0)
    truth = np.stack([np.sin(seconds), np.cos(seconds)])
    fan_seconds = np.array([[1.0, 2.0, 3.0], [3.0, 4.0, 5.0]])
    fans = truth[:, [[1, 2, 3], [3, 4, 5]]]
    draw_fans(ax, seconds, truth, fan_seconds, fans, labels=["a", "b"], breaks=[3])
    first, *drawn = ax.lines[:3]
    assert np.isnan(first.get_ydata()).sum() == 1
    assert drawn[0].get_xdata().tolist() == [1.0, 2.0, 3.0]
    assert drawn[0].get_ydata() == pytest.approx(first.get_ydata()[[1, 2, 4]])  # a gap stands at 3
    recorded = [line for line in ax.lines if line.get_color() == TRUE]
    heights = [np.nanmin(line.get_ydata()) for line in recorded]
    assert heights == pytest.approx([0, -1.1])
    assert [text.get_text() for text in ax.get_yticklabels()] == ["a", "b"]
    assert [text.get_text() for text in ax.texts] == ["1 SD", "1 SD"]
