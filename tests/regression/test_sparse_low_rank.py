"""Edges, a common drive and noise that were put together by hand come apart again."""

import numpy as np
import pytest
import torch

from synapsnet_pyg.regression.sparse_low_rank import EdgeMixture, Squares, sparse_low_rank

N = 60


def planted(density: float, rank: int, deviation: float = 1.0, seed: int = 0):
    random = np.random.default_rng(seed)
    edges = np.where(random.random((N, N)) < density, 7 * random.standard_normal((N, N)), 0.0)
    np.fill_diagonal(edges, 0)
    drive = random.standard_normal((N, rank)) @ random.standard_normal((rank, N)) * 2
    error = np.outer(random.uniform(0.5, 2, N), random.uniform(0.01, 0.03, N))
    noisy = (edges + drive + deviation * random.standard_normal((N, N))) * error
    return (torch.tensor(one) for one in (noisy, error, edges * error, drive * error))


@pytest.mark.parametrize("rank", [0, 1, 3])
def test_finds_the_rank_the_drive_and_the_edges(rank):
    noisy, error, edges, drive = planted(density=0.1, rank=rank)
    found = sparse_low_rank(noisy, error)
    assert len(found.senders) == rank
    if rank:
        off = ~torch.eye(N, dtype=torch.bool)
        apart = ((found.receivers @ found.senders - drive) / error)[off].square().mean().sqrt()
        assert apart < 0.6 * (drive / error)[off].std()
        assert apart < 0.7
    assert found.mixture.density == pytest.approx(0.1, abs=0.03)
    assert found.mixture.null_variance**0.5 == pytest.approx(1.0, abs=0.12)
    assert found.mixture.edge_variance**0.5 == pytest.approx(7.0, rel=0.2)
    off = ~torch.eye(N, dtype=torch.bool)
    assert np.corrcoef(found.edges[off], edges[off])[0, 1] > 0.97
    assert np.corrcoef(found.edges[off], edges[off])[0, 1] > np.corrcoef((noisy - drive)[off], edges[off])[0, 1]
    assert (found.edges.diagonal() == 0).all()
    assert (found.edge_probability.diagonal() == 0).all()


def test_probability_is_calibrated():
    """Of the pairs held to be edges with probability p, a share p are."""
    noisy, error, edges, _ = planted(density=0.15, rank=2, seed=1)
    probability = sparse_low_rank(noisy, error).edge_probability
    for low, high in ((0.05, 0.5), (0.5, 0.95), (0.95, 1.01)):
        among = (probability >= low) & (probability < high)
        share = float((edges[among] != 0).double().mean())
        assert share == pytest.approx(float(probability[among].mean()), abs=0.15)


def test_a_wider_null_is_told_and_calls_fewer_edges():
    noisy, error, *_ = planted(density=0.0, rank=0, deviation=1.5)
    found = sparse_low_rank(noisy, error)
    assert found.mixture.null_variance**0.5 == pytest.approx(1.5, rel=0.1)
    assert (found.edge_probability > 0.95).sum() <= 2


def test_result_does_not_depend_on_the_unit():
    noisy, error, *_ = planted(density=0.1, rank=1)
    one, other = sparse_low_rank(noisy, error), sparse_low_rank(100 * noisy, 100 * error)
    torch.testing.assert_close(other.edges, 100 * one.edges)
    torch.testing.assert_close(other.edge_probability, one.edge_probability)


def test_silent_neurons_change_nothing_else():
    noisy, error, *_ = planted(density=0.1, rank=1)
    noisy[3], noisy[:, 3], error[3], error[:, 3] = 0, 0, 0, 0
    found = sparse_low_rank(noisy, error)
    assert found.edges.isfinite().all()
    assert found.edges[3].abs().max() < 1e-3
    assert len(found.senders) == 1


@pytest.mark.parametrize("share", [0.05, 0.2, 1.0])
def test_the_largest_values_alone_tell_the_mixture_of_all_pairs(share):
    """A known mixture, of which only the largest values are seen; taken for all, they would hide that edges are few."""
    random = np.random.default_rng(3)
    pairs, density, edge_variance = 200_000, 0.04, 36.0
    z = random.standard_normal(pairs) + np.where(random.random(pairs) < density, 6.0 * random.standard_normal(pairs), 0)
    largest = torch.from_numpy(np.sort(np.abs(z))[-int(share * pairs) :])
    mixture = naive = EdgeMixture(density=0.1, edge_variance=10.0, null_variance=1.0)
    for _ in range(60):
        mixture, naive = mixture.update_from_largest(largest, pairs), naive.update(Squares.of(largest))
    assert mixture.null_variance == pytest.approx(1.0, abs=0.05)
    assert mixture.density == pytest.approx(density, abs=0.005)
    assert mixture.edge_variance == pytest.approx(edge_variance, rel=0.1)
    assert (naive.null_variance > 1.5) == (share < 1)
