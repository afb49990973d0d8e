"""Fits without a folder: nothing stays on disk."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from synapsnet_pyg.data.session import Session, Split
from synapsnet_pyg.metrics import correlation, r_squared
from synapsnet_pyg.models.forecaster import Forecaster
from synapsnet_pyg.models.forecasting import forecast_session
from synapsnet_pyg.models.registry import build_model
from synapsnet_pyg.runs.recipe import Recipe
from synapsnet_pyg.runs.training import fit


class Fitted(NamedTuple):
    """A fitted model with its session, which is standardised, and split by its own parts or 80/10/10."""

    model: Forecaster
    session: Session
    """Standardised session in float32."""

    @property
    def split(self) -> Split:
        """Training, validation and test part."""
        return self.session.split()

    def connectivity(self) -> Tensor:
        """Returns the connectivity of the training part [N, N] in the units of the recording."""
        return raw_units(self.session, self.model.connectivity(self.split.train).detach())

    def validation_correlation(self) -> float:
        """Computes the correlation on the validation part, mean over neurons, for the choice of settings."""
        validation = forecast_session(self.model, self.split.validation)
        return float(correlation(validation.truth, validation.forecast).nanmean())

    def test_correlation(self) -> float:
        """Computes the correlation on the test part, mean over neurons."""
        test = forecast_session(self.model, self.split.test)
        return float(correlation(test.truth, test.forecast).mean())

    def r_squared(self) -> float:
        """Computes the explained variance of the test part, mean over neurons that vary there."""
        test = forecast_session(self.model, self.split.test)
        explained = r_squared(test.truth, test.forecast)
        return float(explained[explained.isfinite()].mean())


def fit_in_memory(
    session: Session,
    seed: int,
    kind: str = "synapsnet",
    *,
    epochs: int | None = None,
    arguments: Mapping[str, Any] | None = None,
) -> Fitted:
    """Fits a forecaster with the fast recipe and keeps no files.

    Args:
        session: Recording, raw or standardised.
        seed: Seed of weights, order and dropout.
        kind: Name of the model.
        epochs: Number of epochs; None: the recipe's.
        arguments: Arguments of the model.
    """
    session = session.standardise().apply(_single)
    torch.manual_seed(seed)
    model = build_model(kind, [session], arguments)
    recipe = Recipe.fast(session.num_bins).changed(seed=seed, patience=6, epochs=epochs)
    with tempfile.TemporaryDirectory() as folder:
        return Fitted(fit(model, [session], Path(folder) / "fit", recipe, progress=False), session)


def _single(values: Tensor) -> Tensor:
    """Returns numbers in float32; other values unchanged."""
    return values.float() if values.is_floating_point() else values


def raw_units(session: Session, connectivity: Tensor) -> Tensor:
    """Converts a connectivity [..., N, N] of standardised activity to the units of the recording."""
    scale = session.activity_scale
    return connectivity * scale[:, None] / scale
