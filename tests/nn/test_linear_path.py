import pytest
import torch

from synapsnet_pyg.nn.linear_path import LinearPath

B, N, L, K, W, P = 2, 5, 7, 3, 4, 2


@pytest.mark.parametrize("left_out", [None, "own", "behaviour", "current"])
def test_equals_the_sum_written_out(left_out):
    activity, current, behaviour = torch.randn(B, N, L), torch.randn(B, N, L), torch.randn(B, L, K)
    kernel, intercept, own, weights = torch.randn(W), torch.randn(N), torch.randn(N), torch.randn(N, K)
    path = LinearPath(N, 0 if left_out == "behaviour" else K, W, use_activity=left_out != "own")
    path.set(kernel, intercept, own, weights)
    expected = torch.zeros(B, N, P)
    for p in range(P):
        newest = L - P + p
        for lag in range(W):
            bin = newest - lag
            received = torch.zeros(B, N) if left_out == "own" else own * activity[..., bin]
            received = received if left_out == "current" else received + current[..., bin]
            expected[..., p] += kernel[W - 1 - lag] * received
        expected[..., p] += intercept
        expected[..., p] += 0 if left_out == "behaviour" else behaviour[:, newest] @ weights.t()
    forecast = path(activity, None if left_out == "current" else current, behaviour, P)
    torch.testing.assert_close(forecast, expected)


def test_starts_from_the_newest_current_alone():
    activity, current, behaviour = torch.randn(B, N, L), torch.randn(B, N, L), torch.randn(B, L, K)
    assert torch.equal(LinearPath(N, K, W)(activity, current, behaviour, P), current[..., -P:])
