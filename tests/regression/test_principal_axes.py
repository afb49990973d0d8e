import torch
from helpers import make_session

from synapsnet_pyg.regression import principal_axes as axes_file
from synapsnet_pyg.regression.principal_axes import principal_axes


def test_subspace_iteration_finds_the_axes_of_the_covariance(monkeypatch):
    """Series with five strong axes; the sign of an axis has no meaning."""
    session = make_session(N=40, T=600, segment=torch.tensor([[0, 200], [200, 600]]))
    session.activity = torch.randn(40, 5) @ (torch.tensor([9.0, 7, 5, 4, 3])[:, None] * torch.randn(5, 600))
    session.activity += 0.1 * torch.randn(40, 600)
    exact = principal_axes(session, 5)
    torch.testing.assert_close(exact @ exact.t(), torch.eye(5), atol=1e-5, rtol=0)
    monkeypatch.setattr(axes_file, "_LARGEST", 39)
    found = principal_axes(session, 5)
    assert found.shape == (5, 40)
    torch.testing.assert_close((found @ exact.t()).abs(), torch.eye(5), atol=1e-3, rtol=0)
    assert torch.equal(found, principal_axes(session, 5))  # always from the same start
