from dataclasses import replace

from synapsnet_pyg.report.sections import run_chapter, session_chapter
from synapsnet_pyg.runs.evaluation import Evaluation, NeuronCounts
from synapsnet_pyg.runs.scores import Score


def titles(chapter) -> list[str]:
    return [section.title for section in chapter.sections]


def test_chapters_have_the_sections_of_the_page(run, results, full_titles):
    scores = Evaluation({}, {}, {}, [])
    assert titles(run_chapter(run, ["known <b>"], scores)) == list(full_titles[:2])
    scored = replace(
        results,
        scores={"synapsnet": Score(0.1, float("nan"), [], None)},
        counts=NeuronCounts(11, 10, 0, 0),
    )
    assert titles(session_chapter(scored)) == list(full_titles[2:])
