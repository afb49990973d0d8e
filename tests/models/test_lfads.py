import math

import numpy as np
import pytest
import torch
from helpers import make_session

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.data.windows import windows_of
from synapsnet_pyg.models.lfads import LFADS, _log_normal, _normal_kl
from synapsnet_pyg.nn.clipped_gru import ClippedGRU
from synapsnet_pyg.runs.recipe import Recipe
from synapsnet_pyg.runs.training import fit

SMALL = {"generator_size": 6, "encoder_size": 5, "controller_size": 4, "num_factors": 3, "num_inputs": 2}


def test_clipped_gru_equals_its_equations():
    cell = ClippedGRU(3, 4, clip=0.2)
    inputs, hidden = torch.randn(2, 7, 3), torch.randn(2, 4)
    W, U, V, b = cell.input_weight, cell.gates.weight, cell.candidate.weight, cell.bias
    assert b.tolist() == [1] * 8 + [0] * 4
    expected, h = [], hidden
    for t in range(7):
        u = inputs[:, t]
        r = torch.sigmoid(u @ W[:4].T + h @ U[:4].T + 1)
        z = torch.sigmoid(u @ W[4:8].T + h @ U[4:].T + 1)
        n = torch.tanh(u @ W[8:].T + (r * h) @ V.T)
        h = (z * h + (1 - z) * n).clamp(-0.2, 0.2)
        expected.append(h)
    torch.testing.assert_close(cell.run(inputs, hidden), torch.stack(expected, 1))
    torch.testing.assert_close(cell.run(inputs, hidden, reverse=True).flip(1), cell.run(inputs.flip(1), hidden))


def test_divergences_equal_those_of_torch():
    p, q = (torch.distributions.Normal(torch.randn(5), torch.rand(5) + 0.1) for _ in range(2))
    ours = _normal_kl(p.mean, p.variance, q.mean[0], float(q.variance[0]))
    expected = torch.distributions.kl_divergence(p, torch.distributions.Normal(q.mean[0], q.stddev[0]))
    torch.testing.assert_close(ours, expected)
    x = torch.randn(5)
    torch.testing.assert_close(_log_normal(x, p.mean, p.variance), p.log_prob(x))


def test_prior_of_the_inputs_is_a_stationary_process_of_order_one():
    model = LFADS([make_session()], **SMALL)
    with torch.no_grad():
        model.log_time_constant.fill_(math.log(2.0))
        model.log_noise.fill_(math.log(0.3))
    drawn = [torch.randn(3, 2) for _ in range(4)]
    laws = [(torch.randn(3, 2), torch.rand(3, 2) + 0.1) for _ in range(4)]
    memory = math.exp(-1 / 2.0)
    # The whole course at once, as a normal law of many dimensions.
    marginal = 0.3 / (1 - memory**2)
    lag = torch.arange(4)
    covariance = marginal * memory ** (lag[:, None] - lag).abs()
    prior = torch.distributions.MultivariateNormal(torch.zeros(4), covariance)
    course = torch.stack(drawn, -1)
    posterior = sum(torch.distributions.Normal(m, v.sqrt()).log_prob(x) for x, (m, v) in zip(drawn, laws, strict=True))
    expected = (posterior - prior.log_prob(course)).sum(-1).mean()
    torch.testing.assert_close(model._input_kl(drawn, laws), expected)


@pytest.mark.parametrize("causal", [False, True])
def test_forecast_has_no_input_of_its_own_and_no_bin_sees_itself(causal):
    session = make_session()
    model = LFADS([session], causal=causal, **SMALL).eval()
    shown = torch.randn(2, 5, 5)
    encoded = model._encoded(shown)
    assert encoded.shape == (2, 6, 5 if causal else 10)
    assert encoded[:, -1].abs().max() == 0
    for t in range(5):
        other = shown.clone()
        other[:, t] += 1
        assert torch.equal(model._encoded(other)[:, t], encoded[:, t])
        if causal:
            assert torch.equal(model._encoded(other)[:, :t], encoded[:, :t])


def test_coordinated_dropout_scores_only_what_was_hidden(monkeypatch):
    session = make_session()
    model = LFADS([session], coordinated_dropout=0.5, initial_kl_weight=0, input_kl_weight=0, l2_weight=0, **SMALL)
    kept = (torch.arange(2 * 5 * 5).view(2, 5, 5) % 2).float()
    monkeypatch.setattr(torch, "bernoulli", lambda chance: kept)
    seen = torch.randn(2, 5, 5, requires_grad=True)
    behaviour = torch.randn(2, 5, 2)
    generated = model._generate(seen, behaviour)
    expected = ((generated.activity[:, :5] - seen).square() * (1 - kept)).sum() / (1 - kept).sum()
    torch.testing.assert_close(generated.penalty, expected)
    (gradient,) = torch.autograd.grad(generated.activity.sum(), seen)
    assert gradient[kept == 0].abs().max() == 0  # hidden entries do not reach the encoders
    assert gradient[kept == 1].abs().max() > 0


def test_divergences_come_in_by_and_by():
    session = make_session()
    window = windows_of(session, 5)[0].gather(torch.arange(4))
    arguments = SMALL | {"dropout": 0.0, "coordinated_dropout": 0.0, "ramp_steps": 10}
    model = LFADS([session], initial_kl_weight=1000.0, **arguments)
    penalties = []
    for _ in range(20):
        torch.manual_seed(0)
        penalties.append(float(model(window).penalty.detach()))
    rise = np.diff(penalties)
    assert rise[:9] == pytest.approx(np.full(9, rise[0]), rel=1e-3)
    assert rise[10:] == pytest.approx(np.zeros(9), abs=1e-3)
    assert model.state_dict()["steps"] == 20  # a resumed fit goes on where it was


def test_factors_have_unit_length():
    model = LFADS([make_session()], **SMALL)
    with torch.no_grad():
        model.factors *= 7
    before = model.eval()(windows_of(make_session(), 5)[0].gather(torch.arange(2))).activity
    with torch.no_grad():
        model.factors *= 3
    torch.testing.assert_close(model(windows_of(make_session(), 5)[0].gather(torch.arange(2))).activity, before)


def lorenz_population(trials: int, bins: int, neurons: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Counts and rates [neurons, trials, bins] of neurons that a Lorenz system drives, from many starts."""
    random = np.random.default_rng(seed)
    state = random.standard_normal((trials, 3)) * 8 + np.array([0, 0, 25])
    course = np.empty((trials, bins, 3))
    for step in range(1500 + 2 * bins):
        x, y, z = state.T
        state = state + 0.006 * np.stack([10 * (y - x), x * (28 - z) - y, x * y - 8 / 3 * z], axis=1)
        if step >= 1500 and step % 2 == 0:
            course[:, (step - 1500) // 2] = state
    course = (course - course.mean((0, 1))) / course.std((0, 1))
    weights = random.standard_normal((3, neurons)) / 3**0.5
    rates = np.exp(course @ weights * 0.7)  # about a spike a bin
    counts = random.poisson(rates)
    return counts.transpose(2, 0, 1), rates.transpose(2, 0, 1)


@pytest.mark.slow
def test_recovers_the_rates_of_a_lorenz_population(tmp_path):
    """R2 >= 0.9 between true and inferred rates on held-out trials (Pandarinath et al. 2018, figure 2)."""
    trials, bins, neurons = 800, 50, 30
    counts, rates = lorenz_population(trials, bins, neurons)
    starts = np.arange(trials) * bins
    session = Session.from_arrays(
        counts.reshape(neurons, -1), bin_size=0.02, name="lorenz", segment=np.stack([starts, starts + bins], 1)
    ).standardise()
    torch.manual_seed(0)
    model = LFADS(
        [session],
        window=bins - 1,
        generator_size=64,
        encoder_size=64,
        controller_size=0,
        num_factors=8,
        dropout=0.05,
        ramp_steps=300,
    )
    fit(model, [session], tmp_path, Recipe(epochs=45, batch_size=16, learning_rate=4e-3, halve_every=15))
    test = session.split().test
    inferred = model.reconstruct(windows_of(test, bins - 1)[0].gather(torch.arange(trials // 10))).detach()
    inferred = inferred * session.activity_scale[:, None] + session.activity_mean[:, None]
    truth = torch.from_numpy(rates[:, -trials // 10 :, : bins - 1]).transpose(0, 1)
    error = (inferred - truth).square().sum((0, 2))
    spread = (truth - truth.mean((0, 2), keepdim=True)).square().sum((0, 2))
    assert float((1 - error / spread).mean()) >= 0.9


@pytest.mark.parametrize("prefix", ["", "parts.1."])
def test_loads_the_names_of_version_0_1_0(prefix):
    names = LFADS([make_session()], **SMALL).state_dict()
    old = {prefix + name.replace("_distribution.", "_law."): name for name in names}
    assert prefix + "initial_law.weight" in old
    assert prefix + "input_law.bias" in old
    assert LFADS.upgrade(old) == {prefix + name: name for name in names}
