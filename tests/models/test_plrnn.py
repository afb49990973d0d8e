import numpy as np
import torch
from helpers import error_and_copy, make_session, train

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.data.windows import windows_of
from synapsnet_pyg.models.plrnn import PLRNN


def change(state: np.ndarray) -> np.ndarray:
    """Equations of Lorenz (1963)."""
    x, y, z = state
    return np.array([10 * (y - x), x * (28 - z) - y, x * y - 8 / 3 * z])


def lorenz(T: int = 900, step: float = 0.015) -> Session:
    """The system of Lorenz on its attractor, every second step of a Runge-Kutta of fourth order."""
    state, states = np.array([1.0, 1.0, 20.0]), []
    for _ in range(2 * T + 200):
        a = change(state)
        b = change(state + step / 2 * a)
        c = change(state + step / 2 * b)
        state = state + step / 6 * (a + 2 * b + 2 * c + change(state + step * c))
        states.append(state)
    activity = torch.from_numpy(np.stack(states[200::2], axis=1)).float()
    return Session(activity, bin_size=2 * step, name="lorenz").standardise()


def linear_error(part: Session, test: Session, horizon: int) -> float:
    """Error of the best linear map from the newest bin to each bin ahead."""
    errors = []
    for h in range(1, horizon + 1):
        past, seen = (torch.cat([p, torch.ones_like(p[:1])])[:, :-h] for p in (part.activity, test.activity))
        fitted = torch.linalg.lstsq(past.t(), part.activity[:, h:].t()).solution
        errors.append(float((test.activity[:, h:] - fitted.t() @ seen).square().mean()))
    return sum(errors) / horizon


def test_learns_the_lorenz_system():
    """Eight bins are a third of a turn, over which no linear map can follow."""
    torch.manual_seed(0)
    split = lorenz().split(0.7, 0.15, 0.15)
    model = PLRNN([split.train], window=9, horizon=8, hidden_size=60, rate=1.0)
    error, copy = error_and_copy(train(model, [split.train], 150), split.test)
    assert error < 0.02 * copy
    assert error < 0.1 * linear_error(split.train, split.test, 8)


def test_is_the_recursion_written_out():
    session = make_session()
    model = PLRNN([session], horizon=3, hidden_size=7, rate=0.3)
    window = windows_of(session, 5, 2, horizon=3)[0].gather(torch.arange(6))
    state = torch.linalg.pinv(model.readout.weight) @ (window.activity[2, :, 5] - model.readout.bias)
    for h in range(3):
        driven = [
            model.matrix[i, i] * state[i]
            + sum(model.matrix[i, j] * state[j].relu() for j in range(7) if j != i)
            + model.bias[i]
            for i in range(7)
        ]
        state = 0.3 * torch.stack(driven) + 0.7 * state
        torch.testing.assert_close(model(window).future[2, :, 1, h], model.readout(state))


def test_a_state_of_enough_dimensions_shows_the_activity_itself():
    session = make_session()
    activity = session.activity[:, :9].t()
    enough, few = (PLRNN([session], hidden_size=Z) for Z in (7, 3))
    torch.testing.assert_close(enough.readout(enough.state(activity)), activity)
    left = activity - few.readout(few.state(activity))
    assert left.norm() > 0.1
    torch.testing.assert_close(left @ few.readout.weight, torch.zeros(9, 3), atol=1e-4, rtol=0)  # least squares


def test_training_forces_every_fourth_state_and_no_other():
    session = make_session()
    model, activity = PLRNN([session], hidden_size=7, rate=0.5, forcing=4), session.activity[None, :, :11]
    forced = model.forced(activity)
    assert forced.shape == (1, 5, 10)
    for begin in (0, 4, 8):
        state = model.state(activity[0, :, begin])
        for t in range(begin, min(begin + 4, 10)):
            state = model.step(state)
            torch.testing.assert_close(forced[0, :, t], model.readout(state))
    window = windows_of(session, 6, 2)[0].gather(torch.arange(5))
    forecast = model(window)
    errors = (model.forced(window.activity) - window.activity[..., 1:], forecast.activity - window.target)
    expected = sum(error.square().sum() for error in errors) / sum(error.numel() for error in errors)
    torch.testing.assert_close(model.loss(forecast, window), expected)


def test_starts_on_the_edge_of_stability():
    model = PLRNN([make_session()], hidden_size=20)
    values = torch.linalg.eigvalsh(model.matrix)
    assert values.min() > 0
    torch.testing.assert_close(values.max(), torch.tensor(1.0))
