"""Is a difference between conditions one? Calibration and power where the truth is known."""

import numpy as np
import pytest
import torch
from helpers import make_session
from scipy.signal import lfilter
from scipy.stats import kstest

from synapsnet_pyg.analysis.comparison import ASSIGNED, SHIFTED, Comparison, compare_conditions
from synapsnet_pyg.analysis.condition_pairs import ConditionPair, halves_pair, session_pair, state_pairs
from synapsnet_pyg.data.session import Session

AREAS = ["A", "B", "C"]
N, TRIAL = 7, 20


def population(seed, T, condition=None, *, change=0.0, drift=0.0, neurons=N, covariance=0.0) -> Session:
    """Neurons that drive each other.

    In condition 1 outputs of area A are weaker by ``change``, and a shared input without effect is stronger by
    ``covariance``. A slow input drives all.
    """
    random = np.random.default_rng(seed)
    weight = random.standard_normal((neurons, neurons))
    weight *= 0.8 / np.abs(np.linalg.eigvals(weight)).max()
    area = [AREAS[i % 3] for i in range(neurons)]
    changed = weight * (1 - change * np.array([name == "A" for name in area]))
    load = random.standard_normal(neurons)[:, None]
    condition = torch.zeros(T) if condition is None else condition
    is_on, shared = (condition == 1).numpy(), random.standard_normal(T)
    activity = random.standard_normal((neurons, T)) + drift * load * lfilter([0.2], [1, -0.98], shared)
    activity += covariance * is_on * (load * shared + 0.5)
    for t in range(1, T):
        activity[:, t] += (changed if is_on[t - 1] else weight) @ activity[:, t - 1]
    trials = torch.stack([torch.arange(0, T, TRIAL), torch.arange(TRIAL, T + TRIAL, TRIAL)], 1)
    return Session(
        torch.from_numpy(activity).float(),
        (condition == 1).float()[:, None],
        bin_size=0.1,
        segment=trials if T % TRIAL == 0 else None,
        area=area,
        behaviour_name=["label"],
    ).standardise()


def coin_flips(seed, T) -> torch.Tensor:
    random = torch.Generator().manual_seed(1000 + seed)
    return torch.randint(0, 2, (T // TRIAL,), generator=random).repeat_interleave(TRIAL)


def slow_states(seed, T) -> torch.Tensor:
    """States that last some 50 bins."""
    random = np.random.default_rng(seed)
    return torch.from_numpy(np.repeat(np.arange(T) % 2, random.geometric(1 / 50, T))[:T])


def summarised(results: list[Comparison]) -> None:
    """Checks that p-values of pairs, groups and all are uniform, and few are called."""
    pairs = np.concatenate([result.p_value[result.p_value.isfinite()].numpy() for result in results])
    blocks, in_any_way = (np.concatenate([result.blocks[name] for result in results]) for name in ("p", "p_any"))
    together = np.array([result.any_difference.p for result in results])
    assert (pairs < 0.05).mean() == pytest.approx(0.04, abs=0.015)
    assert (blocks < 0.05).mean() == pytest.approx(0.045, abs=0.025)
    assert (in_any_way < 0.05).mean() == pytest.approx(0.05, abs=0.025)
    assert np.quantile(pairs, [0.25, 0.5, 0.75]) == pytest.approx([0.25, 0.5, 0.75], abs=0.05)
    assert kstest(together, "uniform").pvalue > 0.01
    assert np.mean([bool(result.edges().any()) for result in results]) <= 0.06


@pytest.mark.slow
def test_coin_flips_for_each_trial_differ_at_the_rate_of_chance():
    """The label is a behaviour of the session, as a model would be told."""
    results = []
    for seed in range(200):
        session = population(seed, 600, coin_flips(seed, 600))
        (pair,) = state_pairs(session, ["label"])
        results.append(compare_conditions(pair, group_by="area", draws=29, seed=seed))
    assert {result.null_name for result in results} == {SHIFTED}
    summarised(results)


@pytest.mark.slow
def test_halves_differ_at_the_rate_of_chance():
    results = []
    for seed in range(200):
        session = population(seed, 590, drift=0.3)
        results.append(compare_conditions(halves_pair(session), group_by="area", draws=60, seed=seed))
    assert {result.null_name for result in results} == {ASSIGNED}
    summarised(results)


def test_slow_states_of_another_time_differ_at_the_rate_of_chance():
    """Labels of one recording against another recording, both slow."""
    results = []
    for seed in range(100):
        pair = ConditionPair(population(seed, 990, drift=0.5), slow_states(seed, 990), ("a", "b"))
        results.append(compare_conditions(pair, group_by="area", draws=60, shift=True, seed=seed))
    together = np.array([result.any_difference.p for result in results])
    assert kstest(together, "uniform").pvalue > 0.01
    blocks = np.concatenate([result.blocks["p"] for result in results])
    assert (blocks < 0.05).mean() < 0.06
    assert np.mean([bool(result.edges().any()) for result in results]) <= 0.06


def test_a_condition_that_changes_activity_alone_changes_no_effect():
    p, called = [], 0
    for seed in range(60):
        label = coin_flips(seed, 800)
        result = compare_conditions(
            ConditionPair(population(seed, 800, label, covariance=1.5), label, ("a", "b")), draws=29, seed=seed
        )
        p.append(result.any_difference.p)
        called += int(result.edges().any())
    assert np.mean(np.array(p) <= 0.05) <= 0.12
    assert called <= 3


def test_a_condition_in_which_activity_varies_more_is_no_difference():
    """Errors and senders vary 1.7 times as much in one condition: the fit then lies nearer to its effects."""
    p = []
    for seed in range(40):
        random = torch.Generator().manual_seed(seed)
        state, noise = slow_states(seed, 1500), torch.randn(12, 1500, generator=random)
        weight = 0.15 * torch.randn(12, 12, generator=random)
        activity = torch.zeros(12, 1500)
        for t in range(1, 1500):
            activity[:, t] = weight @ activity[:, t - 1] + (1 + 0.7 * state[t]) * noise[:, t]
        session = Session(activity, bin_size=0.1, name="s").standardise()
        p.append(compare_conditions(ConditionPair(session, state, ("a", "b")), draws=39, seed=seed).any_difference.p)
    assert kstest(p, "uniform").pvalue > 0.01


@pytest.mark.parametrize("kind", ["coin", "turns", "once"])
def test_finds_half_the_weights_of_one_group_of_senders(kind):
    T, n = 6000, 30
    label = {
        "coin": coin_flips(0, T), "turns": torch.arange(T) // 300 % 2, "once": (torch.arange(T) >= T // 2).long()
    }[kind]  # fmt: skip
    session = population(3, T, label, change=0.5, neurons=n)
    result = compare_conditions(ConditionPair(session, label, ("strong", "weak")), group_by="area", draws=99)
    assert result.null_name == (SHIFTED if kind == "coin" else ASSIGNED)
    assert result.any_difference.p == 0.01
    called = result.edges().nonzero()
    from_changed = called[:, 1] % 3 == 0
    assert from_changed.sum() >= 15
    assert (~from_changed).sum() <= 2
    table = result.blocks.set_index(["sender", "receiver"])
    assert (table.loc["A"]["q_any"] < 0.05).all()
    assert (table.loc[["B", "C"]]["q_any"] >= 0.05).sum() >= 5


def test_orientation_intervals_and_means_of_groups():
    session = make_session(N=5, T=4000, K=0).standardise()
    session.area = ["A", "A", "B", "B", ""]
    label = slow_states(0, 4000)
    session.activity[2, 1:] += 0.4 * session.activity[0, :-1] * (label[:-1] == 0)
    result = compare_conditions(ConditionPair(session, label, ("on", "off")), group_by="area", draws=50)
    assert result.edges().nonzero().tolist() == [[2, 0]]  # neuron 2 hears neuron 0
    assert float(result.difference[2, 0]) == pytest.approx(0.4, abs=0.1)
    assert result.p_value.diagonal().isnan().all()
    assert result.unlabelled == 1
    table = result.blocks.set_index(["sender", "receiver"])
    row = table.loc["A", "B"]
    assert row["pairs"] == 4
    block = np.ix_([2, 3], [0, 1])
    for name, effect in zip(("mean_a", "mean_b"), result.effect.numpy(), strict=True):
        assert row[name] == pytest.approx(effect[block].mean(), abs=1e-6)
    assert row["difference"] == pytest.approx(row["mean_a"] - row["mean_b"])
    assert row["low"] < 0.1 < row["high"]
    assert row["q"] < 0.05
    assert table.loc["A", "A"]["pairs"] == 2


def test_two_sessions_of_one_population_agree_and_do_not_differ():
    whole = population(0, 4010, neurons=11)
    days = [whole.slice(0, 2000), whole.slice(2000, 4010)]
    for session, name in zip(days, ("monday", "tuesday"), strict=True):
        session.name = name
    result = compare_conditions(session_pair(*days), draws=50)
    assert result.names == ("monday", "tuesday")
    assert result.any_difference.p > 0.05
    assert result.agreement.low > 0.9
    other = population(1, 2010, neurons=11)
    other.neuron_id, other.name = whole.neuron_id, "stranger"
    result = compare_conditions(session_pair(days[0], other), draws=50)
    assert result.any_difference.p == pytest.approx(1 / 51)
    assert abs(result.agreement.correlation) < 0.5


def test_the_error_is_that_of_least_squares():
    """For independent bins of equal variance."""
    session = make_session(N=6, T=3000, K=1).standardise()
    result = compare_conditions(halves_pair(session), draws=50)
    error = result.error[result.error.isfinite()].numpy()
    assert error.mean() == pytest.approx((2 / 1500) ** 0.5, rel=0.1)


def test_silent_neurons_have_no_p_value():
    session = make_session(N=6, T=900, K=1).standardise()
    session.activity[4, :500] = 0.0
    session.area = ["A", "A", "A", "A", "B", "A"]
    result = compare_conditions(halves_pair(session), group_by="area", draws=20)
    assert result.p_value[4].isnan().all()
    assert result.p_value.isfinite().sum() == 20
    assert result.blocks.query("sender == 'B' or receiver == 'B'")["p"].isna().all()


def test_refuses_few_draws_and_other_fields():
    pair = halves_pair(make_session(N=4, T=900))
    with pytest.raises(ValueError, match=r"at least 20 draws of the null .got 3"):
        compare_conditions(pair, draws=3)
    with pytest.raises(ValueError, match="got 'layer', there are: none"):
        compare_conditions(pair, group_by="layer")
