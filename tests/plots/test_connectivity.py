import numpy as np
import torch
from matplotlib.colors import to_rgb
from matplotlib.patches import FancyArrowPatch, Rectangle

from synapsnet_pyg.plots.canvas import make_figure
from synapsnet_pyg.plots.connectivity import (
    draw_block_matrix,
    draw_current_correlation,
    draw_graph,
    draw_matrix,
    draw_p_values,
    draw_true_against_learned,
    draw_weight_against_distance,
)
from synapsnet_pyg.plots.style import EXCITES, GROUPS, INHIBITS


def test_matrix_shows_receivers_as_rows_and_no_diagonal():
    _, (ax,) = make_figure(3, 3)
    connectivity = torch.tensor([[9.0, 0.5], [-1.0, 9.0]])
    shown = draw_matrix(ax, connectivity, limit=2.0).images[0].get_array()
    assert np.array_equal(np.asarray(shown), [[0, 0.5], [-1, 0]])
    assert ax.get_ylabel() == "receiver i"


def test_scatter_shows_the_correlation():
    _, (ax,) = make_figure(3, 3)
    truth = torch.randn(6, 6)
    draw_true_against_learned(ax, truth, 2 * truth)
    assert "1.00" in ax.get_title()


def test_currents_shade_what_is_not_known_at_forecasting():
    _, (ax,) = make_figure(3, 3)
    mean = np.array([0.1, 0.2, 0.5])
    draw_current_correlation(ax, np.array([-0.1, 0.0, 0.1]), {"learned": (mean, mean / 10), "lag": (mean, mean)})
    assert [patch.get_extents().x1 for patch in ax.patches] == [ax.transData.transform((0, 0))[0]]
    assert ax.lines[1].get_ydata().tolist() == mean.tolist()
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["learned", "lag"]


def test_p_values_stand_beside_the_uniform_distribution():
    _, (ax,) = make_figure(3, 3)
    draw_p_values(ax, np.array([7, 2, 3]), np.linspace(0, 1, 4))
    assert [bar.get_height() for bar in ax.patches] == [7, 2, 3]
    assert ax.lines[0].get_ydata() == [4, 4]


def test_graph_draws_edges_in_their_colour_between_placed_neurons(tmp_path):
    figure, (ax,) = make_figure(3, 3)
    position = np.array([[0.0, 0.0], [1.0, 2.0], [np.nan, np.nan]])
    draw_graph(
        ax, position, np.array([[0, 1, 2], [1, 0, 0]]), np.array([0.5, -1.0, 1.0]), groups=["a", "b", "a"], axes="xz"
    )
    red, blue = ax.patches
    assert blue.get_linewidth() > red.get_linewidth()
    for arrow, colour in ((red, EXCITES), (blue, INHIBITS)):
        assert arrow.get_edgecolor()[:3] == to_rgb(colour)
    assert ax.get_ylabel() == "z"
    figure.savefig(tmp_path / "a.svg")


def test_distance_stands_beside_its_null():
    _, (ax,) = make_figure(3, 3)
    distance, weight, mean, deviation = np.array([[1.0, 2, 3], [0.3, 0.2, 0.1], [0.2, 0.2, 0.2], [0.01, 0.02, 0.03]])
    draw_weight_against_distance(ax, distance, weight, null_mean=mean, null_deviation=deviation)
    assert ax.lines[0].get_ydata().tolist() == [0.3, 0.2, 0.1]
    assert ax.get_ylabel() == "mean absolute weight (SD per SD)"


def test_names_of_slim_groups_are_left_out():
    _, (ax,) = make_figure(3, 3)
    draw_matrix(ax, torch.randn(120, 120), groups=["a"] * 70 + ["b"] + ["c"] * 49)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "c"]


def test_blocks_show_their_numbers():
    _, (ax,) = make_figure(3, 3)
    weight = np.array([[1.0, np.nan], [-2.0, 0.5]])
    image = draw_block_matrix(ax, weight, ["a", "b"], marked=np.array([[False, False], [True, False]])).images[0]
    assert image.get_clim() == (-2, 2)
    stars = [line for line in ax.lines if line.get_marker() == "*"]
    assert [line.get_xydata().tolist() for line in stars] == [[[0, 1]]]
    assert stars[0].get_color() == "white"  # seen on the darkest block
    assert ax.get_ylabel() == "receiver"


def test_the_graph_has_an_arrow_for_each_edge_and_a_legend_that_fits():
    rng = np.random.default_rng(0)
    position = rng.normal(size=(40, 2))
    position[7] = np.nan
    edges = np.array([[0, 3, 7, 5], [1, 2, 4, 7]])  # two of a neuron without a position
    groups = [f"area {k}" for k in range(20)] * 2
    figure, (ax,) = make_figure(5, 4)
    draw_graph(ax, position, edges, np.array([1.0, -2.0, 3.0, 4.0]), groups=groups)
    figure.draw_without_rendering()
    arrows = [patch for patch in ax.patches if isinstance(patch, FancyArrowPatch)]
    for arrow, (sender, receiver) in zip(arrows, ((0, 1), (3, 2)), strict=True):
        way = arrow.get_path().vertices  # its head is near the receiver
        ends = ax.transData.inverted().transform(arrow.get_transform().transform(way))
        far, near = (np.linalg.norm(ends - position[neuron], axis=1).min() for neuron in (sender, receiver))
        assert max(far, near) < 0.3
    assert len(arrows) == 2
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert texts[:2] == ["positive effect", "negative effect"]
    assert len(texts) == 2 + len(GROUPS)


def test_strips_of_groups_lie_beside_the_image():
    _, (ax,) = make_figure(4, 3)
    draw_matrix(ax, torch.randn(8, 8), groups=["b"] * 3 + ["a"] * 5)
    strips = [patch for patch in ax.patches if isinstance(patch, Rectangle)]
    assert len(strips) == 4  # two groups, along both sides
    box = ax.transAxes.transform([(0, 0)])[0]
    for strip in strips:
        right, top = strip.get_transform().transform(strip.get_path().vertices).max(0)
        assert right <= box[0] + 1e-6 or top <= box[1] + 1e-6
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b"]


def test_a_small_graph_names_its_neurons_and_its_groups():
    _, (ax,) = make_figure(4, 3)
    edges = np.array([[0, 1], [1, 2]])
    names, groups = ["a", "b", "c"], ["V1", "V1", "LM"]
    draw_graph(ax, np.eye(3)[:, :2], edges, np.array([1.0, -1.0]), groups=groups, names=names, title="area")
    assert [text.get_text() for text in ax.texts] == names
    legend = [text.get_text() for text in ax.get_legend().get_texts()]
    assert legend == ["positive effect", "negative effect", "area", "LM", "V1"]


def test_a_few_small_groups_do_not_set_the_colours_of_blocks():
    _, (ax,) = make_figure(3, 3)
    weight = np.full((6, 6), 0.01)
    weight[5, 0] = 1.0
    image = draw_block_matrix(ax, weight, list("abcdef")).images[0]
    assert image.get_clim() == (-0.01, 0.01)
    assert image.colorbar.extend == "both"


def test_names_of_many_groups_do_not_lie_on_top_of_each_other():
    _, (ax,) = make_figure(7, 7)
    draw_block_matrix(ax, np.eye(57), [f"g{k}" for k in range(57)])
    names = [text.get_text() for text in ax.get_yticklabels()]
    assert names == [f"g{k}" for k in range(0, 57, 2)]
