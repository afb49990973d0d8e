import torch
from helpers import make_session

from synapsnet_pyg.report.connectivity_analysis import analyse_connectivity
from synapsnet_pyg.report.connectivity_sections import connectivity_part
from synapsnet_pyg.report.forecast_results import forecast_results
from synapsnet_pyg.report.forecast_sections import forecast_part
from synapsnet_pyg.report.summary import LIMITS, recorded_sentence
from synapsnet_pyg.runs.evaluation import evaluate


def test_the_summary_says_what_was_recorded_forecast_and_believed(run):
    name = next(iter(run.sessions))
    results, analysis = forecast_results(run, name, evaluate(run)), analyse_connectivity(run, name)
    recorded, forecast = forecast_part(results).summary
    edges, limits = connectivity_part(analysis).summary
    session, fitted = run.sessions[name], next(iter(results.scores))
    assert f"{session.num_neurons} neurons" in recorded
    assert f"{results.scores[fitted].correlation:.3f}" in forecast
    best = max(score.correlation for model, score in results.scores.items() if model != fitted)
    assert f"{best:.3f}" in forecast
    count = len(analysis.significance.table)
    assert edges.startswith(f"Edges: {count} of {analysis.significance.edges.tested} tested pairs")
    assert limits == LIMITS


def test_noise_is_called_what_it_is(fit_in_memory):
    session = make_session(N=5, T=400, name="noise").standardise()
    run = fit_in_memory("var1", session)
    _, forecast = forecast_part(forecast_results(run, "noise", evaluate(run))).summary
    edges, _ = connectivity_part(analyse_connectivity(run, "noise")).summary
    assert "nothing can be forecast" in forecast or "not certainly better or worse" in forecast
    assert edges.startswith("Edges: No edge is significant: none of")


def test_a_model_without_edges_says_so():
    assert connectivity_part(None).summary[0] == "Edges: The model learned no edges."


def test_groups_and_behaviours_are_counted():
    areas = ["V1"] * 4 + ["LM"] * 3 + ["AL", "RL", "PM", "AM", "CA1"]
    session = make_session(N=12, T=100, K=2, area=areas, name="x")
    told = recorded_sentence(session)
    assert "(V1 4, LM 3, AL 1, RL 1 and 3 more)" in told
    assert "with " in told
    alone = make_session(N=1, T=60, K=0, name="y")
    assert "1 neuron for" in recorded_sentence(alone)
    assert torch.isfinite(alone.activity).all()
