import pytest
import torch

from synapsnet_pyg.nn.evaluating import evaluating


@pytest.mark.parametrize("training", [True, False])
def test_mode_comes_back_after_an_error(training):
    model = torch.nn.Sequential(torch.nn.Dropout()).train(training)
    with pytest.raises(KeyError), evaluating(model):
        assert not model.training
        assert not model[0].training
        raise KeyError
    assert model.training == model[0].training == training
