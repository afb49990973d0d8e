"""The contract of all estimators, and an estimator of one's own."""

from dataclasses import dataclass

import pytest
import torch
from helpers import make_session

from synapsnet_pyg.connectivity.curbd import CURBD
from synapsnet_pyg.connectivity.estimator import Estimator
from synapsnet_pyg.connectivity.lagged_correlation import LaggedCorrelation
from synapsnet_pyg.connectivity.partial_correlation import PartialCorrelation
from synapsnet_pyg.connectivity.poisson_glm import PoissonGLM
from synapsnet_pyg.connectivity.registry import ESTIMATORS, RegisteredEstimator, estimate, estimator
from synapsnet_pyg.connectivity.ridge_var import RidgeVAR
from synapsnet_pyg.data.session import Session


@dataclass(eq=False, kw_only=True)
class Covariance(Estimator):
    """Covariance within the same bin."""

    scale: float = 1.0

    def _fit(self, train: Session, validation: Session | None) -> None:
        self.connectivity_ = self.scale * torch.cov(train.activity, correction=0)


def test_one_of_ones_own_is_a_class_and_a_line(monkeypatch):
    monkeypatch.setitem(ESTIMATORS, "covariance", RegisteredEstimator(f"{__name__}:Covariance"))
    monkeypatch.setattr("pkgutil.resolve_name", lambda path: Covariance)
    train = make_session(N=3, T=70)
    train.activity[1] *= 5
    assert repr(estimator("covariance", scale=2.0)) == "Covariance(scale=2.0)"
    found = estimate("covariance", train)
    assert torch.allclose(found.connectivity.diagonal(), torch.ones(3))  # standardised with its own statistics
    assert found.score is None
    assert found.details == {}


def test_fit_returns_the_estimator_and_leaves_the_session_as_it_was():
    train = make_session(N=3, T=70)
    before, made = train.activity.clone(), Covariance()
    assert made.fit(train) is made
    assert torch.equal(train.activity, before)
    assert "activity_scale" not in train


def test_repr_shows_the_parameters():
    assert repr(RidgeVAR(lags=3)) == "RidgeVAR(lags=3, ridges=None)"
    assert repr(LaggedCorrelation(lag=2)) == "LaggedCorrelation(lag=2)"
    assert repr(PoissonGLM()) == "PoissonGLM(link='softplus', ridges=None)"


@pytest.mark.parametrize(
    "estimator", [LaggedCorrelation(), PartialCorrelation(), CURBD(training_runs=1)], ids=lambda e: type(e).__name__
)
def test_some_cannot_forecast(estimator):
    session = make_session()
    fitted = estimator.fit(session)
    assert not fitted.forecasts
    assert fitted.penalty_ is None
    with pytest.raises(ValueError, match=f"can forecast .got {type(estimator).__name__}"):
        fitted.predict(session)
    with pytest.raises(ValueError, match="can forecast"):
        fitted.score(session)
