import pytest
import torch

from synapsnet_pyg.analysis.running_summaries import (
    ConnectivityBatch,
    RunningEdgeTraces,
    RunningGroupTraces,
    RunningMeans,
    RunningMoments,
    shown_to,
    summarise,
)

N, M = 5, 23
BINS = torch.arange(M) + 4


@pytest.fixture
def weights() -> torch.Tensor:
    return torch.randn(M, N, N, generator=torch.Generator().manual_seed(0))


def in_batches(weights):
    return [ConnectivityBatch(*pair) for pair in zip(BINS.split(9), weights.split(9), strict=True)]


def test_all_summaries_are_made_in_one_pass(weights):
    code = torch.arange(M) % 4 - 1
    group = torch.tensor([1, 0, -1, 1, 2])
    moments, means = RunningMoments(), RunningMeans(code, 4)
    traces = RunningEdgeTraces(torch.tensor([[0, 3], [2, 3]]), BINS)
    groups = RunningGroupTraces(group, BINS)
    summarise(iter(in_batches(weights)), moments, means, traces, groups)
    torch.testing.assert_close(moments.result.mean, weights.double().mean(0))
    torch.testing.assert_close(moments.result.variance, weights.double().var(0, correction=0))
    assert moments.result.windows == M
    assert means.result.windows.tolist() == [6, 6, 5, 0]
    for s in range(3):
        torch.testing.assert_close(means.result.mean[s], weights[code == s].double().mean(0))
    assert means.result.mean[3].isnan().all()
    assert torch.equal(traces.result.weight, torch.stack([weights[:, 2, 0], weights[:, 3, 3]]))
    assert traces.result.bins.tolist() == groups.result.bins.tolist() == BINS.tolist()
    torch.testing.assert_close(groups.result.mean[:, 1, 1], weights[:, [0, 3], [3, 0]].double().mean(1))
    torch.testing.assert_close(groups.result.mean[:, 0, 2], weights[:, 1, 4].double())
    assert groups.result.mean[:, 0, 0].isnan().all()


def test_batches_pass_unchanged(weights):
    batches, moments = in_batches(weights), RunningMoments()
    for given, shown in zip(
        batches, shown_to(batches, moments, RunningGroupTraces(torch.arange(N), BINS)), strict=True
    ):
        assert shown is given
    assert torch.equal(torch.cat([batch.connectivity for batch in batches]), weights)


def test_a_small_variance_about_a_large_mean_is_not_lost():
    every = 1e8 + torch.randn(400, N, N, dtype=torch.float64)
    moments = RunningMoments()
    for window, connectivity in enumerate(every):
        moments.add(window, connectivity)
    torch.testing.assert_close(moments.result.variance, every.var(0, correction=0), rtol=1e-6, atol=0)
