"""A fit whose model and recording lie on another device than the CPU: nothing is mixed, and no step waits."""

from copy import copy

import pytest
import torch
from helpers import make_session, suited_to
from model_cases import CASES
from other_device import OTHER, OtherDevice

from synapsnet_pyg.data.windows import windows_of
from synapsnet_pyg.models.forecasting import forecast_horizons, forecast_session
from synapsnet_pyg.models.registry import build_model
from synapsnet_pyg.nn.threads import threads
from synapsnet_pyg.runs.scores import score_forecast

P = 3
QUICK = {"lds": {"steps": 2, "latents": 2}, "lfads": {"window": 8}}
"""Model -> arguments that shorten its start: an operation takes long here."""


def fitted(name, arguments, session, device):
    """The model after its start, and the parts of the session, as `fit` has them on a device."""
    torch.manual_seed(0)
    model, split = build_model(name, [session], arguments), copy(session).to(device).split()
    model.to(device).initialise({session.name: split.train}, {session.name: split.validation})
    model.begin_training()
    return model, split


@pytest.mark.parametrize(("name", "arguments"), CASES)
@threads(1)
def test_a_fit_mixes_no_devices_and_a_step_does_not_wait(name, arguments):
    arguments = {**arguments, **QUICK.get(name, {})}
    session = suited_to(name, make_session(N=9, T=150)).standardise()
    on_cpu, split = fitted(name, arguments, session, "cpu")
    expected = forecast_session(on_cpu, split.validation, P).forecast
    with OtherDevice() as device:
        model, split = fitted(name, arguments, session, OTHER)
        assert {values.device for values in (*model.parameters(), *model.buffers())} <= {OTHER}
        forecast = forecast_session(model, split.validation, P)
        torch.testing.assert_close(forecast.forecast.cpu(), expected, rtol=1e-4, atol=1e-4)
        score_forecast(split.validation, forecast)
        score_forecast(split.validation, forecast_horizons(model, split.validation, 2, P).at(2))
        windows = windows_of(split.train, model.window, P, horizon=model.horizon)[0]
        learned = [parameter for parameter in model.parameters() if parameter.requires_grad]
        if learned:
            # Lightning's step; the fused Adam of `fit` would not know the device, but keeps its numbers there too.
            optimiser, number = torch.optim.Adam(learned), torch.arange(4)
            with device.without_waiting():
                window = windows.gather(number)
                forecast = model.train()(window)
                model.loss(forecast, window).backward()
                optimiser.step()


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (lambda here, other: other + here, "beside one on the other device"),
        (lambda here, other: float(other.sum()), "_local_scalar_dense"),
        (lambda here, other: other[here > 0], "index"),
        (lambda here, other: other[other > 0], "index"),
        (lambda here, other: here.to(OTHER), "_to_copy"),
        (lambda here, other: other.cpu(), "_to_copy"),
        (lambda here, other: other.tolist(), "_to_copy"),
    ],
)
def test_the_other_device_finds_what_a_gpu_would(code, message):
    def run():
        with device.without_waiting():
            code(here, other)

    with OtherDevice() as device:
        here, other = torch.ones(3), torch.ones(3, device=OTHER)
        with pytest.raises((RuntimeError, AssertionError), match=message):
            run()
