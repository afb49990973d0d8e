import csv
import warnings
from pathlib import Path

import numpy as np
import torch

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.data.windows import windows_of
from synapsnet_pyg.intake.notes import DataWarning
from synapsnet_pyg.models.forecaster import Forecast, Forecaster
from synapsnet_pyg.models.forecasting import forecast_horizons

SMALL = {
    "mamba": {"hidden_size": 24, "state_size": 4},
    "plrnn": {"hidden_size": 128, "rate": 0.5},
    "poco": {"embedding_dim": 12, "hidden_size": 60, "heads": 2, "head_size": 8},
}
"""Model -> sizes for tests, where the published ones are slow."""


class Faded(Forecaster):
    """Forecasts 0.5^h of the bin before the newest one, h bins ahead, directly."""

    def __init__(self, sessions, window=3, horizon=1):
        super().__init__(sessions, window, horizon)

    def forward(self, window):
        P = window.target.shape[-1]
        before = window.activity[..., -P - 1 : -1]
        future = torch.stack([0.5**h * before for h in range(1, self.horizon + 1)], -1)
        return Forecast.direct(future) if self.horizon > 1 else Forecast(future[..., 0])


def make_session(N: int = 5, T: int = 120, K: int = 2, name: str = "demo", **fields) -> Session:
    """A small session whose sizes all differ."""
    random = torch.Generator().manual_seed(N * 1000 + T)
    return Session(
        torch.randn(N, T, generator=random), torch.randn(T, K, generator=random), bin_size=0.1, name=name, **fields
    )


def suited_to(model: str, session: Session) -> Session:
    """The session; for a model of counts with its activity, of about unit variance, turned into counts."""
    if model == "poisson_glm":
        session.activity = (2 * session.activity + 4).clamp_min(0).round()
    return session


def two_neuron_chain(T: int = 1500) -> Session:
    """The first neuron drives the second, one bin later."""
    random = torch.Generator().manual_seed(0)
    first, noise = torch.randn(2, T, generator=random)
    second = 0.9 * first.roll(1) + 0.3 * noise
    return Session(torch.stack([first, second]), bin_size=0.1, name="chain", neuron_id=["a", "b"])


def train(model: Forecaster, sessions: list[Session], steps: int, *, batch: int = 64, rate: float = 1e-2) -> Forecaster:
    """The model after some steps of Adam on windows drawn at random, of each session in turn, at a falling rate."""
    groups = [windows_of(session, model.window, horizon=model.horizon)[0] for session in sessions]
    optimiser = torch.optim.Adam(model.parameters(), lr=rate)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for step in range(steps):
        windows = groups[step % len(groups)]
        window = windows.gather(torch.randint(len(windows), (batch,)))
        optimiser.zero_grad()
        model.loss(model(window), window).backward()
        optimiser.step()
        falling.step()
    return model.eval()


def error_and_copy(model: Forecaster, session: Session, *, horizon: int | None = None) -> tuple[float, float]:
    """Mean squared error of a direct forecast and of a copy of the newest bin, over all bins ahead."""
    ahead = forecast_horizons(model, session, horizon or model.horizon)
    copied = session.activity[:, ahead.bins - 1, None]
    return float((ahead.forecast - ahead.truth).square().mean()), float((copied - ahead.truth).square().mean())


def close(ours: torch.Tensor, reference: np.ndarray, tolerance: float) -> bool:
    """Relative to max(1, largest absolute value), as the oracles' README has it."""
    ours, expected = ours.detach(), torch.from_numpy(np.asarray(reference))
    assert ours.shape == expected.shape, (ours.shape, expected.shape)
    return float((ours.double() - expected.double()).abs().max()) <= tolerance * max(1.0, float(expected.abs().max()))


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def told(call):
    """What a call returns, and the messages with which it told of the data."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = call()
    assert all(issubclass(one.category, DataWarning) for one in caught), [str(one.message) for one in caught]
    return result, [str(one.message) for one in caught]
