"""AMAG: additive and multiplicative message passing between the hidden states of neurons."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from synapsnet_pyg.data.session import Session, SessionInfo
from synapsnet_pyg.data.windows import Window
from synapsnet_pyg.models.forecaster import Forecast, Forecaster


class AMAG(Forecaster):
    r"""AMAG, one step ahead (Li et al. 2023, "Additive, multiplicative and adaptive graph neural network").

    .. math::
        h_i(t) &= \mathrm{GRU}_{TE}\big([a_i(t), b(t)],\ h_i(t - 1)\big) \\
        p_i &= \sum_j S_{ij} A^+_{ij} h_j, \qquad m_i = h_i \odot \sum_j A^\times_{ij} h_j \\
        z_i &= \beta_1 h_i + \beta_2 F_2(p_i) + \beta_3 F_3(m_i) \\
        r_i(t) &= \mathrm{GRU}_{TR}\big(z_i(t),\ r_i(t - 1)\big), \qquad \hat a_i(t + 1) = w \cdot r_i(t) + c

    The weights A of each session start from the correlations in the training part. Their diagonal is left out, since
    :math:`\beta_1` weights a neuron's own state. Sessions share all other parameters. With the adaptor, :math:`S_{ij} =
    \sigma(\mathrm{MLP}([h_i, h_j]))` scales each edge at each bin; without it S = 1, which forecasts almost as well
    according to the authors. No code was published; this follows the paper's equations.

    Args:
        sessions: Sessions to be known by the model, or their :class:`~synapsnet_pyg.data.session.SessionInfo`.
        window: Number of past bins W.
        hidden_size: Size of the hidden states of both GRUs.
        adaptor: Whether the adaptor scales the edges. Each window and bin then takes time and memory of
            :math:`64 N^2`, which suits populations of up to about 100 neurons.
        dropout: Share of units set to zero before the read-out.

    Shapes:
        - **window:** activity :math:`(B, N, L)`, behaviour :math:`(B, L, K)`, target :math:`(B, N, P)`
        - **output:** activity :math:`(B, N, P)`
    """

    shared = ("encoder", "additive_layers", "multiplicative_layers", "mixture", "scale_edges", "decoder", "readout")

    def __init__(
        self,
        sessions: Iterable[Session | SessionInfo],
        window: int = 5,
        *,
        hidden_size: int = 64,
        adaptor: bool = False,
        dropout: float = 0.1,
    ) -> None:
        super().__init__(sessions, window)
        H = hidden_size
        sizes = [len(info.neuron_id) for info in self.sessions.values()]
        self.additive = torch.nn.ParameterList(torch.randn(N, N) * (0.1 / N**0.5) for N in sizes)
        self.multiplicative = torch.nn.ParameterList(torch.randn(N, N) * (0.1 / N**0.5) for N in sizes)
        self.encoder = torch.nn.GRU(1 + self.num_behaviours, H, batch_first=True)
        self.additive_layers, self.multiplicative_layers = _two_layers(H), _two_layers(H)
        self.mixture = _Mixture()
        self.scale_edges = _Adaptor(H) if adaptor else None
        self.decoder = torch.nn.GRU(H, H, batch_first=True)
        self.dropout = torch.nn.Dropout(dropout)
        self.readout = torch.nn.Linear(H, 1)

    @torch.no_grad()
    def initialise(self, train: Mapping[str, Session], validation: Mapping[str, Session]) -> bool:
        """Starts both graphs from the correlations between neurons; returns False, since training must follow."""
        for s, name in enumerate(self.sessions):
            activity = train[name].activity
            centred = activity - activity.mean(1, keepdim=True)
            centred = centred / centred.norm(dim=1, keepdim=True).clamp_min(1e-12)
            correlation = (centred @ centred.t()).fill_diagonal_(0)
            self.additive[s].copy_(correlation)
            self.multiplicative[s].copy_(correlation)
        return False

    def forward(self, window: Window) -> Forecast:
        """Forecasts the bin after each of the window's last P positions."""
        s, (B, N, L) = self.index_of(window.session), window.activity.shape
        behaviour = window.behaviour[:, None].expand(B, N, L, -1)
        inputs = torch.cat([window.activity[..., None], behaviour], dim=-1)
        hidden = self.encoder(inputs.reshape(B * N, L, -1))[0].view(B, N, L, -1)
        mixed = self.interact(hidden, _off_diagonal(self.additive[s]), _off_diagonal(self.multiplicative[s]))
        decoded = self.decoder(mixed.view(B * N, L, -1))[0][:, -window.target.shape[-1] :]
        return Forecast(self.readout(self.dropout(decoded)).view(B, N, -1))

    def interact(self, hidden: Tensor, additive: Tensor, multiplicative: Tensor) -> Tensor:
        """Returns the states z [B, N, L, H] after message passing between states h [B, N, L, H]."""
        if self.scale_edges is None:
            added = torch.einsum("ij,bjlh->bilh", additive, hidden)
        else:
            added = torch.einsum("blij,bjlh->bilh", self.scale_edges(hidden) * additive, hidden)
        product = hidden * torch.einsum("ij,bjlh->bilh", multiplicative, hidden)
        mixed: Tensor = self.mixture(hidden, self.additive_layers(added), self.multiplicative_layers(product))
        return mixed


class _Mixture(torch.nn.Module):
    r"""Weighted sum :math:`\beta_1 h + \beta_2 p + \beta_3 m`; all weights start at 1/3."""

    def __init__(self) -> None:
        super().__init__()
        self.beta = torch.nn.Parameter(torch.full((3,), 1 / 3))

    def forward(self, own: Tensor, added: Tensor, product: Tensor) -> Tensor:
        """Returns the sum."""
        return self.beta[0] * own + self.beta[1] * added + self.beta[2] * product


class _Adaptor(torch.nn.Module):
    """Factor between 0 and 1 for each window, bin and edge [B, L, N, N] from the hidden states at both ends."""

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        # Four layers; the first two are applied to each end before the ends meet, which costs N instead of N^2.
        self.first = torch.nn.Linear(hidden_size, 64)
        self.receiver = torch.nn.Linear(64, 256)
        self.sender = torch.nn.Linear(64, 256, bias=False)
        self.last = torch.nn.Sequential(torch.nn.ReLU(), torch.nn.Linear(256, 64), torch.nn.ReLU())
        self.scale = torch.nn.Linear(64, 1)

    def forward(self, hidden: Tensor) -> Tensor:
        """Returns the factors of all edges."""
        ends = torch.relu(self.first(hidden)).transpose(1, 2)
        pairs = self.receiver(ends)[:, :, :, None] + self.sender(ends)[:, :, None]
        return torch.sigmoid(self.scale(self.last(pairs)))[..., 0]


def _two_layers(size: int) -> torch.nn.Sequential:
    """Makes a network of two linear layers with a rectifier between them."""
    return torch.nn.Sequential(torch.nn.Linear(size, size), torch.nn.ReLU(), torch.nn.Linear(size, size))


def _off_diagonal(weight: Tensor) -> Tensor:
    """Returns the matrix with a zero diagonal."""
    return weight - torch.diag(weight.diagonal())
