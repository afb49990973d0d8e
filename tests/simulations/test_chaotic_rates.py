import numpy as np
import pytest
import torch

from synapsnet_pyg.simulations.chaotic_rates import _integrate, lyapunov_exponent, simulate_chaotic_rates


def test_network_is_chaotic():
    session = simulate_chaotic_rates(400)
    weights = session.true_connectivity.double().numpy()
    assert np.abs(np.linalg.eigvals(weights)).max() == pytest.approx(2.0, rel=1e-3)
    assert lyapunov_exponent(weights, np.random.default_rng(1).standard_normal(100)) > 0
    assert session.activity.std(1).mean() > 0.2
    assert (weights != 0).mean() == pytest.approx(0.1, abs=0.02)


def test_dense_gaussian_weights():
    session = simulate_chaotic_rates(20, neurons=30, density=1.0, weights="gaussian")
    assert session.edge_index.shape[1] == 30 * 29


@pytest.mark.parametrize("observed", ["rates", "state"])
def test_response_is_that_of_a_small_push(observed):
    """Brute force: the same noise with and without a push of one neuron, averaged over all steps of a bin."""
    size = {"bins": 60, "neurons": 12, "noise": 0.3, "measurement_noise": 0.0, "coupling": 2.0}
    session = simulate_chaotic_rates(**size, observed=observed, response=True, horizon=2, starts=4000)
    weights, step, per_bin = session.true_connectivity.double().numpy(), 0.05, 4
    random = np.random.default_rng(3)
    states = _integrate(random, weights, step, 0.3, steps=6000)
    show = np.tanh if observed == "rates" else np.asarray
    expected, push = np.zeros((12, 2)), 1e-5
    begins = np.arange(0, 5900, per_bin)
    for offset in range(per_bin):
        state = states[begins + offset]
        pushed = state.copy()
        pushed[:, 4] += push
        for later in range(offset, 2 * per_bin):
            if (later + 1) % per_bin == 0:
                expected[:, later // per_bin] += (show(pushed) - show(state)).mean(0) / push / per_bin
            noise = 0.3 * np.sqrt(2 * step) * random.standard_normal(state.shape)
            state, pushed = (x + step * (np.tanh(x) @ weights.T - x) + noise for x in (state, pushed))
    # Both are averages over other states of the same network.
    found = session.true_response[:, 4].double().numpy()
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.97
    assert found[4, 0] == pytest.approx(expected[4, 0], abs=0.15)


def test_the_same_seed_makes_the_same_session_and_a_part_is_a_part():
    size = {"neurons": 15, "response": True, "starts": 5}
    whole, again, part = (simulate_chaotic_rates(40, 3, recorded=r, **size) for r in (None, None, 6))
    assert torch.equal(whole.activity, again.activity)
    rows = [int(one.split("/")[1]) for one in part.neuron_id]
    for one, other in ((part.true_connectivity, whole.true_connectivity), (part.true_response, whole.true_response)):
        assert torch.equal(one, other[rows][:, rows])
    assert torch.equal(part.activity, whole.activity[rows])


def test_noise_of_the_measurement():
    clean, noisy = (simulate_chaotic_rates(2000, neurons=15, measurement_noise=m).activity for m in (0.0, 0.3))
    assert torch.allclose((noisy - clean).std(1), 0.3 * clean.std(1), rtol=0.1)


def test_refuses_numbers_out_of_range():
    with pytest.raises(ValueError, match="density <= 1"):
        simulate_chaotic_rates(5, density=0.0)
    with pytest.raises(ValueError, match="among cauchy, gaussian"):
        simulate_chaotic_rates(5, weights="levy")
    with pytest.raises(ValueError, match="horizon < 5"):
        simulate_chaotic_rates(5, neurons=5, response=True, horizon=5)
