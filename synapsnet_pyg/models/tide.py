"""TiDE: a dense encoder and decoder of each neuron's past and of the behaviour."""

from collections.abc import Iterable

import torch
from torch import Tensor

from synapsnet_pyg.data.session import Session, SessionInfo
from synapsnet_pyg.data.windows import Window, contexts
from synapsnet_pyg.models.forecaster import Forecast, Forecaster


class TiDE(Forecaster):
    r"""Time-series dense encoder (Das et al. 2023, "Long-term forecasting with TiDE", section 4).

    .. math::
        p(s) &= R_p\big(b(s)\big), \qquad s = t - C + 1, \ldots, t && \text{projected behaviour} \\
        [d_i(1), \ldots, d_i(H)] &= R_d\big(R_e([x_i;\ p(t - C + 1), \ldots, p(t)])\big) && \text{encoder, decoder} \\
        \hat a_i(t + h) &= R_o\big(d_i(h)\big) + (S\, x_i)_h && \text{temporal decoder, residual}

    with the past :math:`x_i = [a_i(t - C + 1), \ldots, a_i(t)]`. Each R is a residual perceptron,
    :math:`R(x) = V\, \mathrm{relu}(U x) + S x` with biases. All neurons and sessions share the network, and a neuron
    hears no other. Behaviour is a covariate of the past; the paper's covariates of the future and of the series are
    left out, since the behaviour to come is unknown. Sizes are those of ZAPBench (Lueckmann et al. 2025), which used
    the covariates of the future (the stimulus) and left out those of the past.

    Args:
        sessions: Sessions to be known by the model, or their :class:`~synapsnet_pyg.data.session.SessionInfo`.
        window: Number of past bins C.
        horizon: Number of bins H that are forecast directly.
        hidden_size: Size of the encoding and of the hidden layers of encoder and decoder.
        decoder_size: Size of the decoded vector d of each bin ahead.
        temporal_size: Size of the hidden layer of the temporal decoder.
        covariate_size: Size of the projected behaviour p of each bin.
        dropout: Share of the outputs of each residual perceptron's hidden path set to zero.
        use_behaviour: Whether the behaviour is a covariate.

    Shapes:
        - **window:** activity :math:`(B, N, L)`, behaviour :math:`(B, L, K)`, target :math:`(B, N, P)`
        - **output:** future :math:`(B, N, P, H)`
    """

    shared = ("covariates", "encoder", "decoder", "temporal_decoder", "residual")

    def __init__(
        self,
        sessions: Iterable[Session | SessionInfo],
        window: int = 5,
        horizon: int = 1,
        *,
        hidden_size: int = 128,
        decoder_size: int = 32,
        temporal_size: int = 128,
        covariate_size: int = 32,
        dropout: float = 0.0,
        use_behaviour: bool = True,
    ) -> None:
        super().__init__(sessions, window, horizon)
        K, P = self.num_behaviours, covariate_size
        self.covariates = ResidualPerceptron(K, hidden_size, P, dropout) if K and use_behaviour else None
        inputs = window * (1 + P) if K and use_behaviour else window
        self.encoder = ResidualPerceptron(inputs, hidden_size, hidden_size, dropout)
        self.decoder = ResidualPerceptron(hidden_size, hidden_size, horizon * decoder_size, dropout)
        self.temporal_decoder = ResidualPerceptron(decoder_size, temporal_size, 1, dropout)
        self.residual = torch.nn.Linear(window, horizon)

    def forward(self, window: Window) -> Forecast:
        """Forecasts the H bins after each of the window's last P positions."""
        past = contexts(window, self.window)  # [B, N, P, C]
        encoded = self.decoder(self.encoder(self._with_covariates(past, window)))
        decoded = encoded.unflatten(-1, (self.horizon, -1))
        return Forecast.direct(self.temporal_decoder(decoded)[..., 0] + self.residual(past))

    def _with_covariates(self, past: Tensor, window: Window) -> Tensor:
        """Returns the past of each neuron beside the projected behaviour of the same bins [B, N, P, C (1 + size)]."""
        if self.covariates is None:
            return past
        _, N, P, C = past.shape
        newest = self.covariates(window.behaviour[:, -(C + P - 1) :])  # [B, C + P - 1, size]
        projected = newest.unfold(1, C, 1).transpose(-1, -2).flatten(2)  # [B, P, C size]
        return torch.cat([past, projected[:, None].expand(-1, N, -1, -1)], dim=-1)


class ResidualPerceptron(torch.nn.Module):
    r"""Perceptron with a linear path around it, :math:`R(x) = V\, \mathrm{relu}(U x) + S x` with biases.

    Args:
        inputs: Size of x.
        hidden_size: Number of units.
        outputs: Size of the output.
        dropout: Share of the entries of :math:`V\, \mathrm{relu}(U x)` set to zero.

    Shapes:
        - **input:** :math:`(\ldots, \text{inputs})`, **output:** :math:`(\ldots, \text{outputs})`
    """

    def __init__(self, inputs: int, hidden_size: int, outputs: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.hidden = torch.nn.Linear(inputs, hidden_size)
        self.output = torch.nn.Linear(hidden_size, outputs)
        self.linear = torch.nn.Linear(inputs, outputs)
        self.dropout = torch.nn.Dropout(dropout)

    def forward(self, inputs: Tensor) -> Tensor:
        """Returns the perceptron's output plus the linear path's."""
        output: Tensor = self.dropout(self.output(self.hidden(inputs).relu())) + self.linear(inputs)
        return output
