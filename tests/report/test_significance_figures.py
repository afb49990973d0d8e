import pytest

from synapsnet_pyg.report.significance_figures import block_figure, distance_figure, p_value_figure


def test_every_pair_has_a_p_value(analysis):
    assert p_value_figure(analysis.significance).plotly.data[0].y.sum() == analysis.significance.edges.tested


def test_blocks_and_distances_are_those_of_the_tables(analysis):
    blocks, distance = analysis.blocks["area"], analysis.distance
    drawn = block_figure("area", blocks).plotly.data[0]
    for _, row in blocks.table.iterrows():
        value = drawn.z[list(drawn.y).index(row["receiver"])][list(drawn.x).index(row["sender"])]
        assert value == pytest.approx(row["mean_weight"], nan_ok=True)
    curve = distance_figure(distance).plotly.data[1]
    assert list(curve.y) == distance.table["mean_absolute_weight"].tolist()
