"""Steps that are computed anew in the same memory, as a graph of CUDA does it."""

import warnings

import pytest
import torch
from helpers import make_session
from torch.utils._pytree import tree_flatten

from synapsnet_pyg.data.shares import Share
from synapsnet_pyg.data.windows import windows_of
from synapsnet_pyg.models.registry import build_model
from synapsnet_pyg.runs import steps
from synapsnet_pyg.runs.steps import CapturedSteps, Steps, steps_of


@pytest.fixture
def on_cpu(monkeypatch):
    """A capture on the CPU: a replay computes the function and copies its tensors to where the first ones lie."""

    def captured(function, restore, pool):
        with torch.random.fork_rng():
            for _ in range(2):
                function()
            result = function()
        restore()

        def replay():
            for old, new in zip(tree_flatten(result)[0], tree_flatten(function())[0], strict=True):
                if old is not None:
                    old.detach().copy_(new)

        return result, replay

    monkeypatch.setattr(steps, "captured", captured)
    monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: None)


SHARES = [Share(0, torch.tensor([3, 1, 4]), 1.0), Share(1, torch.tensor([1, 5]), 1.0), Share(0, torch.tensor([2]), 0.5),
          Share(0, torch.tensor([0, 2, 7]), 0.25), Share(1, torch.tensor([6, 0]), 1.0)]  # fmt: skip
"""Two sessions; sizes that come again, with other windows and weights."""


@pytest.mark.usefixtures("on_cpu")
@pytest.mark.parametrize(
    ("kind", "arguments"),
    [("synapsnet", {"dropout": 0.0, "state_dropout": 0.0}), ("lfads", {"window": 8, "ramp_steps": 4}), ("gru", {}),
     ("synapsnet", {"dropout": 0.0, "use_embedding": False, "state_size": 0})],
)  # fmt: skip
def test_replayed_steps_give_the_numbers_of_steps(kind, arguments):
    sessions = [make_session(N=N, T=150, name=name).standardise() for N, name in ((9, "one"), (6, "two"))]
    results = []
    for steps_class in (Steps, CapturedSteps):
        torch.manual_seed(0)
        model = build_model(kind, sessions, arguments).train()
        windows = [windows_of(session.split().train, model.window, 3)[0] for session in sessions]
        made, optimiser, values = steps_class(model, windows), torch.optim.SGD(model.parameters(), 0.1), []
        for share in SHARES:
            torch.manual_seed(7)
            loss, error = made.loss(share)
            optimiser.zero_grad()
            made.backward(loss)
            values += [loss.detach().clone(), error.clone()]
            values += [None if p.grad is None else p.grad.clone() for p in model.parameters()]
            optimiser.step()
        results.append([*values, *model.state_dict().values()])
    assert any(value is None for value in results[0])  # parameters of the other session
    for expected, value in zip(*results, strict=True):
        if isinstance(expected, torch.Tensor):
            torch.testing.assert_close(value, expected, rtol=1e-5, atol=1e-6)
        else:
            assert value == expected


@pytest.mark.usefixtures("on_cpu")
def test_large_batches_are_not_captured(monkeypatch):
    monkeypatch.setattr(steps, "LARGEST", 3 * 9 * 8)
    session = make_session(N=9, T=150).standardise()
    model = build_model("synapsnet", [session], {})
    made = CapturedSteps(model, windows_of(session.split().train, 5, 3)[:1])
    for rows, captured in ((3, 1), (4, 1), (2, 2)):
        loss, _ = made.loss(Share(0, torch.arange(rows), 1.0))
        made.backward(loss)
        assert len(made._captured) == captured
        assert loss.requires_grad == (rows == 4)


@pytest.mark.usefixtures("on_cpu")
def test_a_refused_capture_is_told_once(monkeypatch):
    def refuse(*_, **__):
        raise RuntimeError("operation not permitted\nwhen stream is capturing")

    monkeypatch.setattr(steps, "captured", refuse)
    session = make_session(N=9, T=150).standardise()
    model = build_model("synapsnet", [session], {})
    made = CapturedSteps(model, windows_of(session.split().train, 5, 3)[:1])
    with pytest.warns(UserWarning, match="captured here.*: operation not permitted$"):
        loss, _ = made.loss(Share(0, torch.arange(3), 1.0))
    made.backward(loss)
    with warnings.catch_warnings(action="error"):
        made.loss(Share(0, torch.arange(4), 1.0))
    assert model.dynamics.readout.weight.grad is not None


def test_steps_on_the_cpu_are_computed_as_they_come():
    session = make_session().standardise()
    model = build_model("synapsnet", [session], {})
    assert type(steps_of(model, windows_of(session.split().train, 5))) is Steps
