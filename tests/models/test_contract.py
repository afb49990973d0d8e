import pytest
import torch
from helpers import make_session

from synapsnet_pyg.cli.main import main
from synapsnet_pyg.models.contract import check_forecasts
from synapsnet_pyg.models.forecaster import Forecast, Forecaster
from synapsnet_pyg.runs.recipe import Preset
from synapsnet_pyg.runs.run import Run


class Own(Forecaster):
    """Copies the newest bin, with a mistake on request."""

    def __init__(self, sessions, mistake=""):
        super().__init__(sessions, window=3)
        self.mistake = mistake
        self.gain = torch.nn.Parameter(torch.tensor(0.9))

    def forward(self, window):
        P = window.target.shape[-1]
        newest = self.gain * window.activity[..., -P:]
        if self.mistake == "later":
            newest = newest.roll(-1, -1)
        if self.mistake == "target":
            newest = newest + 0.1 * window.target
        if self.mistake == "behaviour":
            newest = newest + window.behaviour[:, -P:, 0].roll(-1, -1)[:, None]
        if self.mistake == "one neuron":
            newest = newest[:, :1]
        if self.mistake == "infinity":
            newest = newest / 0
        if self.mistake == "all bins":
            newest = window.activity
        return newest if self.mistake == "tensor" else Forecast(newest)


MESSAGES = {
    "later": r"target 1 of 2 changes with that bin or later ones\); the newest bin .* L - P \+ 0\]",
    "target": "target 1 of 2 changes",
    "behaviour": "target 1 of 2 changes",
    "one neuron": r"shape \[B, N, P\] = \[3, 5, 2\] \(got \[3, 1, 2\]\)",
    "all bins": r"= \[3, 5, 2\] \(got \[3, 5, 4\]\)",
    "infinity": r"to forecast finite numbers \(got NaN or infinity\)",
    "tensor": r"return Forecast\(activity\) from forward \(got Tensor\)",
}


@pytest.mark.parametrize("mistake", MESSAGES)
@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_mistakes_of_a_model_are_told(mistake, scale):
    session = make_session(5, 70)
    session.activity = 7 * scale + scale * session.activity
    check_forecasts(Own([session]), session)
    with pytest.raises(ValueError, match=MESSAGES[mistake]):
        check_forecasts(Own([session], mistake), session)


def test_a_fit_begins_with_the_check(tmp_path, capsys):
    """A mistake leaves no folder behind that a fit without it would meet."""
    make_session(5, 90, name="one").save(tmp_path / "one.h5")
    kind = f"{__name__}.Own"
    recipe = Preset("fast", {"epochs": 1})
    with pytest.raises(ValueError, match=r"Expected model '.*Own' to return"):
        Run.fit([tmp_path / "one.h5"], tmp_path / "run", kind, recipe=recipe, arguments={"mistake": "tensor"})
    assert not (tmp_path / "run").exists()
    run = Run.fit([tmp_path / "one.h5"], tmp_path / "run", kind, recipe=recipe)
    assert [line.endswith(f" --trust {kind}") for line in run.commands()] == [False, True, True]
    assert main(["export", str(tmp_path / "run"), "--to", str(tmp_path / "shared")]) == 2
    assert "of a model of the package" in capsys.readouterr().err
    assert not (tmp_path / "shared").exists()


def test_models_that_draw_random_numbers_are_not_refused():
    class Random(Own):
        def forward(self, window):
            return Forecast(torch.randn_like(window.target))

    session = make_session(5, 70)
    check_forecasts(Random([session]), session)
