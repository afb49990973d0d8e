"""Responses of a recorded population to the stimulation of each of its neurons, also within the bin of the stimulus."""

import torch
from torch import Tensor

from synapsnet_pyg.analysis.perturbation import responses
from synapsnet_pyg.analysis.perturbation_kinds import DrivePattern
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.models.forecaster import Forecaster
from synapsnet_pyg.models.forecasting import forecast_session


def stimulation_responses(
    model: Forecaster,
    session: Session,
    *,
    horizon: int = 10,
    held: bool = True,
    targets: int = 1,
    max_windows: int = 16,
    batch_size: int = 32,
) -> Tensor:
    r"""Computes the response of each neuron to the stimulation of each other, in deviations of its forecast error.

    .. math::
        p_{ij} = \frac{\Sigma_{ij}}{\sqrt{\Sigma_{jj}}}, \qquad
        G_{ij}(h) = \frac{e_i\big(h;\, p_{\cdot j}\big) + p_{ij}\, [\text{held}]}{\sqrt{\Sigma_{ii}}}

    with :math:`\Sigma` the covariance of the model's forecast errors, and :math:`e(h; p)` the effect of a pattern p
    that is added to the newest bin (:class:`~synapsnet_pyg.analysis.perturbation_kinds.DrivePattern`). This is the
    generalised impulse response of Koop, Pesaran and Potter (1996), rolled out with the model.

    Where bins are longer than signals take from neuron to neuron, as in calcium imaging at a few hertz, neurons that
    drive each other change in the same bin. A model of the next bin cannot know this; its errors do. A stimulus of one
    deviation of j's error therefore comes with the changes :math:`p_{ij}` that the other neurons had with such an error
    of j. The shared part of the errors has no direction, and may come from unrecorded neurons; the model adds direction
    and time. :func:`~synapsnet_pyg.analysis.perturbation.effect_matrix` leaves it out.

    Args:
        model: Fitted forecaster of any kind.
        session: Session of forecast errors and starting windows, standardised as in training.
        horizon: Number of bins ahead H.
        held: Whether the stimulus lasts for all bins; False: one bin.
        targets: Number of bins P forecast in one window, as in training.
        max_windows: Largest number of starting windows; for a linear model one is enough.
        batch_size: Number of windows at a time; it does not change the result.

    Returns:
        Responses :math:`(H, N, N)`, ``[h, i, j]`` that of i to stimulation of j; 0 for neurons without error.

    Raises:
        ValueError: The horizon is below 1, or the session is too short.

    References:
        Koop, Pesaran and Potter 1996, "Impulse response analysis in nonlinear multivariate models"; Pesaran and Shin
        1998.

    Example:
        >>> from synapsnet_pyg.models.baselines import Mean
        >>> activity = torch.randn(1, 2000, generator=torch.Generator().manual_seed(0))
        >>> session = Session(torch.cat([activity, -activity]), bin_size=0.6)  # changes in the same bin
        >>> stimulation_responses(Mean([session]), session, horizon=1)[0].round(decimals=2)
        tensor([[ 1., -1.],
                [-1.,  1.]])
    """
    forecast = forecast_session(model, session, targets)
    covariance = torch.cov((forecast.truth - forecast.forecast).double())
    deviation = covariance.diagonal().sqrt()
    inverse = torch.where(deviation > 0, 1 / deviation, 0.0)
    patterns = (covariance * inverse).to(session.activity)
    each = responses(
        model,
        session,
        [DrivePattern(pattern, held) for pattern in patterns.t()],
        horizon=horizon,
        max_windows=max_windows,
        batch_size=batch_size,
    )
    effects = torch.stack([response.difference.mean(0) for response in each], dim=1)  # [N, sender, H]
    if held:
        effects = effects + patterns[..., None]
    return (effects * inverse[:, None, None]).permute(2, 0, 1).to(session.activity)
