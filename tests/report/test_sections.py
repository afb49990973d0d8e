from dataclasses import replace

from synapsnet_pyg.report.connectivity_sections import connectivity_part
from synapsnet_pyg.report.forecast_sections import forecast_part
from synapsnet_pyg.report.run_sections import run_part
from synapsnet_pyg.runs.evaluation import Evaluation, NeuronCounts
from synapsnet_pyg.runs.scores import Score


def titles(part) -> list[str]:
    return [section.title for section in part.sections]


def test_parts_have_the_sections_of_the_page(run, results, analysis, full_titles):
    scores = Evaluation({}, {}, {}, [])
    assert titles(run_part(run, ["known <b>"], scores)) == list(full_titles[:2])
    scored = replace(
        results,
        scores={"synapsnet": Score(0.1, float("nan"), [], None)},
        counts=NeuronCounts(11, 10, 0, 0),
    )
    assert titles(forecast_part(scored)) + titles(connectivity_part(analysis)) == list(full_titles[2:])
