"""Normalisation of each window by its own mean and deviation, and the way back."""

import torch
from torch import Tensor


class InstanceNorm(torch.nn.Module):
    r"""Reversible instance normalisation (Kim et al. 2022, "Reversible instance normalization", section 3).

    .. math::
        \tilde x_i = \gamma_i \frac{x_i - \mu_i}{\sigma_i} + \beta_i, \qquad
        y_i = \sigma_i \frac{\tilde y_i - \beta_i}{\gamma_i} + \mu_i

    with mean :math:`\mu_i` and deviation :math:`\sigma_i` of neuron i over the bins of its context. A forecaster
    between the two sees neither the level nor the scale of the window, and its forecasts keep both.

    Args:
        num_neurons: Number of neurons N.
        eps: Number that is added to the variance.

    Shapes:
        - **context:** :math:`(\ldots, N, C)`; **output:** the same, and mean and deviation :math:`(\ldots, N, 1)`
        - **reversed:** :math:`(\ldots, N, H)`

    Example:
        >>> norm = InstanceNorm(2)
        >>> normalised, statistics = norm(torch.tensor([[1.0, 3.0], [5.0, 5.0]]))
        >>> norm.reverse(normalised, statistics).detach()
        tensor([[1., 3.],
                [5., 5.]])
    """

    def __init__(self, num_neurons: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.gain = torch.nn.Parameter(torch.ones(num_neurons, 1))
        self.bias = torch.nn.Parameter(torch.zeros(num_neurons, 1))

    def forward(self, context: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Returns the normalised context, and its mean and deviation."""
        variance, mean = torch.var_mean(context, dim=-1, correction=0, keepdim=True)
        deviation = (variance + self.eps).sqrt()
        return self.gain * (context - mean) / deviation + self.bias, (mean, deviation)

    def reverse(self, forecast: Tensor, statistics: tuple[Tensor, Tensor]) -> Tensor:
        """Returns a forecast with the level and the scale of its context.

        Args:
            forecast: Forecast of the normalised activity :math:`(\\ldots, N, H)`.
            statistics: Mean and deviation of the context.
        """
        mean, deviation = statistics
        return (forecast - self.bias) / self.gain * deviation + mean
