"""NetFormer: connectivity that changes in time, from a linear attention between neurons."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import torch
from torch import Tensor

from synapsnet_pyg.data.session import Session, SessionInfo
from synapsnet_pyg.data.windows import Window, batches, every_window
from synapsnet_pyg.models.forecaster import Forecast, Forecaster
from synapsnet_pyg.nn.neuron_attention import NeuronAttention, linear
from synapsnet_pyg.nn.neuron_embedding import NeuronEmbedding, orthogonal_


class NetFormer(Forecaster):
    r"""NetFormer (Lu et al. 2025, "An interpretable model for recovering dynamical connectivity").

    .. math::
        z_i(t) = \mathrm{LN}_1\big([a_i(t - W + 1), \ldots, a_i(t);\ e_i]\big), \qquad
        A_{ij}(t) = s\, (W_Q z_i) \cdot (W_K z_j), \qquad
        \hat a_i(t + 1) = \mathrm{LN}_2\Big(\sum_j A_{ij}(t)\, \tilde a_j + \tilde a_i\Big)_t

    with :math:`\tilde a` the part of z that comes from the past, see
    :class:`~synapsnet_pyg.nn.neuron_attention.NeuronAttention`. All neurons and sessions share the projections; only
    the embedding identifies a neuron. The attention A(t) *is* the connectivity from bin t to the next: for a rate
    network with weights W, step :math:`\delta` and nonlinearity f, :math:`A \approx \delta f'(0) W` off the diagonal
    to first order, and the residual connection stands for the leak. Behaviours are tokens that send and do not receive,
    with their own embeddings.

    The defaults are those of the authors' package (mouse, cell types, ring). The authors' scripts for small systems set
    ``width`` to the number of tokens, ``norm`` and ``scaled`` on or off, and ``window=1`` if there is no norm.

    Args:
        sessions: Sessions to be known by the model, or their :class:`~synapsnet_pyg.data.session.SessionInfo`.
        window: Number of past bins W in a token.
        embedding_dim: Size of the embeddings D.
        initial_scale: Standard deviation of the first embeddings; the paper's is 1. With small values neurons of
            similar activity get similar embeddings and share evidence, which helps with short recordings.
        width: Size of the projections. None: W + D.
        scaled: Whether :math:`s = (W + D)^{-1/2}`. False: s = 1.
        norm: Whether there are layer norms. They bound the forecasts by :math:`\sqrt{W - 1}` times their gain.
        residual: Whether a neuron's own past is added to the attention's output. For activity with little memory from
            bin to bin, such as spike counts, False is better, since the attention would have to undo the addition.
        activation: Function on the logits, one of :data:`~synapsnet_pyg.nn.neuron_attention.ACTIVATIONS`; the paper
            has none.
        use_behaviour: Whether behaviours are tokens.
        shrinkage: Weight :math:`\lambda` of a ridge on the attention between silent neurons,
            :math:`\lambda / N \sum_{ij} A_{ij}(x = 0)^2`, the part of the connectivity that does not depend on the
            activity. The paper has none and stops early instead. 0: no ridge.
        cell_types: Names of the types with a prior, at least two.
        type_field: Name of the field of the neurons that holds their types.
        prior_weight: Weight c of the cell-type prior (:class:`CellTypePrior`). For every pair of neurons of known
            types it adds the Gaussian negative log likelihood of :math:`A_{ij}` with a learned mean and variance for
            each ordered pair of types. 0: no prior.

    Shapes:
        - **window:** activity :math:`(B, N, L)`, behaviour :math:`(B, L, K)`, target :math:`(B, N, P)`
        - **output:** activity :math:`(B, N, P)`

    Raises:
        ValueError: There is a prior and fewer than two types.

    Example:
        >>> session = Session(torch.randn(3, 50), bin_size=0.1, name="demo")
        >>> model, window = NetFormer([session]), every_window(session, window=5).gather(torch.arange(8))
        >>> model(window).activity.shape, model.connectivity_at(window).shape
        (torch.Size([8, 3, 1]), torch.Size([8, 3, 3]))
    """

    shared = ("layer", "behaviour_embedding", "prior")

    def __init__(
        self,
        sessions: Iterable[Session | SessionInfo],
        window: int = 5,
        *,
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
            raise ValueError(
                f"Expected at least 2 cell_types for a prior (got {len(cell_types)}); name the types of the neurons."
            )
        self.cell_types, self.type_field, self.prior_weight = list(cell_types), type_field, prior_weight
        self.shrinkage = shrinkage
        ids = [info.neuron_id for info in self.sessions.values()]
        self.embedding = NeuronEmbedding(ids, embedding_dim, initial_scale=initial_scale, orthogonal=True)
        senders = self.num_behaviours if use_behaviour else 0
        self.behaviour_embedding = _Table(senders, embedding_dim)
        self.layer = NeuronAttention(
            window, embedding_dim, width=width, scaled=scaled, norm=norm, residual=residual, activation=activation
        )
        self.prior = CellTypePrior(len(cell_types)) if prior_weight else None
        for s, neurons in enumerate(ids):
            self.register_buffer(f"cell_type_{s}", torch.full((len(neurons),), -1))

    def initialise(self, train: Mapping[str, Session], validation: Mapping[str, Session]) -> bool:
        """Reads the types of the neurons, if there is a prior; returns False, since training must follow.

        Raises:
            ValueError: A session has no types of its neurons, or none of ``cell_types``.
        """
        if self.prior is not None:
            for s, name in enumerate(self.sessions):
                types = train[name].neuron_fields.get(self.type_field)
                code = [self.cell_types.index(kind) if kind in self.cell_types else -1 for kind in types or []]
                if max(code, default=-1) < 0:
                    raise ValueError(
                        f"Expected the field '{self.type_field}' of the neurons of session '{name}' with types among "
                        f"{', '.join(self.cell_types)} for the prior (got none); add this field to the session."
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
        """Returns the mean attention between neurons over all windows of a session [N, N], as the paper does.

        Args:
            session: Training part, standardised as in training.

        Raises:
            ValueError: No segment is longer than the window.
        """
        windows = every_window(session, self.window)
        total = session.activity.new_zeros(session.num_neurons, session.num_neurons)
        for window in batches(windows, batch_size=64):
            total += self.connectivity_at(window).sum(0)
        return total / len(windows)

    def connectivity_at(self, window: Window) -> Tensor:
        """Returns the attention between neurons in each window [B, N, N]."""
        return self.attention(window)[..., : window.activity.shape[1]]

    def attention(self, window: Window) -> Tensor:
        """Returns the attention of each window's newest bin [B, N, N + K]: from neurons, then from behaviours."""
        newest = window._replace(target=window.target[..., -1:])
        return self.layer.attention(self._past(newest), self._embedding(window.session), window.activity.shape[1])

    def _past(self, window: Window) -> Tensor:
        """Returns the pasts of all tokens for each target, [B P, N + K, W]."""
        series, L, P = window.activity, window.activity.shape[-1], window.target.shape[-1]
        if len(self.behaviour_embedding.weight):
            series = torch.cat([series, window.behaviour.transpose(1, 2)], dim=1)
        return torch.stack([series[..., end - self.window : end] for end in range(L - P + 1, L + 1)], 1).flatten(0, 1)

    def _embedding(self, session: str) -> Tensor:
        """Returns the embeddings of neurons and behaviours [N + K, D]."""
        return torch.cat([self.embedding(self.index_of(session)), self.behaviour_embedding.weight])

    def _penalty(self, past: Tensor, window: Window) -> Tensor | float:
        """Returns shrinkage and prior in training; zero in evaluation."""
        penalty: Tensor | float = 0.0
        embedding, N = self._embedding(window.session), window.activity.shape[1]
        if self.training and self.shrinkage:
            silent = self.layer.attention(torch.zeros_like(past[:1]), embedding, N)
            penalty = self.shrinkage / N * silent.square().sum()
        if self.training and self.prior is not None:
            code = self.get_buffer(f"cell_type_{self.index_of(window.session)}")
            attention = self.layer.attention(past, embedding, N)[..., :N]
            penalty = penalty + self.prior_weight * self.prior(attention, code)
        return penalty


class CellTypePrior(torch.nn.Module):
    r"""Negative log likelihood of a connectivity whose distribution depends on the types of both neurons.

    .. math::
        \Big\langle \tfrac12 \Big(\log \sigma^2_{gh} + \frac{(A_{ij} - C_{gh})^2}{\sigma^2_{gh}}\Big) \Big\rangle,
        \qquad \sigma^2_{gh} = \max(v_{gh}^2, 10^{-6})

    The mean runs over windows and pairs of neurons, i of type g and j of type h. Pairs with a neuron of unknown type
    are left out. C starts from U(-1, 1), v from ones.

    Args:
        types: Number of types.

    Shapes:
        - **connectivity:** :math:`(B, N, N)`; **cell_type:** index of each neuron's type :math:`(N)`, -1 if unknown
        - **output:** :math:`()`
    """

    def __init__(self, types: int) -> None:
        super().__init__()
        self.mean = torch.nn.Parameter(2 * torch.rand(types, types) - 1)
        self.deviation = torch.nn.Parameter(torch.ones(types, types))

    def forward(self, connectivity: Tensor, cell_type: Tensor) -> Tensor:
        """Returns the mean negative log likelihood, without its constant."""
        known = cell_type >= 0
        receiver, sender = cell_type[known][:, None], cell_type[known]
        mean, variance = self.mean[receiver, sender], self.deviation[receiver, sender].square().clamp_min(1e-6)
        among = connectivity if known.all() else connectivity[:, known][:, :, known]
        distance = (among - mean).square()
        return 0.5 * (variance.log() + distance / variance).mean()


class _Table(torch.nn.Module):
    """Learned vectors of the behaviours [K, D]."""

    def __init__(self, behaviours: int, embedding_dim: int) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.empty(behaviours, embedding_dim))
        orthogonal_(self.weight, 1.0)
