from dataclasses import replace
from html import escape

import numpy as np
import pytest
import torch

from synapsnet_pyg.report.connectivity_figures import currents_figure, matrices_figure


def test_matrices_show_weights_and_p_values(run, analysis):
    session = run.sessions["known <b>"]
    order = analysis.neuron_order.order
    learned = run.model.connectivity(session.split().train).fill_diagonal_(0)
    matrices = matrices_figure(session, analysis).plotly
    assert [title.text for title in matrices.layout.annotations] == list(analysis.matrices)
    assert list(analysis.matrices)[1:] == [
        "posterior mean of its significant edges",
        "correlation one bin apart",
        "true connectivity",
    ]
    drawn = matrices.data[0]
    for row, i in enumerate(order):
        for column, j in enumerate(order):
            assert drawn.z[row][column] == pytest.approx(learned[i, j].item())
            p = analysis.significance.edges.p_value[i, j].item()
            assert drawn.customdata[row][column] == pytest.approx(p, nan_ok=True)
    ids = [escape(session.neuron_id[i]) for i in order]
    assert [name.rstrip("\u200b") for name in drawn.y] == ids
    assert list(drawn.x) == list(drawn.y)


def test_currents_show_the_mean_over_neurons(analysis):
    curve = currents_figure(analysis).plotly.data[1]
    assert np.allclose(curve.y, analysis.currents["learned connectivity"].mean)


def test_a_current_that_does_not_stand_out_is_said_not_to_predict(analysis):
    kind, curve = next(iter(analysis.currents.items()))
    nothing = replace(curve, mean=torch.zeros_like(curve.mean), sem=torch.ones_like(curve.sem))
    with_nothing = replace(analysis, currents={kind: nothing})
    assert "does not predict" in currents_figure(with_nothing).sentence
