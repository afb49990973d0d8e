import torch

from synapsnet_pyg.nn.population_path import PopulationPath, lags_of

B, N, L, P, H, k = 2, 7, 15, 3, 4, 5


def test_equals_the_sum_written_out():
    path = PopulationPath(N, k, window=12, horizon=H)
    path.axes.normal_()
    path.weight.normal_()
    activity = torch.randn(B, N, L)
    expected = torch.zeros(B, N, P, H)
    for p in range(P):
        for at, lag in enumerate(lags_of(12)):
            components = activity[..., L - P + p + 1 - lag] @ path.axes.t()
            expected[:, :, p] += torch.einsum("bk,nhk->bnh", components, path.weight[..., at * k : (at + 1) * k])
    torch.testing.assert_close(path(activity, P), expected)


def test_reads_every_recent_bin_and_fewer_old_ones():
    assert lags_of(4) == [1, 2, 3, 4]
    assert lags_of(48) == [1, 2, 3, 4, 5, 8, 12, 16, 24, 32, 48]


def test_there_are_at_most_as_many_components_as_neurons():
    assert PopulationPath(3, 32, window=2).axes.shape == (3, 3)
