import pytest
import torch

from synapsnet_pyg.nn.evaluating import evaluating, frozen


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


def test_only_weights_that_were_trained_are_trained_again():
    model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Linear(3, 1))
    model[1].requires_grad_(False)
    input = torch.randn(4, 2, requires_grad=True)
    (expected,) = torch.autograd.grad(model(input).sum(), input)
    with frozen(model):
        assert not any(weights.requires_grad for weights in model.parameters())
        assert torch.equal(torch.autograd.grad(model(input).sum(), input)[0], expected)
    assert [weights.requires_grad for weights in model.parameters()] == [True, True, False, False]
