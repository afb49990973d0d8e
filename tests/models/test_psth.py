import pytest
import torch

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.data.windows import Window, windows_of
from synapsnet_pyg.metrics import correlation
from synapsnet_pyg.models.checkpoint import load_model, save_model
from synapsnet_pyg.models.forecasting import forecast_session, roll_out
from synapsnet_pyg.models.psth import PSTH, WIDTHS, has_trials

S, U, N = 40, 12, 3


def trials(noise: float = 1.0, lengths: list[int] | None = None) -> Session:
    """Trials with the same time course and independent noise; some can be shorter."""
    random = torch.Generator().manual_seed(0)
    lengths = lengths or [U] * S
    course = torch.stack([torch.sin(torch.arange(U) * (k + 1) / 3) for k in range(N)])
    ends = torch.tensor(lengths).cumsum(0)
    activity = torch.cat([course[:, :length] for length in lengths], dim=1)
    activity = activity + noise * torch.randn(activity.shape, generator=random)
    return Session(activity, bin_size=0.1, segment=torch.stack([ends - torch.tensor(lengths), ends], 1))


def fitted(session: Session) -> PSTH:
    model, split = PSTH([session]), session.split()
    assert model.initialise({session.name: split.train}, {session.name: split.validation})
    return model


def test_the_forecast_is_the_mean_over_training_trials():
    session = trials().standardise()
    model, split = fitted(session), session.split()
    model.mean_0 = split.train.activity.unflatten(1, (-1, U)).mean(1)  # without smoothing
    forecast = forecast_session(model, split.test, targets=4, first=5)
    expected = model.mean_0[:, 5:].repeat(1, len(split.test.segment))
    assert torch.allclose(forecast.forecast, expected)


def test_segments_of_different_lengths_are_padded():
    session = trials(noise=0.0, lengths=[U - k % 3 for k in range(S)])
    model = fitted(session)
    forecast = forecast_session(model, session.split().test)
    assert float(model.width_0) == 0.0
    assert torch.allclose(forecast.forecast, forecast.truth, atol=1e-5)


def test_smoothing_is_chosen_where_noise_hides_the_course():
    session = trials(noise=4.0).standardise()
    model = fitted(session)
    assert float(model.width_0) in WIDTHS[1:]
    forecast = forecast_session(model, session.split().test)
    assert float(correlation(forecast.truth, forecast.forecast).mean()) > 0.05


@pytest.mark.parametrize("targets", [1, 3])
def test_windows_know_the_place_of_their_newest_bin(targets):
    session = trials()
    for group in windows_of(session, 4, targets):
        which = torch.arange(len(group))
        window, newest = group.gather(which), group.target_bins(which)[:, -1] - 1
        begin = session.segment[:, 0].contiguous()
        assert torch.equal(window.bin, newest - begin[torch.searchsorted(begin, newest, right=True) - 1])


def test_several_bins_ahead_follow_the_course_and_the_unknown_is_the_mean(tmp_path):
    session = trials(noise=0.0)
    model = fitted(session)
    window = windows_of(session, 2)[0].gather(torch.arange(2))
    ahead = roll_out(model, window, 3)
    assert torch.allclose(ahead, torch.stack([session.activity[:, 2:5], session.activity[:, 3:6]]), atol=1e-5)
    assert torch.equal(model(window._replace(bin=window.bin + U)).activity, torch.zeros(2, N, 1))
    assert torch.equal(model(Window(*window[:4])).activity, torch.zeros(2, N, 1))
    save_model(model, tmp_path / "psth.ckpt")
    assert torch.equal(load_model(tmp_path / "psth.ckpt")(window).activity, model(window).activity)


def test_trials_are_many_segments_of_about_equal_length():
    assert has_trials(trials())
    assert not has_trials(trials(lengths=[U] * 9))
    assert not has_trials(trials(lengths=[1 + 2 * k for k in range(6)] * 3).standardise())
