import time

import pytest
import torch
from helpers import SMALL, make_session, suited_to

from synapsnet_pyg.models.bounded import Bounded, TooLargeError
from synapsnet_pyg.models.checkpoint import load_model, save_model
from synapsnet_pyg.models.registry import MODELS, build_model


@pytest.mark.parametrize("arguments", [{"hidden_size": 10**6}, {"num_layers": 10**9}, {"hidden_size": 10**12}])
def test_a_small_file_describes_no_large_model(tmp_path, arguments):
    path = tmp_path / "m.ckpt"
    save_model(build_model("gru", [make_session()], {"hidden_size": 4}), path)
    saved = torch.load(path, weights_only=True)
    saved["description"]["arguments"].update(arguments)
    torch.save(saved, path)
    begun = time.process_time()
    with pytest.raises(ValueError, match=r"m.ckpt'"):
        load_model(path)
    assert time.process_time() - begun < 5


def test_many_neurons_without_their_weights_are_refused(tmp_path):
    path = tmp_path / "m.ckpt"
    save_model(build_model("synapsnet", [make_session()], {"hidden_size": 4}), path)
    saved = torch.load(path, weights_only=True)
    name, _, behaviours, bins = saved["description"]["sessions"][0]
    saved["description"]["sessions"][0] = (name, [str(i) for i in range(30_000)], behaviours, bins)
    saved["description"]["arguments"]["connectivity"] = "dense"
    torch.save(saved, path)
    with pytest.raises(ValueError, match=r"m.ckpt' to describe a model of the size of its weights"):
        load_model(path)


@pytest.mark.parametrize("name", sorted(set(MODELS) - {"plrnn", "lfads"}))
def test_every_model_is_built_within_its_bound(name):
    session = suited_to(name, make_session()).standardise()
    model = build_model(name, [session], SMALL.get(name))
    bound = Bounded(model.state_dict())
    left = bound.left
    with bound:
        build_model(name, [session], SMALL.get(name))
    assert bound.left > left / 2


def test_the_bound_is_kept():
    with pytest.raises(TooLargeError), Bounded({}):
        torch.zeros(10**9)
    with pytest.raises(TooLargeError), Bounded({}):
        torch.zeros(10, 1).repeat(1, 10**8)
    with Bounded({}):
        assert torch.zeros(1).expand(10**12).shape == (10**12,)  # a view


def test_an_unknown_model_is_told_with_its_file(tmp_path):
    path = tmp_path / "m.ckpt"
    save_model(build_model("copy", [make_session()]), path)
    saved = torch.load(path, weights_only=True)
    saved["description"]["kind"] = "nothing"
    torch.save(saved, path)
    with pytest.raises(ValueError, match=r"m.ckpt': Expected a model among"):
        load_model(path)
