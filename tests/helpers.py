import csv
import warnings
from pathlib import Path

import numpy as np
import torch

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.intake.notes import DataWarning
from synapsnet_pyg.models.forecaster import Forecast, Forecaster


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
