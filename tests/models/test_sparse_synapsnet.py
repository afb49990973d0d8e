"""SynapsNet on candidates for edges instead of all pairs."""

import pytest
import torch
from helpers import make_session

from synapsnet_pyg.data.windows import windows_of
from synapsnet_pyg.models import synapsnet_start
from synapsnet_pyg.models.checkpoint import load_model, save_model
from synapsnet_pyg.models.synapsnet import SynapsNet
from synapsnet_pyg.runs.recipe import Recipe
from synapsnet_pyg.runs.training import fit

SMALL = {"embedding_dim": 3, "hidden_size": 6, "components": 2, "state_size": 4}


def test_each_neuron_has_as_many_candidates_as_wanted_and_a_saved_model_keeps_them(tmp_path):
    session = make_session(N=12, T=200).standardise()
    model = SynapsNet([session], connectivity="low-rank+sparse", senders=4, **SMALL)
    graph = model.graph("demo").functional_connectivity
    assert graph.weight.shape == (48,)
    assert torch.bincount(graph.edges[1]).tolist() == [4] * 12
    fitted = fit(model, [session], tmp_path / "fit", Recipe(epochs=2, targets=3), progress=False)
    assert fitted.graph("demo").common_drive is not None
    save_model(fitted, tmp_path / "model.ckpt")
    again = load_model(tmp_path / "model.ckpt")
    window = windows_of(session, 5)[0].gather(torch.arange(7))
    with torch.no_grad():
        assert torch.equal(again(window).activity, fitted(window).activity)
    connectivity = again.connectivity(session)
    allowed = torch.zeros(12, 12, dtype=torch.bool).index_put(tuple(graph.edges.flip(0)), torch.tensor(True))
    assert (connectivity[~allowed] == 0).all()


def test_sparse_has_no_common_drive_and_large_populations_are_sparse_by_default(monkeypatch):
    session = make_session(N=12, T=200).standardise()
    sparse = SynapsNet([session], connectivity="sparse", senders=4, **SMALL).graph("demo")
    assert len(sparse.common_drive.senders) == 0
    assert SynapsNet([session], **SMALL).graph("demo").functional_connectivity.edges is None
    monkeypatch.setattr(synapsnet_start, "MOST_DENSE", 11)
    assert SynapsNet([session], senders=5, **SMALL).graph("demo").functional_connectivity.weight.shape == (60,)
    dense = SynapsNet([session], connectivity="dense", **SMALL).graph("demo")
    assert dense.functional_connectivity.weight.shape == (12, 12)


def test_candidates_come_from_the_training_part_alone():
    session = make_session(N=12, T=200)
    changed = make_session(N=12, T=200)
    end = int(session.split().train.segment[-1, 1])
    changed.activity[:, end:] = torch.randn(12, 200 - end)
    edges = [
        SynapsNet([each.standardise()], connectivity="sparse", senders=4, **SMALL).arguments["edge_index"]["demo"]
        for each in (session, changed)
    ]
    assert torch.equal(*edges)


def test_edges_of_the_user_come_first():
    session = make_session(N=12, T=200).standardise()
    edges = torch.tensor([[0, 3], [5, 1]])
    graph = SynapsNet([session], connectivity="sparse", edge_index={"demo": edges}, **SMALL).graph("demo")
    assert graph.functional_connectivity.weight.shape == (2,)
    assert not graph.screened


def test_a_wrong_choice_is_one_line():
    session = make_session(N=12, T=200).standardise()
    with pytest.raises(ValueError, match="connectivity among auto, dense, sparse, low-rank\\+sparse \\(got 'thin'\\)"):
        SynapsNet([session], connectivity="thin")
    info = SynapsNet([session], **SMALL).sessions["demo"]
    with pytest.raises(ValueError, match="Expected the recording of session 'demo'"):
        SynapsNet([info], connectivity="sparse")
