import pytest
import torch

from synapsnet_pyg.analysis.stimulation import stimulation_responses
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.models.linear import VectorAutoregression
from synapsnet_pyg.models.registry import build_model

C = torch.tensor([[0.5, 0.0, 0.0], [0.6, 0.3, 0.0], [0.0, 0.0, 0.8]])
MIXING = torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.5, 0.0], [0.8, 0.0, 0.6]])


def process(T: int = 40_000) -> Session:
    """Neuron 0 drives 1 one bin later, and 2 within the same bin."""
    noise = MIXING @ torch.randn(3, T, generator=torch.Generator().manual_seed(0))
    activity = torch.zeros(3, T)
    for t in range(1, T):
        activity[:, t] = C @ activity[:, t - 1] + noise[:, t]
    return Session(activity, bin_size=0.6, name="one")


@pytest.mark.parametrize("held", [True, False])
def test_responses_are_those_of_the_process(held):
    session = process()
    model = VectorAutoregression([session], 1)
    model.initialise({"one": session}, {"one": session})
    covariance = MIXING @ MIXING.t()
    deviation = covariance.diagonal().sqrt()
    pattern = covariance / deviation
    powers = [torch.linalg.matrix_power(C, h) for h in range(4)]
    steps = [sum(powers[: h + 1]) if held else powers[h] for h in (1, 2, 3)]
    expected = torch.stack([step @ pattern / deviation[:, None] for step in steps])
    found = stimulation_responses(model, session, horizon=3, held=held, max_windows=2)
    torch.testing.assert_close(found, expected, rtol=0, atol=0.1)
    assert float(found[0, 2, 0]) > 0.5
    assert float(found[0, 2, 1].abs()) < 0.03


def test_silent_neurons_have_no_response():
    session = Session(torch.cat([torch.randn(2, 60), torch.zeros(1, 60)]), bin_size=0.6, name="one")
    model = build_model("copy", [session])
    found = stimulation_responses(model, session, horizon=2)
    assert found.isfinite().all()
    assert bool((found[:, 2] == 0).all())
    assert bool((found[:, :, 2] == 0).all())
    with pytest.raises(ValueError, match="horizon of at least 1"):
        stimulation_responses(model, session, horizon=0)
