import pickle

import pytest
import torch
from helpers import make_session

from synapsnet_pyg.models.baselines import Copy
from synapsnet_pyg.models.checkpoint import load_model, save_model
from synapsnet_pyg.models.registry import build_model
from synapsnet_pyg.models.synapsnet import SynapsNet
from synapsnet_pyg.nn.functional_connectivity import frobenius


def test_builds_from_names_of_parts():
    model = build_model("synapsnet", [make_session()], {"dynamics": "lstm", "penalty": "frobenius", "hidden_size": 7})
    assert isinstance(model.dynamics.sequence, torch.nn.LSTM)
    assert model.graphs[0].norm is frobenius
    assert model.arguments["hidden_size"] == 7


def test_builds_a_model_from_outside():
    assert isinstance(build_model("synapsnet_pyg.models.baselines.Copy", [make_session()]), Copy)


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("synapsenet", {}, "a model among"),
        ("no.such.Model", {}, "importable"),
        ("os.path.join", {}, "subclass of Forecaster"),
        ("synapsnet", {"hiden_size": 3}, "hiden_size"),
        ("synapsnet", {"dynamics": "mamba"}, "'dynamics' among gru"),
    ],
)
def test_tells_what_is_not_there(name, arguments, message):
    with pytest.raises(ValueError, match=message):
        build_model(name, [make_session()], arguments)


def test_edges_are_saved_with_the_model(tmp_path):
    session = make_session()
    model = SynapsNet([session], edge_index={"demo": torch.tensor([[0, 1, 4], [1, 2, 0]])}, hidden_size=6).eval()
    save_model(model, "synapsnet", tmp_path / "m.ckpt")
    assert torch.equal(load_model(tmp_path / "m.ckpt").raw_connectivity("demo"), model.raw_connectivity("demo"))


def test_refuses_what_is_no_model(tmp_path):
    path = tmp_path / "m.ckpt"
    with pytest.raises(FileNotFoundError):
        load_model(path)
    path.write_bytes(pickle.dumps(print))
    with pytest.raises(ValueError, match="not a readable model"):
        load_model(path)
    torch.save({"weights": torch.ones(3)}, path)
    with pytest.raises(ValueError, match="not a readable model"):
        load_model(path)
    save_model(SynapsNet([make_session()]), "synapsnet", path)
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(ValueError, match="not a readable model"):
        load_model(path)
