import pytest
import torch
from helpers import make_session
from sklearn.linear_model import PoissonRegressor

from synapsnet_pyg.connectivity.poisson_glm import LINKS, Counts, PoissonGLM, fit_weights
from synapsnet_pyg.data.session import Session

every_link = pytest.mark.parametrize("link", LINKS.values(), ids=LINKS)


def counts_session(N=4, T=400, K=0, **fields):
    activity = torch.poisson(torch.full((N, T), 0.7))
    activity[1, 1:] += torch.poisson(0.5 * activity[0, :-1])
    return Session(activity, torch.randn(T, K), bin_size=1, **fields).standardise()


@every_link
def test_gradient_and_slope_are_derivatives(link):
    session = counts_session(N=3, T=40, K=2, segment=torch.tensor([[0, 15], [15, 18], [20, 40]]))
    session.activity, session.behaviour = session.activity.double(), session.behaviour.double()
    counts = Counts.of(session)
    assert counts.bins == 14 + 2 + 19
    weights = torch.randn(3, 6, dtype=torch.float64)
    _, gradient = counts.loss_and_gradient(weights, link)
    for i, j in ((0, 0), (1, 4), (2, 5)):
        step = torch.zeros_like(weights)
        step[i, j] = 1e-5
        up, down = (counts.loss_and_gradient(weights + sign * step, link)[0] for sign in (1, -1))
        assert float(gradient[i, j]) == pytest.approx((up - down) / 2e-5, abs=1e-6)

    def mean_rate(shift):
        rates = []
        for start, stop in session.segment.tolist():
            for t in range(start, stop - 1):
                inputs = torch.cat([session.activity[:, t], session.behaviour[t], torch.ones(1)])
                rates.append(link.rate(weights @ inputs + shift))
        return torch.stack(rates).mean(0)

    slope = (mean_rate(1e-5) - mean_rate(-1e-5)) / 2e-5
    torch.testing.assert_close(counts.mean_slope(weights, link), slope, atol=1e-6, rtol=1e-6)


def test_the_fit_is_scikit_learns():
    session = counts_session()
    train = Counts.of(session)
    start = torch.zeros(4, 5)
    ours = fit_weights(train, LINKS["exponential"], 20.0, start)
    inputs, counts = session.activity[:, :-1].t().numpy(), train.counts[:, 1:].numpy()
    for i in range(4):
        theirs = PoissonRegressor(alpha=20.0 / train.bins, tol=1e-8, max_iter=1000).fit(inputs, counts[i])
        assert ours[i, :4].numpy() == pytest.approx(theirs.coef_, abs=2e-3)
        assert float(ours[i, 4]) == pytest.approx(theirs.intercept_, abs=2e-3)


@every_link
def test_the_inverse_of_a_link_is_one(link):
    rate = torch.tensor([1e-3, 0.5, 4.0, 30.0])
    torch.testing.assert_close(link.rate(link.inverse(rate)), rate)


def test_the_unit_is_that_of_the_regressions():
    drives = torch.poisson(torch.full((1, 20_000), 2.0))
    driven = torch.poisson(1 + 0.5 * drives.roll(1))
    train, validation, _ = Session(torch.cat([drives, driven]), bin_size=1).split()
    expected = 0.5 * float(drives.std() / driven.std())
    effect = PoissonGLM().fit(train, validation).connectivity_
    assert float(effect[1, 0]) == pytest.approx(expected, rel=0.1)
    assert abs(float(effect[0, 1])) < 0.05


def test_counts_are_found_again_in_standardised_activity():
    activity = torch.poisson(torch.full((3, 200), 5000.0))
    activity[1] = 2.0
    assert torch.equal(Counts.of(Session(activity, bin_size=1).standardise()).counts, activity)


def test_refuses_activity_that_is_no_counts():
    with pytest.raises(ValueError, match="use ridge_var or lasso_var"):
        PoissonGLM().fit(make_session())
    with pytest.raises(ValueError, match=r"got -1\)"):
        PoissonGLM().fit(Session(-torch.ones(2, 50), bin_size=1))
