"""Forecasts of estimators, against formulas by hand, numpy and scikit-learn."""

import numpy as np
import pytest
import torch
from helpers import make_session
from sklearn.linear_model import Lasso, Ridge

from synapsnet_pyg.connectivity.forecasting_estimator import hold_out
from synapsnet_pyg.connectivity.lasso_var import LassoVAR
from synapsnet_pyg.connectivity.poisson_glm import PoissonGLM
from synapsnet_pyg.connectivity.ridge_var import RidgeVAR
from synapsnet_pyg.connectivity.soft_ridge import SoftRidge
from synapsnet_pyg.connectivity.sparse_low_rank_var import SparseLowRankVAR
from synapsnet_pyg.data.session import Session

SEGMENT = torch.tensor([[0, 150], [155, 290], [290, 310], [311, 340], [340, 360]])
FORECASTING = [
    RidgeVAR(),
    RidgeVAR(lags=3),
    SoftRidge(),
    LassoVAR(),
    SparseLowRankVAR(),
    PoissonGLM(),
    PoissonGLM(link="exponential"),
]
every_forecast = pytest.mark.parametrize("estimator", FORECASTING, ids=repr)


def counts(N=9, K=2, T=360):
    """Counts with segments, in which neuron 0 drives neuron 1."""
    random = torch.Generator().manual_seed(0)
    activity = torch.poisson(torch.full((N, T), 1.5), generator=random)
    activity[1, 1:] += torch.poisson(0.9 * activity[0, :-1], generator=random)
    return Session(activity, torch.randn(T, K, generator=random), bin_size=0.1, segment=SEGMENT, name="counts")


@every_forecast
def test_predict_is_the_formula_bin_by_bin(estimator):
    train, validation, test = counts().standardise().split()
    fitted = estimator.fit(train, validation)
    rule, forecast = fitted.forecast_, fitted.predict(test)
    expected = {}
    for start, stop in test.segment.tolist():
        for t in range(start + fitted.lags, stop):
            inputs = torch.cat(
                [*(test.activity[:, t - lag] for lag in range(1, fitted.lags + 1)), test.behaviour[t - 1]]
            )
            value = rule.coefficients @ inputs + rule.intercept
            if isinstance(fitted, PoissonGLM):
                rate = value.exp() if fitted.link == "exponential" else (1 + value.exp()).log()
                value = (rate - train.activity_mean) / train.activity_scale
            expected[t] = value
    assert forecast.bins.tolist() == list(expected)
    torch.testing.assert_close(forecast.forecast, torch.stack(list(expected.values()), 1), atol=1e-5, rtol=1e-5)
    assert torch.equal(forecast.truth, test.activity[:, forecast.bins])


@every_forecast
def test_score_is_numpys_correlation(estimator):
    train, validation, test = counts().standardise().split()
    fitted = estimator.fit(train, validation)
    forecast, score = fitted.predict(test), fitted.score(test)
    assert score.shape == (9,)
    for i in range(9):
        if float(forecast.forecast[i].std()) > 1e-6:
            expected = np.corrcoef(forecast.truth[i].double(), forecast.forecast[i].double())[0, 1]
            assert float(score[i]) == pytest.approx(expected, abs=1e-6)
    assert score[1] > 0.3


@every_forecast
def test_a_raw_session_is_forecast_as_its_standardised_form(estimator):
    session = counts()
    raw, standardised = session.split(), session.standardise().split()
    one = estimator.fit(raw.train, raw.validation).predict(raw.test)
    other = estimator.fit(standardised.train, standardised.validation).predict(standardised.test)
    assert torch.equal(one.forecast, other.forecast)
    assert torch.equal(one.truth, other.truth)


@every_forecast
def test_without_validation_all_of_the_training_part_is_fitted(estimator):
    """The penalty is that of the first nine tenths; with it, all bins are fitted."""
    train = counts().standardise().split().train
    fitted = estimator.fit(train)
    connectivity, penalty, details = fitted.connectivity_, fitted.penalty_, fitted.details_
    parts = hold_out(train)
    chosen = estimator.fit(parts.train, parts.validation)
    assert chosen.penalty_ == penalty
    assert {k: v for k, v in chosen.details_.items() if k != "latents"}.items() <= details.items()
    assert not torch.equal(chosen.connectivity_, connectivity)


def test_the_held_out_tenth_begins_at_a_border():
    train = counts().split().train
    parts = hold_out(train)
    assert parts.train.num_bins + parts.validation.num_bins == train.num_bins
    assert parts.train.num_bins in (train.segment[:, 1] - 0).tolist() or len(train.segment) < 3
    one = hold_out(make_session(T=200))
    assert (one.train.num_bins, one.validation.num_bins) == (180, 20)


def regression(part):
    inputs = torch.cat([part.activity[:, :-1], part.behaviour[:-1].t()]).double().numpy().T
    return inputs, part.activity[:, 1:].double().numpy().T


def test_ridge_is_scikit_learns():
    train, validation, test = make_session(N=5, T=300, K=2).standardise().split()
    fitted = RidgeVAR(ridges=[30.0]).fit(train, validation)
    theirs = Ridge(alpha=30.0).fit(*regression(train))
    assert fitted.connectivity_.numpy() == pytest.approx(theirs.coef_[:, :5], abs=1e-5)
    forecast = fitted.predict(test).forecast.numpy().T
    assert forecast == pytest.approx(theirs.predict(regression(test)[0]), abs=1e-5)


def test_lasso_is_scikit_learns():
    """Own past and behaviour, which have no penalty, are regressed out of both sides first."""
    session = make_session(N=5, T=300, K=2)
    session.activity[3, 1:] += 0.8 * session.activity[1, :-1] - 0.4 * session.activity[3, :-1]
    train, validation, test = session.standardise().split()
    fitted = LassoVAR(penalties=[0.03]).fit(train, validation)
    inputs, targets = regression(train)
    for i in range(5):
        others = [j for j in range(5) if j != i]
        free = np.column_stack([inputs[:, [i, 5, 6]], np.ones(len(inputs))])
        left = [x - free @ np.linalg.lstsq(free, x, rcond=None)[0] for x in (inputs[:, others], targets[:, [i]])]
        theirs = Lasso(alpha=0.03, tol=1e-8, max_iter=100_000, fit_intercept=False).fit(left[0], left[1][:, 0])
        assert fitted.connectivity_[i, others].numpy() == pytest.approx(theirs.coef_, abs=1e-3)
        rest = targets[:, i] - inputs[:, others] @ theirs.coef_
        weights = np.linalg.lstsq(free, rest, rcond=None)[0]
        seen = regression(test)[0]
        forecast = seen[:, others] @ theirs.coef_ + np.column_stack([seen[:, [i, 5, 6]], np.ones(len(seen))]) @ weights
        assert fitted.predict(test).forecast[i].numpy() == pytest.approx(forecast, abs=3e-3)


@pytest.mark.parametrize("link", ["softplus", "exponential"])
def test_a_poisson_forecast_is_a_rate(link):
    train, validation, test = counts().standardise().split()
    fitted = PoissonGLM(link=link).fit(train, validation)
    raw = fitted.predict(train).forecast * train.activity_scale[:, None] + train.activity_mean[:, None]
    assert bool((raw > 0).all())
    bins = fitted.predict(train).bins
    counted = (train.activity[:, bins] * train.activity_scale[:, None] + train.activity_mean[:, None]).mean(1)
    tolerance = 0.01 if link == "exponential" else 0.05  # exact with the canonical link
    torch.testing.assert_close(raw.mean(1), counted, rtol=tolerance, atol=0)
    assert fitted.predict(test).forecast.isfinite().all()


def test_refuses_what_it_cannot_do():
    train, validation, _ = counts().split()
    with pytest.raises(ValueError, match=r"fitted estimator \(RidgeVAR.lags=1"):
        RidgeVAR().predict(validation)
    fitted = RidgeVAR().fit(train, validation)
    with pytest.raises(ValueError, match=r"9 neurons and 2 behaviours, as in training \(got 4 and 2\)"):
        fitted.predict(make_session(N=4))
    with pytest.raises(ValueError, match="mean or scale differs"):
        fitted.predict(validation.standardise(validation))
    with pytest.raises(ValueError, match="more than 150 bins"):
        RidgeVAR(lags=150).fit(train, validation)
    for wrong in (
        lambda: RidgeVAR(lags=0),
        lambda: RidgeVAR(ridges=[]),
        lambda: SoftRidge(shares=[1.5]),
        lambda: SoftRidge(ridges=[-1]),
        lambda: PoissonGLM(ridges=[]),
        lambda: PoissonGLM(link="linear"),
        lambda: SparseLowRankVAR(latents=-1),
    ):
        with pytest.raises(ValueError, match="Expected"):
            wrong()
