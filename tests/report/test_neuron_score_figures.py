import numpy as np

from synapsnet_pyg.report.neuron_score_figures import neuron_score_figures
from synapsnet_pyg.runs.evaluation import evaluate


def test_figures_show_the_scored_neurons(run):
    details = evaluate(run).details["known <b>"]
    against, by_area, in_space = neuron_score_figures("synapsnet", details)
    table = details.neurons[details.neurons["scored"]]
    assert np.allclose(against.plotly.data[1].y, table["correlation"])
    assert np.allclose(against.plotly.data[1].x, table[f"correlation_{details.baseline}"])
    assert "<script>" not in "".join(against.plotly.data[1].text)
    assert len(by_area.plotly.data[0].x) == len(table)
    assert any("unknown" in name for name in by_area.plotly.data[1].y)
    placed = table["position_x"].notna().sum()
    assert len(in_space.plotly.data[0].x) == placed < len(table)
