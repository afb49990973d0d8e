import pandas as pd
import pytest
from helpers import make_session

from synapsnet_pyg.files import file_name
from synapsnet_pyg.models.registry import build_model
from synapsnet_pyg.results.signs import draw_sign_results, save_sign_results, sign_results
from synapsnet_pyg.runs.run import Run


@pytest.fixture(scope="module")
def run():
    sessions = [make_session(N=9, T=900, name=name, kind=["E"] * 6 + ["$I$"] * 3) for name in ("a", "b/c")]
    model = build_model("var1", sessions)
    parts = [{session.name: session.split()[k] for session in sessions} for k in (0, 1)]
    model.initialise(*parts)
    return Run.of(model, sessions)


def test_files_and_lines(run, tmp_path):
    lines = list(save_sign_results(sign_results(run, "kind"), tmp_path / "out"))
    expected = {f"{name}-signs{ending}" for name in ("a", file_name("b/c"))
                for ending in (".csv", "-kind.csv", ".png", ".svg", ".pdf")}  # fmt: skip
    assert {path.name for path in (tmp_path / "out").iterdir()} == expected
    assert any(line.startswith("a: 0 neurons excite") for line in lines)
    assert any(line.startswith("b/c: $I$: 0 of 3 excite") for line in lines)
    table = pd.read_csv(tmp_path / "out" / "a-signs.csv")
    assert set(table["sign"]) == {"undecided"}  # independent noise
    assert table["kind"].tolist() == ["E"] * 6 + ["$I$"] * 3


def test_without_groups_there_is_one_figure_and_one_table(run, tmp_path):
    results = sign_results(run)
    assert results["a"].groups is None
    assert len(draw_sign_results(results["a"]).axes) == 1
    list(save_sign_results(results, tmp_path))
    assert len(list(tmp_path.iterdir())) == 8


def test_what_does_not_fit_is_refused(run):
    with pytest.raises(ValueError, match="there are: kind"):
        sign_results(run, "area")
    with pytest.raises(ValueError, match="Expected a rate between 0 and 1"):
        sign_results(run, rate=1.0)
