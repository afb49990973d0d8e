import pytest
import torch

from synapsnet_pyg.nn.evaluating import evaluating


def stop_while_evaluating(model):
    with evaluating(model):
        raise KeyError(model.training, model[0].training)


@pytest.mark.parametrize("training", [True, False])
def test_mode_comes_back_after_an_error(training):
    model = torch.nn.Sequential(torch.nn.Dropout()).train(training)
    with pytest.raises(KeyError) as caught:
        stop_while_evaluating(model)
    assert caught.value.args == (False, False)
    assert model.training == model[0].training == training
