import pytest
import torch

from synapsnet_pyg.nn import linear_path
from synapsnet_pyg.nn.linear_path import LinearPath

B, N, L, K, W, P, H = 2, 5, 9, 3, 4, 2, 6


@pytest.mark.parametrize("left_out", [None, "own", "behaviour", "current"])
def test_equals_the_sum_written_out(left_out):
    activity, current, behaviour = torch.randn(B, N, L), torch.randn(B, N, L), torch.randn(B, L, K)
    path = LinearPath(N, 0 if left_out == "behaviour" else K, W, H, use_activity=left_out != "own")
    for value in path.state_dict().values():
        value.normal_()
    expected = torch.zeros(B, N, P, H)
    for p in range(P):
        newest = L - P + p
        for lag in range(W):
            bin = newest - lag
            if left_out != "own":
                expected[:, :, p] += path.history[:, W - 1 - lag] * activity[..., bin, None]
            if left_out != "current":
                expected[:, :, p] += path.kernel[W - 1 - lag] * current[..., bin, None]
            if left_out != "behaviour":  # up to five bins all lags are read
                weights = path.behaviour[..., lag * K : (lag + 1) * K]
                expected[:, :, p] += torch.einsum("bk,nhk->bnh", behaviour[:, bin], weights)
        expected[:, :, p] += path.intercept
    forecast = path(activity, None if left_out == "current" else current, behaviour, P)
    torch.testing.assert_close(forecast, expected)


def test_long_windows_of_targets_give_the_same_sums(monkeypatch):
    """A band matrix is used for few positions alone."""
    activity, current, behaviour = torch.randn(B, N, L), torch.randn(B, N, L), torch.randn(B, L, K)
    path = LinearPath(N, K, W, H)
    torch.nn.init.normal_(path.kernel)
    band = path(activity, current, behaviour, P)
    monkeypatch.setattr(linear_path, "_LARGEST_BAND", 1)
    torch.testing.assert_close(path(activity, current, behaviour, P), band)


def test_starts_from_the_newest_current_alone():
    activity, current, behaviour = torch.randn(B, N, L), torch.randn(B, N, L), torch.randn(B, L, K)
    assert torch.equal(LinearPath(N, K, W)(activity, current, behaviour, P)[..., 0], current[..., -P:])
