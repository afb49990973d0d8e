import torch
from helpers import make_session, two_neuron_chain

from synapsnet_pyg.metrics import connectivity_score
from synapsnet_pyg.regression.linear_start import linear_start, solve_linear_start
from synapsnet_pyg.simulations.population import simulate_population


def test_common_drive_is_kept_out_of_the_connectivity():
    """Hidden task variables drive all neurons of the simulated population; a third of it is recorded."""
    session = simulate_population(bins=8000, neurons=90, recorded=45).standardise()
    split, truth = session.split(), session.true_connectivity
    pairs = torch.ones(45, 45, dtype=torch.bool)
    parted = linear_start(split.train, split.validation, 5, pairs=pairs)
    whole = linear_start(split.train, split.validation, 5, pairs=pairs, latents=0)
    assert parted.receivers.shape[1] >= 2
    assert whole.receivers.shape[1] == 0
    assert connectivity_score(parted.edges, truth).pearson > connectivity_score(whole.edges, truth).pearson + 0.03
    assert parted.edge_probability[truth != 0].mean() > parted.edge_probability[truth == 0].mean() + 0.2


def test_what_is_unshrunk_forecasts_as_before():
    """Where nothing is to be shrunk, the parts add up to the ridge regression."""
    session = simulate_population(bins=4000, neurons=60, recorded=30).standardise()
    split = session.split()
    pairs = torch.ones(30, 30, dtype=torch.bool)
    parted = linear_start(split.train, split.validation, 3, pairs=pairs)
    whole = linear_start(split.train, split.validation, 3, pairs=pairs, latents=0)
    drive = parted.receivers @ parted.senders
    if not torch.allclose((parted.edges + drive).fill_diagonal_(0), whole.edges):  # shrunk: nearer to zero
        assert parted.edges.abs().sum() < (whole.edges - drive).fill_diagonal_(0).abs().sum()
    torch.testing.assert_close(parted.own + drive.diagonal(), whole.own)
    torch.testing.assert_close(parted.behaviour, whole.behaviour)


def test_few_neurons_or_few_edges_have_no_common_drive():
    chain = two_neuron_chain().standardise()
    start = linear_start(chain.split().train, chain.split().validation, 2, pairs=torch.ones(2, 2, dtype=torch.bool))
    assert start.edges[1, 0] > 5 * start.edges[0, 1].abs()
    assert start.receivers.shape == (2, 0)
    session = make_session(N=12, T=200).standardise()
    some = torch.rand(12, 12) < 0.5
    start = linear_start(session.split().train, session.split().validation, 2, pairs=some)
    assert start.receivers.shape == (12, 0)
    assert (start.edge_probability == 0).all()
    assert (start.edges[~some] == 0).all()


def test_choices_can_be_taken_over():
    """With kernel, ridge and shrinkage of a search, the solution is that of the search."""
    session = simulate_population(bins=4000, neurons=60, recorded=30).standardise()
    split, pairs = session.split(), torch.ones(30, 30, dtype=torch.bool)
    found = linear_start(split.train, split.validation, 3, pairs=pairs)
    again = solve_linear_start(split.train, kernel=found.kernel, ridge=found.ridge, shrunk=found.shrunk, pairs=pairs)
    for name in ("own", "behaviour", "intercept", "edges", "edge_probability", "coefficients"):
        torch.testing.assert_close(getattr(again, name), getattr(found, name), atol=2e-3, rtol=0)


def test_coefficients_forecast_as_the_parts_do():
    session = simulate_population(bins=3000, neurons=60, recorded=30).standardise()
    split, pairs = session.split(), torch.ones(30, 30, dtype=torch.bool)
    start = linear_start(split.train, split.validation, 1, pairs=pairs)
    a, b = torch.randn(30).double(), torch.randn(session.num_behaviours).double()
    parts = start.own * a + start.edges @ a + start.receivers @ (start.senders @ a) + start.behaviour @ b
    torch.testing.assert_close(start.coefficients @ torch.cat([a, b]), parts)
