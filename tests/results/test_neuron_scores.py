import pytest
import torch
from helpers import make_session, read_csv

from synapsnet_pyg.models.registry import build_model
from synapsnet_pyg.results.neuron_scores import (
    draw_neuron_scores,
    save_neuron_scores,
    scores_by_area,
    scores_in_space,
)
from synapsnet_pyg.runs.evaluation import Evaluation, evaluate
from synapsnet_pyg.runs.run import Run


@pytest.fixture(scope="module")
def scores() -> Evaluation:
    position = torch.tensor([[0.0, 9, 1], [5, 9, 3], [9, 9, 2], [4, 9, 8], [torch.nan, 9, 2]])
    one = make_session(5, 200, name="one", area=["V1", "LM", "V1", "", "V1"], position=position)
    one = one.standardise()
    one.position_unit = "mm"
    two = make_session(4, 160, name="two").standardise()
    model = build_model("copy", [one, two])
    return evaluate(Run.of(model, [one, two]))


def test_neurons_of_all_sessions_are_in_one_file(scores, tmp_path):
    rows = read_csv(save_neuron_scores(scores, tmp_path / "neurons.csv"))
    assert [row["session"] for row in rows] == ["one"] * 5 + ["two"] * 4
    assert list(rows[0])[:3] == ["session", "neuron_id", "scored"]
    assert rows[1]["area"] == "LM"
    assert rows[8]["area"] == ""


def test_areas_are_ordered_by_their_mean(scores):
    areas = scores_by_area(scores.details["one"])
    assert set(areas.groups) == {"V1", "LM", "unknown"}
    means = [values.mean() for values in areas.scores]
    assert means == sorted(means, reverse=True)
    assert scores_by_area(scores.details["two"]) is None


def test_neurons_are_placed_in_the_plane_of_the_widest_spread(scores):
    placed = scores_in_space(scores.details["one"])
    assert placed.names == ("position x (mm)", "position z (mm)")
    assert placed.x.tolist() == [0, 5, 9, 4]
    assert scores_in_space(scores.details["two"]) is None


def test_figures_follow_the_fields(scores):
    assert list(draw_neuron_scores("copy", scores.details["one"])) == ["against-baseline", "by-area", "in-space"]
    assert list(draw_neuron_scores("copy", scores.details["two"])) == ["against-baseline"]
