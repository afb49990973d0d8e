"""NetFormer: connectivity that changes in time, read from a linear attention between neurons."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import torch
from torch import Tensor

from synapsnet_pyg.data.session import Session, SessionInfo
from synapsnet_pyg.data.windows import Window, windows_of
from synapsnet_pyg.models.forecaster import Forecast, Forecaster
from synapsnet_pyg.nn.neuron_attention import NeuronAttention, linear
from synapsnet_pyg.nn.neuron_embedding import NeuronEmbedding, orthogonal_


class NetFormer(Forecaster):
    r"""NetFormer (Lu et al. 2025, "An interpretable model for recovering dynamical connectivity").

    .. math::
        z_i(t) = \mathrm{LN}_1\big([a_i(t - W + 1), \ldots, a_i(t);\ e_i]\big), \qquad
        A_{ij}(t) = s\, (W_Q z_i) \cdot (W_K z_j), \qquad
        \hat a_i(t + 1) = \mathrm{LN}_2\Big(\sum_j A_{ij}(t)\, \tilde a_j + \tilde a_i\Big)_t

    with :math:`\tilde a` the past's part of z; see :class:`~synapsnet_pyg.nn.neuron_attention.NeuronAttention`. The
    projections are shared by all neurons and sessions; a neuron is known by its embedding alone. The attention A(t)
    *is* the connectivity from bin t to the next: to first order :math:`A \approx \delta f'(0) W` off the diagonal, the
    residual taking the leak. Behaviours are tokens that send and do not receive, with embeddings of their own.

    The defaults are the authors' package (mouse, cell types, ring). Their scripts for small systems have a ``width`` of
    as many as there are tokens, ``norm`` and ``scaled`` on or off, and ``window=1`` where there is no norm.

    Args:
        sessions: Who is recorded in each session.
        window: W, past bins in a token.
        embedding_dim: D.
        initial_scale: Deviation of the embeddings' entries at the start; the paper's is 1. Small ones let neurons that
            act alike become alike: weights then share what the recording tells, where it tells little of each.
        width: Of the projections; None: W + D.
        scaled: Whether :math:`s = (W + D)^{-1/2}`; else 1.
        norm: Whether there are layer norms. Forecasts of one are bounded, by :math:`\sqrt{W - 1}` times its gain.
        residual: Whether a neuron's own past is added to what it hears. Where little of it lasts from bin to bin, as in
            spike counts, better not: the attention would have to undo it.
        activation: Of the attention, :data:`~synapsnet_pyg.nn.neuron_attention.ACTIVATIONS`; the paper's is none.
        use_behaviour: Whether behaviours are tokens.
        shrinkage: :math:`\lambda` of a ridge on the attention between silent neurons,
            :math:`\lambda / N \sum_{ij} A_{ij}(x = 0)^2`, what stands of the connectivity whatever the activity. Not in
            the paper, which stops early. 0: none.
        cell_types: Names of the types that the prior knows, at least two where there is one.
        type_field: Field of the neurons that tells their type.
        prior_weight: c, weight of the cell-type prior. For every pair of neurons whose types are known it adds the
            Gaussian negative log likelihood of :math:`A_{ij}` with a learned mean and variance for each ordered pair of
            types. 0: none.

    Shapes:
        - **window:** activity :math:`(B, N, L)`, behaviour :math:`(B, L, K)`, target :math:`(B, N, P)`
        - **output:** activity :math:`(B, N, P)`

    Raises:
        ValueError: There is a prior and no types.

    Example:
        >>> session = Session(torch.randn(3, 50), bin_size=0.1, name="demo")
        >>> model, window = NetFormer([session]), windows_of(session, window=5)[0].gather(torch.arange(8))
        >>> model(window).activity.shape, model.connectivity_at(window).shape
        (torch.Size([8, 3, 1]), torch.Size([8, 3, 3]))
    """

    shared = ("layer", "behaviour_embedding", "prior")

    def __init__(
        self,
        sessions: Iterable[Session | SessionInfo],
        window: int = 5,
        embedding_dim: int = 30,
        initial_scale: float = 1.0,
        width: int | None = None,
        scaled: bool = True,
        norm: bool = True,
        residual: bool = True,
        activation: Callable[[Tensor], Tensor] = linear,
        use_behaviour: bool = True,
        shrinkage: float = 0.0,
        cell_types: Sequence[str] = (),
        type_field: str = "cell_type",
        prior_weight: float = 0.0,
    ) -> None:
        super().__init__(sessions, window)
        if prior_weight and len(cell_types) < 2:
            raise ValueError(f"Expected at least 2 cell_types for a prior (got {len(cell_types)}); name those known.")
        self.cell_types, self.type_field, self.prior_weight = list(cell_types), type_field, prior_weight
        self.shrinkage = shrinkage
        ids = [population.neuron_id for population in self.sessions.values()]
        self.embedding = NeuronEmbedding(ids, embedding_dim, initial_scale, orthogonal=True)
        senders = self.num_behaviours if use_behaviour else 0
        self.behaviour_embedding = _Table(senders, embedding_dim)
        self.layer = NeuronAttention(window, embedding_dim, width, scaled, norm, residual, activation)
        self.prior = CellTypePrior(len(cell_types)) if prior_weight else None
        for s, neurons in enumerate(ids):
            self.register_buffer(f"cell_type_{s}", torch.full((len(neurons),), -1))

    def initialise(self, train: Mapping[str, Session], validation: Mapping[str, Session]) -> bool:
        """Reads the neurons' types, if there is a prior.

        Raises:
            ValueError: A session does not tell its neurons' types, or has only types that are not named.
        """
        if self.prior is not None:
            for s, name in enumerate(self.sessions):
                told = train[name].neuron_fields.get(self.type_field)
                code = [self.cell_types.index(one) if one in self.cell_types else -1 for one in told or []]
                if max(code, default=-1) < 0:
                    raise ValueError(
                        f"Expected the field '{self.type_field}' of the neurons of session '{name}' with types among "
                        f"{', '.join(self.cell_types)} for the prior (got none); give the session that field."
                    )
                self.get_buffer(f"cell_type_{s}").copy_(torch.tensor(code))
        return False

    def forward(self, window: Window) -> Forecast:
        """Forecasts the bin after each of the window's last P positions."""
        (B, N, P), past = window.target.shape, self._past(window)
        forecast = self.layer(past, self._embedding(window.session), N)[..., -1].view(B, P, N).transpose(1, 2)
        return Forecast(forecast, penalty=self._penalty(past, window))

    @torch.no_grad()
    def connectivity(self, session: Session) -> Tensor:
        """The mean attention between neurons over all windows of ``session``, [N, N]: the paper's read-out.

        Raises:
            ValueError: No segment is longer than the window.
        """
        windows = windows_of(session, self.window)
        if not windows:
            raise ValueError(f"Expected a segment of more than {self.window} bins in session '{session.name}'.")
        total = session.activity.new_zeros(session.num_neurons, session.num_neurons)
        for which in torch.arange(len(windows[0])).split(64):
            total += self.connectivity_at(windows[0].gather(which)).sum(0)
        return total / len(windows[0])

    def connectivity_at(self, window: Window) -> Tensor:
        """The attention between neurons in each window, [B, N, N]; see the class for its unit."""
        return self.attention(window)[..., : window.activity.shape[1]]

    def attention(self, window: Window) -> Tensor:
        """The attention of the newest bin of each window, [B, N, N + K]: from neurons, then from behaviours."""
        newest = window._replace(target=window.target[..., -1:])
        return self.layer.attention(self._past(newest), self._embedding(window.session), window.activity.shape[1])

    def _past(self, window: Window) -> Tensor:
        """What each target's tokens hold, [B P, N + K, W]."""
        series, L, P = window.activity, window.activity.shape[-1], window.target.shape[-1]
        if len(self.behaviour_embedding.weight):
            series = torch.cat([series, window.behaviour.transpose(1, 2)], dim=1)
        return torch.stack([series[..., end - self.window : end] for end in range(L - P + 1, L + 1)], 1).flatten(0, 1)

    def _embedding(self, session: str) -> Tensor:
        """[N + K, D]."""
        return torch.cat([self.embedding(self.index_of(session)), self.behaviour_embedding.weight])

    def _penalty(self, past: Tensor, window: Window) -> Tensor | float:
        penalty: Tensor | float = 0.0
        embedding, N = self._embedding(window.session), window.activity.shape[1]
        if self.training and self.shrinkage:
            standing = self.layer.attention(torch.zeros_like(past[:1]), embedding, N)
            penalty = self.shrinkage / N * standing.square().sum()
        if self.training and self.prior is not None:
            code = self.get_buffer(f"cell_type_{self.index_of(window.session)}")
            attention = self.layer.attention(past, embedding, N)[..., :N]
            penalty = penalty + self.prior_weight * self.prior(attention, code)
        return penalty


class CellTypePrior(torch.nn.Module):
    r"""How unlikely a connectivity is where neurons of one type drive those of another alike.

    .. math::
        \Big\langle \tfrac12 \Big(\log \sigma^2_{gh} + \frac{(A_{ij} - C_{gh})^2}{\sigma^2_{gh}}\Big) \Big\rangle,
        \qquad \sigma^2_{gh} = \max(v_{gh}^2, 10^{-6})

    over windows and pairs of neurons, i of type g and j of type h; pairs with a neuron of unknown type are left out.

    Args:
        types: How many there are. C starts from U(-1, 1), v from ones.

    Shapes:
        - **connectivity:** :math:`(B, N, N)`; **cell_type:** places of the types :math:`(N)`, -1 where unknown
        - **output:** :math:`()`
    """

    def __init__(self, types: int) -> None:
        super().__init__()
        self.mean = torch.nn.Parameter(2 * torch.rand(types, types) - 1)
        self.deviation = torch.nn.Parameter(torch.ones(types, types))

    def forward(self, connectivity: Tensor, cell_type: Tensor) -> Tensor:
        """The mean negative log likelihood, without its constant."""
        known = cell_type >= 0
        receiver, sender = cell_type[known][:, None], cell_type[known]
        mean, variance = self.mean[receiver, sender], self.deviation[receiver, sender].square().clamp_min(1e-6)
        among = connectivity if known.all() else connectivity[:, known][:, :, known]
        distance = (among - mean).square()
        return 0.5 * (variance.log() + distance / variance).mean()


class _Table(torch.nn.Module):
    """A learned vector for each behaviour [K, D]."""

    def __init__(self, behaviours: int, embedding_dim: int) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.empty(behaviours, embedding_dim))
        orthogonal_(self.weight, 1.0)
