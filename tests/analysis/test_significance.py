"""Is what is called an edge one? Calibration where the truth is known."""

import numpy as np
import pytest
import torch
from helpers import make_session, two_neuron_chain

from synapsnet_pyg.analysis.significance import edge_significance
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.metrics import connectivity_score
from synapsnet_pyg.models.registry import build_model
from synapsnet_pyg.simulations.population import simulate_population


def off_diagonal(matrix: torch.Tensor) -> np.ndarray:
    return matrix[~torch.eye(len(matrix), dtype=torch.bool)].numpy()


def spikes(N: int, T: int, seed: int = 0, rate: float = 0.2) -> torch.Tensor:
    return torch.poisson(torch.full((N, T), rate), generator=torch.Generator().manual_seed(seed))


def test_without_coupling_p_values_are_not_too_small():
    """Hidden and recorded drives move all neurons, and nobody drives anybody: three tests are at most uniform."""
    called = 0
    for seed in (1, 2, 3):
        session = simulate_population(8000, seed, neurons=60, recorded=40, coupling=0.0).standardise()
        tested = edge_significance(session, resamples=10)
        p = off_diagonal(tested.p_value)
        for level in (0.01, 0.05, 0.2):
            assert (p <= level).mean() <= level + 0.01
        called += int(tested.edges().sum())
    assert called <= 3


def test_of_the_edges_called_few_are_false():
    called = false = true = 0
    for seed in range(3):
        session = simulate_population(15_000, seed, neurons=150, recorded=60).standardise()
        tested = edge_significance(session, resamples=10)
        edge, truth = tested.edges(0.05), session.true_connectivity != 0
        called, false, true = called + int(edge.sum()), false + int((edge & ~truth).sum()), true + int(truth.sum())
    assert false / called <= 0.07
    assert (called - false) / true > 0.4


@pytest.mark.parametrize("change", ["shuffled trials", "shifted trains", "coin flips"])
def test_destroyed_relations_give_no_edges(change):
    """Trials shuffled and trains shifted for each neuron apart, and spikes that are coin flips."""
    session = simulate_population(6000, 4, neurons=60, recorded=25)
    random = np.random.default_rng(0)
    activity = session.activity.clone()
    for i in range(len(activity)):
        if change == "shuffled trials":
            activity[i] = activity[i].unflatten(0, (-1, 60))[random.permutation(100)].flatten()
        elif change == "shifted trains":
            activity[i] = activity[i].roll(int(random.integers(200, 5800)))
        else:
            activity[i] = torch.from_numpy(random.integers(0, 2, 6000)).float()
    segment = torch.arange(0, 6000, 60)[:, None] + torch.tensor([0, 60]) if change == "shuffled trials" else None
    tested = edge_significance(Session(activity, bin_size=0.1, segment=segment).standardise(), resamples=10)
    p = off_diagonal(tested.p_value)
    assert (p <= 0.05).mean() <= 0.06
    assert int(tested.edges().sum()) <= 1


def test_a_duplicated_neuron_is_no_sender_of_its_twin():
    session = simulate_population(6000, 4, neurons=60, recorded=25)
    activity = torch.cat([session.activity, session.activity[3:4]])
    tested = edge_significance(Session(activity, bin_size=0.1).standardise(), resamples=10)
    assert not tested.edges()[3, 25]
    assert not tested.edges()[25, 3]
    assert tested.error.nan_to_num(1.0).min() > 1e-4


def test_a_common_sender_within_the_bin_makes_no_edge_between_its_receivers():
    """One neuron acts partly in the same bin: the past alone calls its receivers, the same bin shows why."""
    T, random = 20_000, torch.Generator().manual_seed(0)
    noise = torch.randn(4, T, generator=random)
    sender, activity = noise[0], noise.clone()
    for i, (same, next_bin) in ((1, (0.6, 0.2)), (2, (0.2, 0.6))):
        activity[i] += same * sender
        activity[i, 1:] += next_bin * sender[:-1]
    tested = edge_significance(Session(activity, bin_size=0.1).standardise(), resamples=10)
    assert tested.edges()[1:3, 0].all()
    assert not tested.edges()[2, 1]
    assert not tested.edges()[1, 2]


def test_an_unrecorded_input_that_both_hear_in_both_bins_makes_no_edge():
    T, random = 20_000, torch.Generator().manual_seed(0)
    hidden, activity = torch.randn(T, generator=random), torch.randn(6, T, generator=random)
    activity[:2] += 0.5 * hidden
    activity[:2, 1:] += 0.5 * hidden[:-1]
    activity[3, 1:] += 0.3 * activity[2, :-1]
    tested = edge_significance(Session(activity, bin_size=0.1).standardise(), resamples=10)
    assert tested.edges().nonzero().tolist() == [[3, 2]]
    assert tested.same_bin_q[0, 1] < 1e-6  # coupled, in no direction


def test_posterior_means_recover_better_than_unshrunk_effects():
    session = simulate_population(8000, 0, neurons=90, recorded=45).standardise()
    tested, truth = edge_significance(session, resamples=10), session.true_connectivity
    score = {
        key: connectivity_score(getattr(tested, key).nan_to_num(), truth).pearson
        for key in ("effect", "posterior_mean")
    }
    assert score["posterior_mean"] > score["effect"] + 0.02


def test_the_effect_is_the_least_squares_estimate():
    session = make_session(N=5, T=2600, K=0).standardise()
    session.activity[1, 1:] += 0.2 * session.activity[0, :-1]
    tested = edge_significance(session, resamples=10)
    exact = build_model("var5" if len(tested.kernel) == 5 else "var1", [session], {"ridges": [0.0]})
    exact.initialise({session.name: session}, {session.name: session})
    expected = off_diagonal(exact.connectivity(session))
    assert np.abs(off_diagonal(tested.effect) - expected).max() < 2 * float(np.nanmean(tested.error))
    assert float(tested.effect[1, 0]) == pytest.approx(0.2, abs=0.06)
    assert float(np.nanmean(tested.error)) == pytest.approx(2600**-0.5, rel=0.2)


@pytest.mark.parametrize("lag", [1, 2, 3])
def test_the_lag_of_an_edge_is_found(lag):
    activity = torch.randn(4, 5000, generator=torch.Generator().manual_seed(1))
    activity[2, lag:] += 0.4 * activity[0, :-lag]
    tested = edge_significance(Session(activity, bin_size=0.1).standardise(), resamples=10)
    assert tested.edges().nonzero().tolist() == [[2, 0]]
    assert int(tested.lag[2, 0]) == lag
    assert tested.effect[2, 0] == pytest.approx(0.37, abs=0.06)


def test_the_decay_of_an_indicator_is_taken_out():
    """A sender's spike raises its own trace for many frames, and the receiver once."""
    counts = spikes(8, 12_000)
    counts[5, 1:] += torch.poisson(0.5 * counts[2, :-1], generator=torch.Generator().manual_seed(9))
    trace = torch.zeros_like(counts)
    for t in range(1, counts.shape[1]):
        trace[:, t] = 0.9 * trace[:, t - 1] + counts[:, t]
    trace += 0.1 * torch.randn(trace.shape, generator=torch.Generator().manual_seed(3))
    tested = edge_significance(Session(trace, bin_size=0.1).standardise(), resamples=10)
    assert tested.decay == pytest.approx(0.9, abs=0.01)
    assert tested.edges().nonzero().tolist() == [[5, 2]]


def test_orientation_and_diagonal():
    tested = edge_significance(two_neuron_chain().standardise(), resamples=20)
    assert tested.p_value[1, 0] < 1e-6
    assert tested.p_value[0, 1] > 0.01
    assert tested.sign_stability[1, 0] == 1
    assert tested.edges().tolist() == [[False, False], [True, False]]
    fields = tested.edge_fields()
    assert not fields.pop("tested").diagonal().any()
    for matrix in fields.values():
        assert matrix.diagonal().isnan().all()


@pytest.mark.slow
def test_errors_cover_the_estimate_over_repetitions():
    """The standard error is the deviation of the estimate over recordings."""
    weights, errors = [], []
    for seed in range(60):
        random = torch.Generator().manual_seed(seed)
        session = Session(torch.randn(3, 900, generator=random), bin_size=0.1, name="noise").standardise()
        tested = edge_significance(session, resamples=10)
        size = float(tested.kernel.sum())
        weights.append(off_diagonal(tested.effect) / size)
        errors.append(off_diagonal(tested.error) / size)
    assert np.std(weights) == pytest.approx(np.mean(errors), rel=0.15)


def test_statistics_of_an_edge_agree_with_each_other():
    session = simulate_population(8000, 2, neurons=90, recorded=45).standardise()
    tested = edge_significance(session)
    p, probability, stability = map(off_diagonal, (tested.p_value, tested.edge_probability, tested.sign_stability))
    order = np.argsort(p)
    assert (np.diff(probability[order]) <= 1e-6).all()
    assert probability[p > 0.3].max() < 0.2
    past = np.abs(off_diagonal(tested.effect / tested.error))
    assert np.abs(stability[past < 0.3] - 0.55).mean() < 0.1
    assert stability[past > 3].min() > 0.97


def test_slow_neurons_have_wider_errors():
    """Two slow time series look alike by chance; shifts tell how often."""
    noise = torch.randn(6, 4000, generator=torch.Generator().manual_seed(0))
    slow = torch.nn.functional.conv1d(noise[:, None], torch.ones(1, 1, 30) / 30**0.5)[:, 0]
    tested = edge_significance(Session(slow, bin_size=0.1, name="slow").standardise(), resamples=10)
    assert not tested.edges().any()


def test_trials_are_shifted_as_wholes():
    segments = torch.arange(0, 1200, 12)[:, None] + torch.tensor([0, 12])
    session = make_session(N=4, T=1200, K=1, segment=segments).standardise()
    tested = edge_significance(session, resamples=10)
    assert tested.p_value.isfinite().sum() == 12


def test_rare_and_silent_neurons_are_not_tested_and_counted():
    session = make_session(N=6, T=900)
    session.activity[2] = 0
    session.activity[4] = 0
    session.activity[4, [100, 500]] = 1  # two spikes
    tested = edge_significance(session.standardise(), resamples=10)
    for i in (2, 4):
        assert tested.p_value[i].isnan().all()
        assert tested.p_value[:, i].isnan().all()
    assert tested.p_value[0, 1].isfinite()
    assert tested.rare == 2
    assert "18 pairs were not tested" in tested.message()  # of 30, those with neuron 2 or 4
    assert "2 neurons have fewer than 30 events" in tested.message()
    assert torch.equal(tested.edge_fields()["tested"], tested.p_value.isfinite())


@pytest.mark.parametrize(("N", "T"), [(1, 300), (2, 120), (6, 100), (8, 300)])
def test_few_neurons_and_few_bins_get_an_answer(N, T):
    tested = edge_significance(Session(spikes(N, T, rate=1.0), bin_size=0.1).standardise(), resamples=10)
    assert tested.p_value.shape == (N, N)
    assert tested.edge_probability.nan_to_num().max() < 0.5
    assert tested.message().startswith("No edge is significant")


def test_too_short_or_too_few_samples_are_refused():
    with pytest.raises(ValueError, match="at least 50 bins to test edges"):
        edge_significance(make_session(N=3, T=40).standardise())
    with pytest.raises(ValueError, match="at least 10 resamples"):
        edge_significance(make_session(N=3, T=150).standardise(), resamples=3)
