import numpy as np
import pytest
import torch
from helpers import make_session

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.data.windows import windows_of
from synapsnet_pyg.models.forecasting import forecast_horizons
from synapsnet_pyg.models.jacobian import mean_jacobian
from synapsnet_pyg.models.lds import LDS
from synapsnet_pyg.models.registry import build_model


def rotating(N=30, T=1500, radius=0.97, angle=0.3):
    """A noisy rotation in two dimensions and a slow drive by a known behaviour, seen through N noisy neurons."""
    random = torch.Generator().manual_seed(2)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 0.8 / radius]])
    transition = radius * torch.from_numpy(turn).float()
    inputs, state, states = torch.tensor([0.0, 0.0, 1.0]), torch.zeros(3), []
    behaviour = torch.randn(T, 1, generator=random)
    for t in range(1, T):  # slow, since forecasts hold it
        behaviour[t] = 0.95 * behaviour[t - 1] + 0.3 * behaviour[t]
    for t in range(T):
        states.append(state)
        state = transition @ state + inputs * behaviour[t] + torch.randn(3, generator=random) * 0.3
    activity = torch.randn(N, 3, generator=random) @ torch.stack(states, 1)
    activity += torch.randn(N, T, generator=random) * (0.5 + torch.rand(N, 1, generator=random))
    return Session(activity, behaviour, bin_size=0.1, name="turn"), transition


def solved(session, name="lds", **arguments):
    split = session.split(0.7, 0.15, 0.15)
    model = build_model(name, [session], arguments)
    model.initialise({session.name: split.train}, {session.name: split.validation})
    return model, split.test


def test_recovers_the_spectrum_of_a_known_system():
    session, transition = rotating()
    model, _ = solved(session, latents=3)
    found = torch.linalg.eigvals(model.system("turn").transition)
    expected = torch.linalg.eigvals(transition)
    for value in expected:
        assert (found - value).abs().min() < 0.07
    assert (model.system("turn").inputs.norm() > 0.1).all()


def test_forecasts_its_own_kind_of_data_better_than_regressions():
    session = rotating(N=20, T=1000)[0].standardise()
    error = {}
    for name, arguments in {"lds": {"window": 12, "latents": 3}, "var5": {}, "linear": {"window": 12}}.items():
        ahead = forecast_horizons(*solved(session, name, **arguments), 4, first=12, method="rolled")
        error[name] = float((ahead.forecast - ahead.truth).square().mean())
    assert error["lds"] < min(error["var5"], error["linear"])


def test_forecast_is_the_conditional_mean():
    """By the joint normal distribution of a window's bins and the bins ahead."""
    session = make_session(N=4, T=160, K=0)
    session.activity = session.activity.cumsum(1) / 5
    model, test = solved(session.standardise(), latents=2, window=5, horizon=3, steps=4)
    system, W, H = model.system("demo"), 5, 3
    powers = [torch.linalg.matrix_power(system.transition, t) for t in range(W + H)]
    variance = [system.first_covariance]
    for _ in range(W + H - 1):
        variance.append(system.transition @ variance[-1] @ system.transition.t() + system.state_noise)
    blocks = [
        [
            system.readout
            @ (powers[t - u] @ variance[u] if t >= u else variance[t] @ powers[u - t].t())
            @ system.readout.t()
            for u in range(W + H)
        ]
        for t in range(W + H)
    ]
    covariance = torch.cat([torch.cat(row, 1) for row in blocks]) + system.noise.repeat(W + H).diag()
    mean = torch.cat([system.readout @ power @ system.first_mean + system.offset for power in powers])
    window = windows_of(test, W, 1, horizon=H)[0].gather(torch.arange(6))
    seen = window.activity.double().transpose(1, 2).flatten(1)
    gain = covariance[W * 4 :, : W * 4] @ torch.linalg.inv(covariance[: W * 4, : W * 4])
    expected = (mean[W * 4 :] + (seen - mean[: W * 4]) @ gain.t()).unflatten(1, (H, 4)).transpose(1, 2)
    torch.testing.assert_close(model(window).future[:, :, 0].double(), expected, atol=1e-5, rtol=1e-4)


def test_behaviour_is_held_at_its_newest_value():
    session = rotating(N=5, T=200)[0]
    model, test = solved(session, latents=2, window=4, horizon=3, steps=3)
    window = windows_of(test, 4, 2, horizon=3)[0].gather(torch.arange(3))
    system, moved = model.system("turn"), window._replace(behaviour=window.behaviour.clone())
    moved.behaviour[:, -1] += 2.0
    change = (model(moved).future - model(window).future).double()
    assert change[:, :, 0].abs().max() == 0  # the position before
    latents = torch.zeros(2, dtype=torch.float64)
    for h in range(3):
        latents = system.transition @ latents + 2 * system.inputs[:, 0]
        torch.testing.assert_close(change[0, :, 1, h], system.readout @ latents, atol=1e-5, rtol=1e-4)


def test_connectivity_is_the_mean_jacobian():
    session = rotating(N=5, T=200)[0]
    model, _ = solved(session, window=4, latents=2, steps=3)
    torch.testing.assert_close(model.connectivity(session), mean_jacobian(model, session, 4), atol=1e-5, rtol=1e-4)


def test_latents_are_chosen_on_validation():
    session = rotating(N=8, T=300)[0].standardise()
    split = session.split(0.7, 0.15, 0.15)

    def error(**arguments):
        model = LDS([session], window=6, horizon=2, steps=3, **arguments)
        model.initialise({"turn": split.train}, {"turn": split.validation})
        ahead = forecast_horizons(model, split.validation, 2)
        return float((ahead.forecast - ahead.truth).square().mean())

    assert error() == pytest.approx(min(error(latents=number) for number in (2, 4, 8)), rel=1e-5)


def test_refuses_what_cannot_be_fitted():
    with pytest.raises(ValueError, match="at least 1 latent"):
        LDS([make_session()], latents=0)
    session = make_session(T=30, segment=torch.tensor([[0, 10], [10, 20], [20, 30]]))
    with pytest.raises(ValueError, match="at least 11 bins"):
        LDS([session]).initialise({"demo": session}, {"demo": session})
