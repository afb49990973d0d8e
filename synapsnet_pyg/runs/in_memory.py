"""Fits that leave nothing on disk."""

import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from synapsnet_pyg.data.session import Session, Split
from synapsnet_pyg.metrics import correlation, r_squared
from synapsnet_pyg.models.forecaster import Forecaster
from synapsnet_pyg.models.forecasting import forecast_session
from synapsnet_pyg.models.registry import build_model
from synapsnet_pyg.runs.recipe import recipe
from synapsnet_pyg.runs.training import fit


class Fitted(NamedTuple):
    """A model fitted to a session as to any recording: 80/10/10, standardised."""

    model: Forecaster
    session: Session
    """Standardised, in float32."""

    @property
    def split(self) -> Split:
        """80/10/10."""
        return self.session.split()

    def connectivity(self) -> Tensor:
        """Of the training part, in the units of the recording: what one more unit of j adds to i's next bin."""
        return raw_units(self.session, self.model.connectivity(self.split.train).detach())

    def validation_correlation(self) -> float:
        """Mean over neurons, by which settings are chosen."""
        seen = forecast_session(self.model, self.split.validation)
        return float(correlation(seen.truth, seen.forecast).nanmean())

    def r_squared(self) -> float:
        """Of the test part, mean over neurons that vary there."""
        test = forecast_session(self.model, self.split.test)
        explained = r_squared(test.truth, test.forecast)
        return float(explained[explained.isfinite()].mean())


def fit_recording(
    session: Session, seed: int, model: str = "synapsnet", epochs: int | None = None, **arguments: Any
) -> Fitted:
    """Fits a forecaster with the preset ``fast``, or so many epochs of it, and leaves nothing on disk."""
    session = session.standardise().apply(_single)
    torch.manual_seed(seed)
    made = build_model(model, [session], arguments)
    settings = recipe("fast", session.num_bins) | {"seed": seed, "patience": 6}
    settings |= {} if epochs is None else {"epochs": epochs}
    with tempfile.TemporaryDirectory() as folder:
        fitted = fit(made, [session], Path(folder) / "fit", model, progress=False, **settings)
    return Fitted(fitted, session)


def _single(values: Tensor) -> Tensor:
    return values.float() if values.is_floating_point() else values


def raw_units(session: Session, connectivity: Tensor) -> Tensor:
    """A connectivity [..., N, N] between standardised neurons in the units that the recording came in."""
    scale = session.activity_scale
    return connectivity * scale[:, None] / scale
