import pytest
import torch
from helpers import make_session

from synapsnet_pyg.models.baselines import Copy
from synapsnet_pyg.results.figures import breaks_between, draw_run
from synapsnet_pyg.runs.run import Run


def test_draws_what_there_is(tmp_path):
    sessions = [make_session(N=4, name=name, area=["V1", "V1", "LM", "LM"]).standardise() for name in ("a", "b/c")]
    files = draw_run(Run.of(Copy(sessions), sessions), ["b/c"], tmp_path)
    assert [path.name for path in files] == [
        "b_c-connectivity.png",
        "b_c-forecast.png",
        "b_c-neurons-against-baseline.png",
        "b_c-neurons-by-area.png",
    ]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in files)


def test_a_session_without_varying_neurons_has_no_forecasts(tmp_path):
    session = make_session(N=3)
    session.activity[:, -15:] = 0.0
    session = session.standardise()
    with pytest.raises(ValueError, match="Expected a neuron that varies"):
        draw_run(Run.of(Copy([session]), [session]), ["demo"], tmp_path)
    assert not list(tmp_path.iterdir())


def test_lines_are_interrupted_between_segments():
    session = make_session(N=2, T=30, segment=torch.tensor([[0, 10], [10, 20], [22, 30]]))
    bins = torch.tensor([7, 8, 9, 10, 11, 13, 19, 22, 23])
    assert breaks_between(session, bins) == [3, 5, 6, 7]
