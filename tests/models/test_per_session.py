import pytest
import torch
from helpers import make_session

from synapsnet_pyg.data.windows import windows_of
from synapsnet_pyg.models.checkpoint import load_model
from synapsnet_pyg.models.per_session import PerSession
from synapsnet_pyg.models.registry import build_model
from synapsnet_pyg.runs.recipe import Recipe
from synapsnet_pyg.runs.training import fit


def sessions():
    return [make_session(N=5, T=90, name="one").standardise(), make_session(N=4, T=80, name="two").standardise()]


@pytest.mark.parametrize("name", ["rnn", "gwnet"])
def test_each_session_has_the_model_that_it_would_have_alone(tmp_path, name):
    torch.manual_seed(0)
    together = build_model(name, sessions())
    assert isinstance(together, PerSession)
    torch.manual_seed(0)
    alone = build_model(name, sessions()[:1])
    recipe = Recipe(epochs=2, batch_size=16)
    fit(together, sessions(), tmp_path / "together", recipe, progress=False)
    fit(alone, sessions()[:1], tmp_path / "alone", recipe, progress=False)
    window = windows_of(sessions()[0], 5)[0].gather(torch.arange(3))
    torch.testing.assert_close(together(window).activity, alone(window).activity)
    again = load_model(tmp_path / "together" / "best.ckpt")
    other = windows_of(sessions()[1], 5)[0].gather(torch.arange(3))
    assert torch.equal(again(other).activity, together(other).activity)


def test_an_interrupted_fit_goes_on_where_it_was(tmp_path):
    recipe = Recipe(epochs=3, batch_size=16)
    made = [build_model("rnn", sessions(), {"hidden_size": 6}) for _ in range(2)]
    made[1].load_state_dict(made[0].state_dict())
    fit(made[0], sessions(), tmp_path / "whole", recipe, progress=False)
    fit(made[1].part("one"), sessions()[:1], tmp_path / "parts" / "one", recipe, progress=False)
    fit(made[1], sessions(), tmp_path / "parts", recipe, resume=True, progress=False)
    for ours, whole in zip(made[1].parameters(), made[0].parameters(), strict=True):
        assert torch.equal(ours, whole)
