"""Multi-layer perceptron from each neuron's own past to its future."""

from collections.abc import Iterable

import torch

from synapsnet_pyg.data.session import Session, SessionInfo
from synapsnet_pyg.data.windows import Window, contexts
from synapsnet_pyg.models.forecaster import Forecast, Forecaster


class NeuronMLP(Forecaster):
    r"""Multi-layer perceptron that all neurons and sessions share.

    .. math::
        \hat a_i(t + 1), \ldots, \hat a_i(t + H) = W_2\, \mathrm{relu}\big(W_1\, [a_i(t - C + 1), \ldots, a_i(t)]\big)

    with biases; each further layer adds a linear map and a relu before :math:`W_2`. A neuron hears no other neuron. The
    sizes are those of the rivals in POCO (Duan et al. 2025, "POCO: Scalable neural forecasting through population
    conditioning"): one layer of 1,024, and a larger network with two layers of 2,048.

    Args:
        sessions: Sessions to be known by the model, or their :class:`~synapsnet_pyg.data.session.SessionInfo`.
        window: Number of past bins C.
        horizon: Number of bins H that are forecast directly.
        hidden_size: Number of units of a layer.
        num_layers: Number of layers with a relu.

    Shapes:
        - **window:** activity :math:`(B, N, L)`, behaviour (unused), target :math:`(B, N, P)`
        - **output:** future :math:`(B, N, P, H)`
    """

    shared = ("network",)

    def __init__(
        self,
        sessions: Iterable[Session | SessionInfo],
        window: int = 5,
        horizon: int = 1,
        *,
        hidden_size: int = 1024,
        num_layers: int = 1,
    ) -> None:
        super().__init__(sessions, window, horizon)
        sizes = [window, *[hidden_size] * num_layers]
        layers: list[torch.nn.Module] = []
        for i in range(num_layers):
            layers += [torch.nn.Linear(sizes[i], sizes[i + 1]), torch.nn.ReLU()]
        self.network = torch.nn.Sequential(*layers, torch.nn.Linear(sizes[-1], horizon))

    def forward(self, window: Window) -> Forecast:
        """Forecasts the H bins after each of the window's last P positions."""
        return Forecast.direct(self.network(contexts(window, self.window)))
