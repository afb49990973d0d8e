"""Check of what a model of one's own returns, before a fit."""

import torch

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.data.windows import Window, windows_of
from synapsnet_pyg.models.forecaster import Forecast, Forecaster
from synapsnet_pyg.nn.evaluating import evaluating


@torch.no_grad()
def check_forecasts(model: Forecaster, session: Session) -> None:
    """Raises an error unless a model forecasts every target, from bins before it alone.

    A forecast of another shape may pass for one of every neuron by broadcasting, and one bin too many makes scores that
    are too good.

    Args:
        model: Model of any class.
        session: Part of a session that it knows, long enough for its window.

    Raises:
        ValueError: ``forward`` returns something else than a :class:`~synapsnet_pyg.models.forecaster.Forecast` of
            shape :math:`(B, N, P)`, or a forecast is not finite, or changes with its target or with later bins.
    """
    groups = windows_of(session, model.window, 2, horizon=model.horizon)
    groups = groups or windows_of(session, model.window, 1, horizon=model.horizon)
    window = groups[0].gather(torch.arange(min(3, len(groups[0]))))
    with evaluating(model):
        first, again = model(window), model(window)
        forecast = _activity(model, first, window)
        if not torch.equal(forecast, _activity(model, again, window)):
            return  # a model that draws random numbers
        L, P = window.activity.shape[-1], window.target.shape[-1]
        scale = window.activity.std().clamp_min(1e-6)
        for p in range(P):
            activity, behaviour = window.activity.clone(), window.behaviour.clone()
            activity[..., L - P + p + 1 :] += 10 * scale
            behaviour[:, L - P + p + 1 :] += 10 * scale
            later = model(window._replace(activity=activity, behaviour=behaviour, target=window.target + 10 * scale))
            if not torch.allclose(later.activity[..., p], forecast[..., p], rtol=1e-5, atol=1e-3 * float(scale)):
                raise ValueError(
                    f"Expected model '{model.kind}' to forecast from the bins before a target alone (its forecast of "
                    f"target {p + 1} of {P} changes with that bin or later ones); the newest bin that it may use is "
                    f"window.activity[..., L - P + {p}], L = window.activity.shape[-1], P = window.target.shape[-1]."
                )


def _activity(model: Forecaster, forecast: object, window: Window) -> torch.Tensor:
    """Returns the forecast [B, N, P] after a look at its shape."""
    if not isinstance(forecast, Forecast):
        raise ValueError(
            f"Expected model '{model.kind}' to return Forecast(activity) from forward (got {type(forecast).__name__})."
        )
    wanted, got = list(window.target.shape), list(forecast.activity.shape)
    if got != wanted:
        raise ValueError(
            f"Expected model '{model.kind}' to return a forecast of shape [B, N, P] = {wanted} (got {got}); P is the "
            "number of targets, window.target.shape[-1]."
        )
    if not bool(forecast.activity.isfinite().all()):
        raise ValueError(f"Expected model '{model.kind}' to forecast finite numbers (got NaN or infinity).")
    return forecast.activity
