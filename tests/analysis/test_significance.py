"""Is what is called an edge one? Calibration where the truth is known."""

import numpy as np
import pytest
import torch
from helpers import make_session, two_neuron_chain
from scipy.stats import kstest

from synapsnet_pyg.analysis.significance import edge_significance
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.metrics import connectivity_score
from synapsnet_pyg.models.registry import build_model
from synapsnet_pyg.simulations.population import simulate_population


def started(session: Session, name: str = "synapsnet"):
    """A model as it starts, which for SynapsNet is a linear forecast with edges and a common drive."""
    split = session.split()
    model = build_model(name, [session])
    model.initialise({session.name: split.train}, {session.name: split.validation})
    return model, split.train


def off_diagonal(matrix: torch.Tensor) -> np.ndarray:
    return matrix[~torch.eye(len(matrix), dtype=torch.bool)].numpy()


def test_without_coupling_p_values_are_uniform():
    """Hidden and recorded drives move all neurons, and nobody drives anybody."""
    called = 0
    for seed in (1, 2, 3):
        session = simulate_population(8000, seed, neurons=60, recorded=40, coupling=0.0).standardise()
        tested = edge_significance(*started(session), shifts=30, resamples=10, targets=16)
        p = off_diagonal(tested.p_value)
        assert kstest(p, "uniform").pvalue > 1e-3
        assert (p < 0.05).mean() == pytest.approx(0.05, abs=0.03)
        called += int(tested.edges().sum())
    assert called <= 0.005 * 3 * 40 * 39


def test_of_the_edges_called_few_are_false():
    called = false = true = 0
    for seed in range(3):
        session = simulate_population(15_000, seed, neurons=150, recorded=60).standardise()
        tested = edge_significance(*started(session), shifts=30, resamples=10, targets=16)
        edge, truth = tested.edges(0.05), session.true_connectivity != 0
        called, false, true = called + int(edge.sum()), false + int((edge & ~truth).sum()), true + int(truth.sum())
    assert false / called <= 0.07
    assert (called - false) / true > 0.6


def test_believed_weights_recover_better_than_unshrunk_ones():
    session = simulate_population(8000, 0, neurons=90, recorded=45).standardise()
    model, train = started(session, "var1")
    tested = edge_significance(model, train, shifts=20, resamples=10)
    truth = session.true_connectivity
    score = {
        key: connectivity_score(getattr(tested, key).nan_to_num(), truth).pearson
        for key in ("effect", "posterior_mean")
    }
    assert score["posterior_mean"] > score["effect"] + 0.02
    assert score["posterior_mean"] > connectivity_score(model.connectivity(train), truth).pearson + 0.05


def test_least_squares_is_what_taking_back_the_ridge_leads_to():
    """For a linear model the effect is the least-squares estimate, whatever the ridge."""
    session = make_session(N=5, T=6000, K=0).standardise()
    session.activity[1, 1:] += 0.2 * session.activity[0, :-1]
    ridged = build_model("var1", [session], {"ridges": [300.0]})
    ridged.initialise({session.name: session}, {session.name: session})
    tested = edge_significance(ridged, session, shifts=10, resamples=10)
    exact = build_model("var1", [session], {"ridges": [0.0]})
    exact.initialise({session.name: session}, {session.name: session})
    expected = off_diagonal(exact.connectivity(session))
    assert np.abs(off_diagonal(tested.effect) - expected).max() < 0.3 * float(np.nanmean(tested.error))
    assert float(tested.effect[1, 0]) == pytest.approx(0.2, abs=0.05)
    assert float(np.nanmean(tested.error)) == pytest.approx(6000**-0.5, rel=0.1)


def test_orientation_and_diagonal():
    chain = two_neuron_chain().standardise()
    tested = edge_significance(*started(chain, "var1"), shifts=20, resamples=20)
    assert tested.p_value[1, 0] < 1e-6
    assert tested.p_value[0, 1] > 0.01
    assert tested.sign_stability[1, 0] == 1
    assert tested.edges().tolist() == [[False, False], [True, False]]
    for matrix in (tested.effect, tested.posterior_mean, *tested.edge_fields().values()):
        assert matrix.diagonal().isnan().all()


def test_errors_cover_the_least_squares_estimate_over_repetitions():
    """The standard error is the deviation of the estimate over recordings."""
    weights, errors = [], []
    for seed in range(30):
        random = torch.Generator().manual_seed(seed)
        session = Session(torch.randn(3, 900, generator=random), bin_size=0.1, name="noise").standardise()
        tested = edge_significance(*started(session, "var1"), shifts=10, resamples=10)
        weights.append(off_diagonal(tested.effect))
        errors.append(off_diagonal(tested.error))
    assert np.std(weights) == pytest.approx(np.mean(errors), rel=0.15)


def test_slow_neurons_have_wider_errors():
    """Two slow courses look alike by chance; shifts tell how often."""
    random = torch.Generator().manual_seed(0)
    noise = torch.randn(6, 4000, generator=random)
    slow = torch.nn.functional.conv1d(noise[:, None], torch.ones(1, 1, 30) / 30**0.5)[:, 0]
    session = Session(slow, bin_size=0.1, name="slow").standardise()
    mean = build_model("mean", [session])  # its errors are the activity itself
    tested = edge_significance(mean, session, shifts=60, resamples=10)
    assert float(np.nanmedian(tested.p_value)) > 0.2
    assert not tested.edges().any()


def test_trials_are_shifted_as_wholes():
    segments = torch.arange(0, 1200, 12)[:, None] + torch.tensor([0, 12])
    session = make_session(N=4, T=1200, K=1, segment=segments).standardise()
    tested = edge_significance(*started(session, "var1"), shifts=10, resamples=10)
    assert tested.p_value.isfinite().sum() == 12


def test_silent_neurons_have_no_p_value():
    session = make_session(N=4, T=900)
    session.activity[2] = 0
    session = session.standardise()
    tested = edge_significance(*started(session, "var1"), shifts=10, resamples=10)
    assert tested.p_value[2].isnan().all()
    assert tested.p_value[:, 2].isnan().all()
    assert tested.p_value[0, 1].isfinite()
    assert not tested.edges()[2].any()


def test_too_short_or_too_few_shifts_are_told():
    session = make_session(N=3, T=150).standardise()
    model, train = started(session, "var1")
    with pytest.raises(ValueError, match="at least 200 bins"):
        edge_significance(model, train)
    with pytest.raises(ValueError, match="at least 10 shifts"):
        edge_significance(model, train, shifts=3)
