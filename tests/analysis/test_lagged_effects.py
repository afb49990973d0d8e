import pytest
import torch
from helpers import make_session

from synapsnet_pyg.analysis.lagged_effects import lagged_effects
from synapsnet_pyg.data.session import Session


def least_squares(target: torch.Tensor, inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns coefficients and their standard errors, by the textbook."""
    x = torch.cat([inputs, torch.ones(1, inputs.shape[1])]).double()
    solution = torch.linalg.lstsq(x.t(), target.double().t()).solution.t()
    variance = (target.double() - solution @ x).square().mean(1)
    spread = torch.linalg.inv(x @ x.t()).diagonal()
    return solution[:, :-1], torch.outer(variance, spread).sqrt()[:, :-1]


@pytest.fixture(scope="module")
def session() -> Session:
    activity = torch.randn(3, 4000, generator=torch.Generator().manual_seed(2))
    activity[1, 1:] += 0.5 * activity[0, :-1]
    activity[2] += 0.4 * activity[1]
    return Session(activity, bin_size=0.1).standardise()


def stacked(session: Session, lags: int) -> list[torch.Tensor]:
    """Returns the activity at lags 0 to L."""
    T = session.num_bins
    return [session.activity[:, lags - lag : T - lag] for lag in range(lags + 1)]


def test_given_the_past_it_is_least_squares(session):
    effects = lagged_effects(session)
    newest, *earlier = stacked(session, effects.lags)
    expected, error = least_squares(newest, torch.cat(earlier))
    for lag in range(1, effects.lags + 1):
        block = slice(3 * (lag - 1), 3 * lag)
        estimate = effects.past.at_lag(lag, effects.bins)
        effect, standard_error = estimate.effect.values, estimate.error
        torch.testing.assert_close(effect, expected[:, block], atol=8e-3, rtol=0)  # shrinkage of the covariance
        torch.testing.assert_close(standard_error, error[:, block], rtol=0.03, atol=0)


def test_given_the_same_bin_too_it_is_least_squares_with_the_others_as_inputs(session):
    effects = lagged_effects(session)
    newest, *earlier = stacked(session, effects.lags)
    for i in range(3):
        others = [k for k in range(3) if k != i]
        expected, error = least_squares(newest[i : i + 1], torch.cat([newest[others], *earlier]))
        estimate = effects.present.at_lag(1, effects.bins)
        effect, standard_error = estimate.effect.values, estimate.error
        torch.testing.assert_close(effect[i], expected[0, 2:5], atol=8e-3, rtol=0)
        # A strong effect has a wider error here, by its partial correlation.
        assert (standard_error[i] / error[0, 2:5] >= 0.98).all()
        assert (standard_error[i] / error[0, 2:5] <= 1.12).all()


def test_backwards_it_is_the_regression_of_the_reversed_recording(session):
    effects = lagged_effects(session)
    backwards = lagged_effects(Session(session.activity.flip(1), bin_size=0.1))
    for name, other in (("reverse", "past"), ("reverse_present", "present"), ("past", "reverse")):
        both = (getattr(effects, name).coefficients, getattr(backwards, other).coefficients)
        for one, another in zip(*both, strict=True):
            torch.testing.assert_close(one.values, another.values, atol=1e-4, rtol=0)


def test_a_kernel_over_lags_is_the_best_linear_combination():
    """The amplitude of a kernel equals the regression on the filtered sender."""
    activity = torch.randn(2, 6000, generator=torch.Generator().manual_seed(5))
    session = Session(activity, bin_size=0.1).standardise()
    effects = lagged_effects(session)
    kernel = torch.tensor([1.0, 0.5, 0.25, 0.0, 0.0], dtype=torch.float64)[: effects.lags]
    newest, *earlier = stacked(session, effects.lags)
    filtered = sum(k * rows for k, rows in zip(kernel.tolist(), earlier, strict=True))
    own = torch.stack([rows[0] for rows in earlier])
    expected, error = least_squares(newest[:1], torch.cat([own, filtered[1:2]]))
    estimate = effects.past.filtered(kernel, effects.bins)
    amplitude, standard_error = estimate.effect.values, estimate.error
    assert float(amplitude[0, 1]) == pytest.approx(float(expected[0, -1]), abs=2e-3)
    assert float(standard_error[0, 1]) == pytest.approx(float(error[0, -1]), rel=0.02)


def test_no_bin_crosses_a_border_of_segments():
    segment = torch.tensor([[0, 70], [90, 200]])
    session = make_session(N=3, T=200, K=1, segment=segment).standardise()
    assert lagged_effects(session).bins == 180 - 2 * lagged_effects(session).lags
