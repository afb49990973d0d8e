import math

import torch
from helpers import error_and_copy, make_session, train

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.data.windows import windows_of
from synapsnet_pyg.models.tsmixer import TSMixer


def sinusoids(T: int = 600) -> Session:
    """Five neurons that mix three oscillations, with a little noise."""
    random = torch.Generator().manual_seed(0)
    time = torch.arange(T)
    waves = torch.stack([torch.sin(2 * math.pi * time / period) for period in (7.3, 11.9, 23.0)])
    noise = 0.1 * torch.randn(5, T, generator=random)
    return Session(torch.randn(5, 3, generator=random) @ waves + noise, bin_size=0.1, name="waves").standardise()


def test_continues_mixed_oscillations():
    split = sinusoids().split(0.7, 0.15, 0.15)
    for norm in (False, True):
        torch.manual_seed(0)
        model = TSMixer([split.train], window=12, horizon=4, hidden_size=32, instance_norm=norm)
        error, copy = error_and_copy(train(model, [split.train], 200), split.test)
        assert error < 0.1 * copy


def test_is_the_maps_written_out():
    session = make_session()
    model = TSMixer([session], window=4, horizon=3, hidden_size=7, num_blocks=1)
    window = windows_of(session, 4, 2, horizon=3)[0].gather(torch.arange(6))
    (block,) = model.blocks
    past = window.activity[2, :, 1:5]  # the newest position of window 2
    past = past + torch.stack([block.time(row).relu() for row in past])
    mixed = torch.stack([block.neurons_out(block.neurons_in(column).relu()) for column in past.t()], dim=1)
    torch.testing.assert_close(model(window).future[2, :, 1], model.readout(past + mixed))


def test_instance_norm_carries_level_and_scale_to_the_forecast():
    session = make_session()
    model = TSMixer([session], window=6, horizon=2, hidden_size=7, instance_norm=True)
    window = windows_of(session, 6)[0].gather(torch.arange(4))
    louder = window._replace(activity=10 * window.activity + 3)
    torch.testing.assert_close(model(louder).future, 10 * model(window).future + 3, atol=1e-3, rtol=1e-3)
