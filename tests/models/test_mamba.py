import torch
from helpers import error_and_copy, make_session, train

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.data.windows import windows_of
from synapsnet_pyg.models.mamba import Mamba


def selective_copy(T: int = 2500) -> Session:
    """The second neuron repeats, when asked, the first one's value at the newest mark."""
    random = torch.Generator().manual_seed(0)
    value = torch.randint(0, 2, (T,), generator=random) * 2.0 - 1
    mark, question = (torch.rand(T, generator=random) < 0.3).float(), (torch.rand(T, generator=random) < 0.5).float()
    answer, kept = torch.zeros(T), 0.0
    for t in range(T - 1):
        kept = float(value[t]) if mark[t] else kept
        answer[t + 1] = kept * question[t]
    return Session(torch.stack([value, answer]), torch.stack([mark, question], -1), bin_size=0.1, name="copy")


def test_keeps_what_is_marked_until_it_is_asked():
    """Selective copying: the time between mark and question varies, so that no fixed filter can do it."""
    torch.manual_seed(0)
    split = selective_copy().split(0.8, 0.1, 0.1)
    model = Mamba([split.train], window=8, hidden_size=12, state_size=2, num_layers=2, dropout=0.0)
    train(model, [split.train], 130, rate=3e-2)
    window = windows_of(split.test, 8)[0].gather(torch.arange(240))
    error = (model(window).activity - window.target)[:, 1].square().mean()
    variance = window.target[:, 1].var()
    assert error < 0.35 * variance
    past = torch.cat([window.activity.flatten(1), window.behaviour.flatten(1)], dim=1)
    fitted = torch.linalg.lstsq(past, window.target[:, 1, 0]).solution  # the best filter, even fitted to this part
    assert (past @ fitted - window.target[:, 1, 0]).square().mean() > 0.6 * variance


def test_layers_over_all_neurons_and_behaviours_at_once():
    session = make_session()
    model = Mamba([session], window=4, horizon=3, hidden_size=10, state_size=3, num_layers=2).eval()
    window = windows_of(session, 4, 2, horizon=3)[0].gather(torch.arange(6))
    hidden = model.enter(torch.cat([window.activity.transpose(1, 2), window.behaviour], dim=-1))
    for layer, norm in zip(model.layers, model.norms, strict=False):
        hidden = hidden + layer(norm(hidden))
    for p in range(2):
        expected = model.readout(model.norms[2](hidden[:, 3 + p])).view(6, 5, 3)
        torch.testing.assert_close(model(window).future[:, :, p], expected)
    assert error_and_copy(model, session)[0] > 0
