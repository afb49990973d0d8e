import pickle

import pytest
import torch
from helpers import make_session

from synapsnet_pyg.models.baselines import Copy
from synapsnet_pyg.models.checkpoint import load_model, save_model
from synapsnet_pyg.models.linear import VectorAutoregression
from synapsnet_pyg.models.neuprint import NeuPRINT
from synapsnet_pyg.models.population_rnn import PopulationRNN
from synapsnet_pyg.models.registry import MODELS, build_model
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
    save_model(model, tmp_path / "m.ckpt")
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
    save_model(SynapsNet([make_session()]), path)
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(ValueError, match="not a readable model"):
        load_model(path)


class MyRNN(torch.nn.RNN):
    """A sequence model that stands in no registry."""


def test_a_part_of_ones_own_is_saved_by_its_import_path(tmp_path):
    model = SynapsNet([make_session()], dynamics=MyRNN, hidden_size=6).eval()
    save_model(model, tmp_path / "m.ckpt")
    assert isinstance(load_model(tmp_path / "m.ckpt").dynamics.sequence, MyRNN)


def test_a_part_that_cannot_be_imported_is_refused_at_construction():
    class Local(torch.nn.RNN):
        pass

    for part in (Local, lambda *args, **kwargs: torch.nn.RNN(*args, **kwargs)):
        with pytest.raises(ValueError, match="'dynamics' to be a class or function that can be imported"):
            SynapsNet([make_session()], dynamics=part)


@pytest.mark.parametrize("kind", sorted(MODELS))
def test_a_model_knows_its_kind(kind, tmp_path):
    """Also when it was made without the registry: a NeuPRINT is never saved as a SynapsNet."""
    model = build_model(kind, [make_session()])
    assert model.kind == kind
    save_model(model, tmp_path / "m.ckpt")
    assert type(load_model(tmp_path / "m.ckpt")) is type(model)


def test_kinds_outside_the_registry():
    assert NeuPRINT([make_session()]).kind == "neuprint"
    assert build_model("gru", [make_session(), make_session(name="b")]).kind == "gru"
    assert PopulationRNN([make_session()], dynamics=MyRNN).kind == "synapsnet_pyg.models.population_rnn.PopulationRNN"
    assert VectorAutoregression([make_session()], lags=3).kind.endswith("linear.VectorAutoregression")
