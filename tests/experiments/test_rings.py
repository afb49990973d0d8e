import torch

from synapsnet_pyg.data.windows import Windows
from synapsnet_pyg.experiments import rings
from synapsnet_pyg.models.netformer import NetFormer


def test_rows_are_brought_to_the_true_scale_even_against_their_sign():
    truth = torch.randn(4, 4)
    learned = truth * torch.tensor([2.0, -0.5, 1.0, 3.0])[:, None]
    off = ~torch.eye(4, dtype=torch.bool)
    torch.testing.assert_close(rings.rescaled(learned, truth)[off], truth.double()[off])


def test_spikes_are_the_target_of_activation():
    spikes = rings.simulate_spiking_ring(300, coupling=0.015, skip=2000)
    session = rings.as_activation(spikes)
    window = Windows(session, torch.arange(7), 1, 1, target=spikes.activity).gather(torch.arange(7))
    assert torch.equal(window.target[..., 0], spikes.activity[:, 1:8].t())
    torch.testing.assert_close(window.activity[..., 0], session.activity[:, :7].t())


def test_the_mean_attention_over_all_windows_is_the_connectivity():
    session = rings.simulate_ring(90, neurons=6)
    model = NetFormer([session], window=7, embedding_dim=4).eval()
    windows = Windows(session, torch.arange(90 - 7), 7, 1)
    torch.testing.assert_close(rings._mean_attention(model, windows), model.connectivity(session))
