import pytest
import torch
from helpers import make_session

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.regression import state_space
from synapsnet_pyg.regression.state_space import (
    Sequences,
    StateSpace,
    begin_anywhere,
    expectation_maximisation,
    first_system,
    kalman_filter,
    kalman_smoother,
    log_likelihood,
    sequences_of,
)

S, N, T, K, k = 3, 4, 5, 2, 2


def some_system(seed=0):
    random = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.randn(shape, generator=random, dtype=torch.float64)

    root, first = draw(k, k), draw(k, k)
    return StateSpace(
        transition=0.5 * draw(k, k),
        inputs=draw(k, K),
        state_noise=root @ root.t() + 0.1 * torch.eye(k),
        readout=draw(N, k),
        offset=draw(N),
        noise=0.2 + draw(N).square(),
        first_mean=draw(k),
        first_covariance=first @ first.t() + 0.1 * torch.eye(k),
    )


def joint(system, behaviour):
    """Mean and covariance of all latents [T k] and all activity [T N], by the equations of the model."""
    mean, covariance = [system.first_mean], torch.zeros(T, T, k, k, dtype=torch.float64)
    covariance[0, 0] = system.first_covariance
    A = system.transition
    for t in range(1, T):
        mean.append(A @ mean[-1] + system.inputs @ behaviour[:, t - 1])
        covariance[t, t] = A @ covariance[t - 1, t - 1] @ A.t() + system.state_noise
        for u in range(t):
            covariance[t, u] = A @ covariance[t - 1, u]
            covariance[u, t] = covariance[t, u].t()
    latents = covariance.permute(0, 2, 1, 3).reshape(T * k, T * k)
    readout = torch.block_diag(*[system.readout] * T)
    activity = readout @ latents @ readout.t() + system.noise.repeat(T).diag()
    return torch.cat(mean), latents, readout, activity, system.offset.repeat(T)


def test_filter_smoother_and_likelihood_are_those_of_the_joint_normal_distribution():
    system = some_system()
    random = torch.Generator().manual_seed(1)
    activity = torch.randn(S, N, T, generator=random, dtype=torch.float64)
    behaviour = torch.randn(S, K, T, generator=random, dtype=torch.float64)
    filtered = kalman_filter(system, system.evidence(activity), behaviour)
    smoothed = kalman_smoother(system, filtered)
    total = 0.0
    for s in range(S):
        mean, latents, readout, covariance, offset = joint(system, behaviour[s])
        x, expected = activity[s].t().flatten(), readout @ mean + offset
        total += float(torch.distributions.MultivariateNormal(expected, covariance).log_prob(x))
        for t in range(T):
            for seen, ours in ((t + 1, filtered), (T, smoothed)):  # bins that are known
                gain = (latents @ readout.t())[:, : seen * N] @ torch.linalg.inv(covariance[: seen * N, : seen * N])
                given = mean + gain @ (x - expected)[: seen * N]
                left = latents - gain @ (readout @ latents)[: seen * N]
                own = slice(t * k, (t + 1) * k)
                torch.testing.assert_close(ours.mean[t, s], given[own])
                torch.testing.assert_close(ours.covariance[t], left[own, own])
            if t:
                torch.testing.assert_close(smoothed.lagged[t - 1], left[own, (t - 1) * k : t * k])
    assert log_likelihood(system, Sequences(activity, behaviour), filtered) == pytest.approx(total, rel=1e-9)


@pytest.mark.slow
def test_likelihood_never_falls():
    session = make_session(N=6, T=150, K=2, segment=torch.tensor([[0, 40], [40, 41], [45, 85], [90, 150]]))
    fitted = expectation_maximisation(session, first_system(session, 3), steps=25, tolerance=0)
    likelihood = torch.tensor(fitted.likelihood, dtype=torch.float64)
    assert len(likelihood) > 10
    assert (likelihood.diff() > -1e-6 * likelihood.abs().max()).all()
    assert likelihood[-1] > likelihood[0] + 1


def test_long_segments_are_cut_and_equal_lengths_stand_together(monkeypatch):
    monkeypatch.setattr(state_space, "LONGEST", 10)
    session = make_session(N=3, T=60, segment=torch.tensor([[0, 10], [12, 17], [20, 39], [40, 60]]))
    groups = {group.activity.shape[2]: group for group in sequences_of(session)}
    assert {length: len(group.activity) for length, group in groups.items()} == {5: 1, 9: 1, 10: 4}
    torch.testing.assert_close(groups[5].activity[0], session.activity[:, 12:17].double())
    torch.testing.assert_close(groups[9].behaviour[0], session.behaviour[20:29].t().double())
    assert sum(group.activity.numel() for group in groups.values()) == 3 * 54


def test_latents_of_any_bin():
    """For a session in one state for long, the first latents become those of all bins, not of the first."""
    session = make_session(N=5, T=200, K=0)
    fitted = expectation_maximisation(session, first_system(session, 2), steps=5).system
    anywhere = begin_anywhere(session, fitted)
    assert torch.equal(anywhere.transition, fitted.transition)
    (group,) = sequences_of(session)
    smoothed = kalman_smoother(fitted, kalman_filter(fitted, fitted.evidence(group.activity), group.behaviour))
    torch.testing.assert_close(anywhere.first_mean, smoothed.mean.mean((0, 1)))
    spread = smoothed.covariance.mean(0) + torch.cov(smoothed.mean[:, 0].t(), correction=0)
    torch.testing.assert_close(anywhere.first_covariance, spread)


def test_a_silent_neuron_and_single_bins_are_no_obstacle():
    starts = torch.arange(30)
    session = make_session(N=3, T=30, segment=torch.stack([starts, starts + 1], 1))
    session.activity[1] = 0
    fitted = expectation_maximisation(session, first_system(session, 2), steps=5)
    assert all(value.isfinite().all() for value in fitted.system)
    assert (fitted.system.noise > 0).all()
    whole = Session(session.activity, bin_size=1)
    assert torch.tensor(expectation_maximisation(whole, first_system(whole, 3)).likelihood).isfinite().all()
