import pytest
import torch
from helpers import make_session

from synapsnet_pyg.data.windows import windows_of
from synapsnet_pyg.models.population_rnn import PopulationRNN
from synapsnet_pyg.models.registry import build_model


@pytest.mark.parametrize("kind", [torch.nn.RNN, torch.nn.GRU, torch.nn.LSTM])
def test_is_the_recurrent_network_over_all_neurons_at_once(kind):
    session = make_session()
    model = PopulationRNN([session], hidden_size=6, dynamics=kind).eval()
    window = windows_of(session, 5)[0].gather(torch.arange(4))
    inputs = torch.cat([window.activity.transpose(1, 2), window.behaviour], dim=-1)
    expected = model.readout(model.dynamics(inputs)[0][:, -1])
    torch.testing.assert_close(model(window).activity[..., 0], expected)


def test_has_the_sizes_of_the_paper_by_default():
    model = build_model("lstm", [make_session()])
    assert isinstance(model.dynamics, torch.nn.LSTM)
    assert (model.dynamics.num_layers, model.dynamics.hidden_size, model.dynamics.input_size) == (2, 100, 7)
    assert build_model("gru", [make_session()], {"use_behaviour": False}).dynamics.input_size == 5
