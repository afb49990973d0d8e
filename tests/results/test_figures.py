import pytest
from helpers import make_session

from synapsnet_pyg.files import file_name
from synapsnet_pyg.models.baselines import Copy
from synapsnet_pyg.results.figures import draw_run
from synapsnet_pyg.runs.run import Run


def test_draws_what_there_is(tmp_path):
    sessions = [make_session(N=4, name=name, area=["V1", "V1", "LM", "LM"]).standardise() for name in ("a", "b/c")]
    files = list(draw_run(Run.of(Copy(sessions), sessions), ["b/c"], tmp_path))
    stem = file_name("b/c")
    assert [path.name for path in files] == [
        f"{stem}-{name}.{ending}"
        for name in ("connectivity", "forecast", "neurons-against-baseline", "neurons-by-area")
        for ending in ("png", "svg", "pdf")
    ]
    begins = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}
    assert all(path.read_bytes().startswith(begins[path.suffix]) for path in files)
    again = draw_run(Run.of(Copy(sessions), sessions), ["b/c"], tmp_path, formats=["pdf"])
    assert {path.suffix for path in again} == {".pdf"}


def test_a_session_without_varying_neurons_has_no_forecasts(tmp_path):
    session = make_session(N=3)
    session.activity[:, -15:] = 0.0
    session = session.standardise()
    with pytest.raises(ValueError, match="Expected a neuron that varies"):
        list(draw_run(Run.of(Copy([session]), [session]), ["demo"], tmp_path))
    assert not list(tmp_path.iterdir())
