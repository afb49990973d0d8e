import numpy as np
import pytest
import torch

from synapsnet_pyg.simulations.point_process import PointProcess, simulate_point_process


def tiny(binary, L=3):
    """Three neurons: 0 excites 1 at all lags, 1 inhibits 2, 2 excites 0."""
    filters = np.zeros((L, 3, 3))
    filters[:, 1, 0] = [0.6, 0.4, 0.2][:L]
    filters[:, 2, 1] = [-0.8, -0.4, 0.0][:L]
    filters[0, 0, 2] = 0.7
    own = np.array([-1.0, -0.5, -0.2])[:L]
    random = np.random.default_rng(0)
    return PointProcess.draw(random, filters, own, bin_size=0.01, binary=binary, rates=(6.0, 7.0))


def test_rates_and_refractoriness():
    session = simulate_point_process(bins=6000, refractory=2)
    x = session.activity
    rates = x.mean(1) / 0.01
    assert 5 < rates.mean() < 11
    assert ((rates > 2) & (rates < 22)).all()
    assert set(x.unique().tolist()) == {0, 1}
    assert (x[:, 1:] * x[:, :-1]).sum() + (x[:, 2:] * x[:, :-2]).sum() < 5  # exp(-10) leaves a spike or two
    assert (x[:, 12:] * x[:, :-12]).sum() > 100


def test_senders_have_one_sign():
    session = simulate_point_process(bins=3, neurons=100)
    truth = session.true_connectivity
    assert truth.diagonal().abs().max() == 0
    for sender, kind in enumerate(session.cell_type):
        assert (truth[:, sender] * (1 if kind == "excitatory" else -1) >= 0).all()


@pytest.mark.parametrize("binary", [False, True])
def test_response_is_that_of_two_populations_with_the_same_random_numbers(binary):
    """Brute force: from every bin, a population with one more spike of neuron 0 and one without run on."""
    process, horizon, L = tiny(binary), 4, 3
    T = 100_000
    counts = process.counts(np.random.default_rng(1), np.zeros((T, 1)))
    response = process.response(counts, np.zeros((T, 1)), horizon, starts=3000)
    starts = np.arange(L, T - horizon)
    total, random = np.zeros((3, horizon)), np.random.default_rng(2)
    pasts = np.stack([counts[starts - back] for back in range(L)])  # [lag - 1, starts, N]
    pasts = np.stack([pasts, pasts])
    pasts[1, 0, :, 0] += 1
    total[:, 0] = (pasts[1, 0] - pasts[0, 0]).mean(0)
    for later in range(1, horizon):
        given = np.einsum("lik,slbk->sbi", process.filters, pasts)
        rate = process.expected(process.baseline + given)
        total[:, later] = (rate[1] - rate[0]).mean(0)
        if binary:
            drawn = (random.random(rate.shape[1:]) < rate).astype(float)
        else:
            smaller = rate.min(0)
            drawn = random.poisson(smaller) + random.poisson(rate - smaller)
        pasts = np.concatenate([drawn[:, None], pasts[:, :-1]], axis=1)
    assert total[1].max() > 0.03
    assert response.mean[:, 0] == pytest.approx(total, abs=0.0025)
    assert response.mean[:, 0, 0].tolist() == [1, 0, 0]
    assert response.mean[2, 0, 1] == 0  # two synapses away
    assert -2e-3 < response.mean[2, 0, 2] < -5e-4


def test_effect_of_a_synapse_one_bin_later_is_that_of_its_filter():
    process = tiny(binary=False)
    counts = process.counts(np.random.default_rng(1), np.zeros((5000, 1)))
    response = process.response(counts, np.zeros((5000, 1)), 2, starts=2000)
    rate = counts[:, 1].mean()
    assert response.mean[1, 0, 1] == pytest.approx(rate * np.expm1(0.6), rel=0.1)


def test_filters_peak_at_different_lags():
    session = simulate_point_process(bins=400, neurons=50, response=True, starts=30)
    assert session.true_response.shape == (50, 50, 7)
    strong = session.true_response[session.true_connectivity > 0.4]
    assert len(strong[:, 1:].argmax(1).unique()) >= 4
    assert ((strong.sum(1) > 0).float().mean()) > 0.95


def test_the_same_seed_makes_the_same_session_and_a_part_is_a_part():
    whole, again, part = (simulate_point_process(60, 3, neurons=20, recorded=r, response=True) for r in (None, None, 8))
    assert torch.equal(whole.activity, again.activity)
    rows = [int(one.split("/")[1]) for one in part.neuron_id]
    assert torch.equal(part.activity, whole.activity[rows])
    for one, other in ((part.true_connectivity, whole.true_connectivity), (part.true_response, whole.true_response)):
        assert torch.equal(one, other[rows][:, rows])


def test_refuses_numbers_out_of_range():
    with pytest.raises(ValueError, match="coupling_bins >= 2"):
        simulate_point_process(5, coupling_bins=1)
    with pytest.raises(ValueError, match="recorded <= neurons"):
        simulate_point_process(5, neurons=3, recorded=4)
    with pytest.raises(ValueError, match="bin_size > 0"):
        simulate_point_process(5, neurons=3, bin_size=0)
    with pytest.raises(ValueError, match="more than 13 bins"):
        simulate_point_process(13, neurons=3, response=True)
