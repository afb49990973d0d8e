import torch

from synapsnet_pyg.report.session_results import collect_results


def test_the_model_is_left_as_it_was(run, fit_in_memory, no_scores):
    session = run.sessions["known <b>"]
    var = fit_in_memory("var1", session)
    before = var.model.connectivity(session.split().train).clone()
    collect_results(var, session.name, no_scores)
    assert torch.equal(before, var.model.connectivity(session.split().train))
