"""POCO: a forecaster of each neuron, modulated by the state of its population."""

from collections.abc import Iterable

import torch
from torch import Tensor

from synapsnet_pyg.data.session import Session, SessionInfo
from synapsnet_pyg.data.windows import Window, contexts
from synapsnet_pyg.models.forecaster import Forecast, Forecaster
from synapsnet_pyg.nn.neuron_embedding import NeuronEmbedding
from synapsnet_pyg.nn.perceiver import Perceiver


class POCO(Forecaster):
    r"""Population-conditioned forecaster (Duan et al. 2025, "POCO: Scalable neural forecasting through population
    conditioning", section 3).

    .. math::
        \tau_{ik} &= W_\tau\, x_i[16 k : 16 (k + 1)] + e_i + s && \text{tokens of the past of neuron i} \\
        p_i &= \mathrm{Perceiver}(e_i + s \text{ from all } \tau_{jk}) && \text{state of the population for i} \\
        [\hat a_i(t + 1), \ldots, \hat a_i(t + H)] &=
        W_o \big(\alpha(p_i) \odot \mathrm{relu}(W_i\, x_i) + \beta(p_i)\big)

    with the past :math:`x_i = [a_i(t - C + 1), \ldots, a_i(t)]`, embeddings e of the neuron and s of the session, and
    linear maps :math:`\alpha, \beta` that start at zero: the first forecasts are constant. Sizes are the paper's. All
    sessions share the network. The public code also adds an embedding of the data set, which is a constant for sessions
    of one data set. A context that is not a multiple of the tokens' length is filled up with zeros at its old end; the
    network :math:`W_i` sees the context itself. A context shorter than 16 bins is one token.

    Args:
        sessions: Sessions to be known by the model, or their :class:`~synapsnet_pyg.data.session.SessionInfo`.
        window: Number of past bins C; 48 in the paper.
        horizon: Number of bins H that are forecast directly; 16 in the paper.
        token_size: Number of bins of a token.
        embedding_dim: Size of embeddings and tokens.
        hidden_size: Number of units of the network that is modulated.
        num_latents: Number of latents of the :class:`~synapsnet_pyg.nn.perceiver.Perceiver`.
        num_layers: Number of its layers.
        heads: Number of heads in these layers.
        head_size: Size of a head.
        longest_period: Longest period of its rotary time, in bins.
        dropout: Share of the units of the Perceiver's feed-forward networks set to zero.
        layer_dropout: Share of the outputs within its layers set to zero.

    Shapes:
        - **window:** activity :math:`(B, N, L)`, behaviour (unused), target :math:`(B, N, P)`
        - **output:** future :math:`(B, N, P, H)`
    """

    shared = ("token", "perceiver", "hidden", "scale", "shift", "readout")

    def __init__(
        self,
        sessions: Iterable[Session | SessionInfo],
        window: int = 5,
        horizon: int = 1,
        *,
        token_size: int = 16,
        embedding_dim: int = 128,
        hidden_size: int = 1024,
        num_latents: int = 8,
        num_layers: int = 1,
        heads: int = 16,
        head_size: int = 64,
        longest_period: float = 100.0,
        dropout: float = 0.2,
        layer_dropout: float = 0.4,
    ) -> None:
        super().__init__(sessions, window, horizon)
        self.token_size = min(token_size, window)
        ids = [info.neuron_id for info in self.sessions.values()]
        self.embedding = NeuronEmbedding(ids, embedding_dim, initial_scale=0.02)
        self.session_embedding = torch.nn.Parameter(0.02 * torch.randn(len(ids), embedding_dim))
        self.token = torch.nn.Linear(self.token_size, embedding_dim)
        self.perceiver = Perceiver(
            embedding_dim,
            num_latents=num_latents,
            num_layers=num_layers,
            heads=heads,
            head_size=head_size,
            longest_period=longest_period,
            dropout=dropout,
            layer_dropout=layer_dropout,
        )
        self.hidden = torch.nn.Linear(window, hidden_size)
        self.scale = torch.nn.Linear(embedding_dim, hidden_size)
        self.shift = torch.nn.Linear(embedding_dim, hidden_size)
        for conditioning in (self.scale, self.shift):
            torch.nn.init.zeros_(conditioning.weight)
            torch.nn.init.zeros_(conditioning.bias)
        self.readout = torch.nn.Linear(hidden_size, horizon)

    def forward(self, window: Window) -> Forecast:
        """Forecasts the H bins after each of the window's last P positions."""
        past = contexts(window, self.window).transpose(1, 2)  # [B, P, N, C]
        state = self._population(past.flatten(0, 1), window.session).unflatten(0, past.shape[:2])
        features = self.scale(state) * self.hidden(past).relu() + self.shift(state)
        return Forecast.direct(self.readout(features).transpose(1, 2))

    def _population(self, past: Tensor, session: str) -> Tensor:
        """Returns the state of the population for each neuron [S, N, D] of the pasts [S, N, C]."""
        s, size = self.index_of(session), self.token_size
        neuron = self.embedding(s) + self.session_embedding[s]
        bins = torch.nn.functional.pad(past, (-past.shape[-1] % size, 0)).unflatten(-1, (-1, size))
        tokens = self.token(bins) + neuron[:, None]  # [S, N, tokens, D]
        N, count = tokens.shape[1:3]
        time = size * torch.arange(count, dtype=past.dtype, device=past.device)
        end = time.new_full((N,), size * count)
        state: Tensor = self.perceiver(tokens.flatten(1, 2), time.repeat(N), neuron, end, size * count)
        return state
