import torch

from synapsnet_pyg.report.connectivity_analysis import analyse_connectivity
from synapsnet_pyg.report.forecast_results import forecast_results


def test_the_model_is_left_as_it_was(run, fit_in_memory, no_scores):
    session = run.sessions["known <b>"]
    var = fit_in_memory("var1", session)
    before = var.model.connectivity(session.split().train).clone()
    forecast_results(var, session.name, no_scores)
    analyse_connectivity(var, session.name)
    assert torch.equal(before, var.model.connectivity(session.split().train))
