from dataclasses import replace

from synapsnet_pyg.report.sections import run_chapter, session_chapter


def titles(chapter) -> list[str]:
    return [section.title for section in chapter.sections]


def test_chapters_have_the_sections_of_the_page(run, results, full_titles):
    scores = {"summary": {}, "sessions": {}}
    assert titles(run_chapter(run, ["known <b>"], scores)) == list(full_titles[:2])
    scored = replace(
        results,
        scores={"synapsnet": {"correlation": 0.1, "mse": None, "pc_correlation": []}},
        counts={"scored": 10, "recorded": 11},
    )
    assert titles(session_chapter(scored)) == list(full_titles[2:])
