"""Training that multiplies in 16 bits gives nearly the losses and gradients of 32 bits, on the CPU as on a GPU."""

from contextlib import nullcontext

import pytest
import torch
from helpers import make_session, suited_to
from model_cases import CASES

from synapsnet_pyg.data.windows import windows_of
from synapsnet_pyg.models.registry import build_model
from synapsnet_pyg.nn.threads import threads


@pytest.mark.parametrize(("name", "arguments"), CASES)
@threads(1)
def test_half_precision_hardly_changes_a_step(name, arguments):
    torch.manual_seed(0)
    session = suited_to(name, make_session(N=9, T=150)).standardise()
    model, split = build_model(name, [session], arguments), session.split()
    if not list(model.parameters()):
        pytest.skip("has nothing to train")
    model.initialise({session.name: split.train}, {session.name: split.validation})
    model.begin_training()
    window = windows_of(split.train, model.window, 3, horizon=model.horizon)[0].gather(torch.arange(16))
    results = []
    for context in (nullcontext(), torch.autocast("cpu", dtype=torch.bfloat16)):
        torch.manual_seed(1)  # the same dropout
        with context:
            loss = model.train().loss(model(window), window)
        assert loss.dtype == torch.float32
        gradient = torch.autograd.grad(loss, list(model.parameters()), allow_unused=True)
        results.append((loss.detach(), torch.cat([part.flatten() for part in gradient if part is not None])))
    (whole, exact), (half, rounded) = results
    torch.testing.assert_close(half, whole, rtol=0.01, atol=0.0)
    assert rounded.dtype == torch.float32
    assert torch.cosine_similarity(exact, rounded, dim=0) > 0.98
