"""SynapsNet: forecasts through a learned graph of who drives whom."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping

import torch
from torch import Tensor

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.data.windows import Window, windows_of
from synapsnet_pyg.models.forecaster import Forecast, Forecaster, Recorded
from synapsnet_pyg.nn.common_drive import CommonDrive
from synapsnet_pyg.nn.dynamics import Dynamics
from synapsnet_pyg.nn.functional_connectivity import FunctionalConnectivity, absolute_sum
from synapsnet_pyg.nn.linear_path import LinearPath
from synapsnet_pyg.nn.losses import squared_error
from synapsnet_pyg.nn.modulation import Modulation
from synapsnet_pyg.nn.neuron_embedding import NeuronEmbedding
from synapsnet_pyg.regression.linear_start import linear_start


class SynapsNet(Forecaster):
    r"""SynapsNet (Delavari, Oruc and Murphy, section 2.2).

    .. math::
        I_i(t) &= \sum_j A_{ij}\, a_j(t) \\
        \hat a_i(t + 1) &= f\big(a_i(t-W+1{:}t),\ I_i(t-W+1{:}t),\ b(t-W+1{:}t),\ E_i\big) \\
        \mathcal{L} &= \mathrm{MSE}(\hat a, a) + \lambda \|A\|

    Each session has its own connectivity :math:`A`, each neuron its own embedding :math:`E_i` wherever it was
    recorded, and all neurons of all sessions share the dynamics :math:`f`.

    Beyond the paper:

    - A linear path stands beside the dynamics, which then forecasts what is not linear,

      .. math::
          \hat a_i(t + 1) = \sum_{l=0}^{W-1} \kappa_l \big( \rho_i\, a_i(t - l) + I_i(t - l) + H_i(t - l) \big)
          + d_i \cdot b(t) + c_i + f(a_i, I_i + H_i, b, E_i)

      and is solved by ridge regression before training, and with it A (:meth:`initialise`). A recording too short or
      too slow for the dynamics is then forecast as well as a linear model does, and the current has an effect's scale.
    - A common drive :math:`H = L R\, a`, a few latent inputs that all neurons hear
      (:class:`~synapsnet_pyg.nn.common_drive.CommonDrive`), takes up what an unseen stimulus, arousal or area does to
      many neurons at once, which would otherwise look like connectivity between all of them. How many there are, and
      which weights are edges, empirical Bayes tells at the start
      (:func:`~synapsnet_pyg.regression.sparse_low_rank.sparse_low_rank`).
    - The penalty of an edge is multiplied by the probability that it is none (an adaptive lasso, Zou 2006).

    ``linear_path=False`` is the paper's model; ``latents=0`` leaves the common drive and the adaptive penalty out. The
    table of ablations shows what each part brings.

    What the paper leaves open is an argument here. Each batch pays the penalty of its own session's :math:`A`.

    Args:
        sessions: Who is recorded in each session.
        window: W.
        embedding_dim: D.
        hidden_size: Size of the hidden state of the dynamics.
        num_layers: Its layers.
        dynamics: Its class, :class:`torch.nn.GRU`, :class:`torch.nn.LSTM`, :class:`torch.nn.RNN` or
            :class:`~synapsnet_pyg.nn.transformer.Transformer` (Table 3).
        dropout: See :class:`~synapsnet_pyg.nn.dynamics.Dynamics`.
        penalty: Norm of the weights in force, a function of the tensor of weights; see
            :mod:`synapsnet_pyg.nn.functional_connectivity`. The paper writes :math:`\|A\|_2`; the sum of absolute
            values recovers known wiring better (``examples/recovery.py``) and is the default.
        penalty_weight: :math:`\lambda`, not given in the paper. None: :math:`\sqrt{\log N / T} / N`, with T the
            bins of the recording: the price at which the lasso (Bickel, Ritov and Tsybakov 2009) keeps chance
            correlations out, so that a short recording is held back more than a long one. 0 switches it off.
        loss: Error of the forecast, of :data:`synapsnet_pyg.nn.losses.LOSSES`; the paper's is the squared error.
        self_connections: Whether :math:`A_{ii}` is learned too.
        initial_scale: See :class:`~synapsnet_pyg.nn.functional_connectivity.FunctionalConnectivity`.
        linear_path: Whether the dynamics forecasts only what is not linear. Not in the paper; see above.
        latents: Most that the common drive of a session may have; 0: none, and all edges have the same penalty.
        modulation: Whether behaviour scales what each neuron sends and receives, so that the connectivity changes with
            it (:class:`~synapsnet_pyg.nn.modulation.Modulation`). Not in the paper.
        edge_index: Session name -> the only edges :math:`(2, E)` that may carry a weight; sessions without an entry
            have complete graphs.
        use_embedding: False: ablation "without neuronal embeddings" (Table 2).
        use_activity: False: ablation "without previous activity".
        use_connectivity: False: ablation "without functional connectivity".
        use_behaviour: False: without behaviour.

    Shapes:
        - **window:** activity :math:`(B, N, L)`, behaviour :math:`(B, L, K)`, target :math:`(B, N, P)`
        - **output:** activity :math:`(B, N, P)`, current :math:`(B, N, L)`

    Example:
        >>> session = Session(torch.randn(3, 50), bin_size=0.1, name="demo")
        >>> model = SynapsNet([session])
        >>> model(windows_of(session, window=5)[0].gather(torch.arange(8))).activity.shape
        torch.Size([8, 3, 1])
    """

    shared = ("dynamics",)

    def __init__(
        self,
        sessions: Iterable[Recorded],
        window: int = 5,
        embedding_dim: int = 32,
        hidden_size: int = 40,
        num_layers: int = 1,
        dynamics: Callable[..., torch.nn.Module] = torch.nn.GRU,
        dropout: float = 0.1,
        penalty: Callable[[Tensor], Tensor] = absolute_sum,
        penalty_weight: float | None = None,
        loss: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor] = squared_error,
        self_connections: bool = False,
        initial_scale: float = 0.1,
        linear_path: bool = True,
        latents: int = 8,
        modulation: bool = False,
        edge_index: Mapping[str, Tensor] | None = None,
        use_embedding: bool = True,
        use_activity: bool = True,
        use_connectivity: bool = True,
        use_behaviour: bool = True,
    ) -> None:
        super().__init__(sessions, window)
        self.penalty, self.error, self.latents = penalty, loss, latents
        self.use_activity, self.use_connectivity, self.use_behaviour = use_activity, use_connectivity, use_behaviour
        populations = list(self.populations.values())
        self.penalty_weight = [lasso_price(p) if penalty_weight is None else penalty_weight for p in populations]
        edges = edge_index or {}
        self.functional_connectivity = torch.nn.ModuleList(
            FunctionalConnectivity(len(p.neuron_id), edges.get(p.name), self_connections, initial_scale)
            for p in populations
            if use_connectivity
        )
        behaviours = self.num_behaviours if use_behaviour else 0
        self.linear_path = torch.nn.ModuleList(
            LinearPath(len(p.neuron_id), behaviours, window, use_activity) for p in populations if linear_path
        )
        self.common_drive = torch.nn.ModuleList(
            CommonDrive(len(p.neuron_id), latents) for p in populations if linear_path and use_connectivity
        )
        self.modulation = torch.nn.ModuleList(
            Modulation(len(p.neuron_id), behaviours)
            for p in populations
            if modulation and use_connectivity and behaviours
        )
        for s, population in enumerate(populations):
            self.register_buffer(f"activity_mean_{s}", torch.zeros(len(population.neuron_id)))
            self.register_buffer(f"activity_scale_{s}", torch.ones(len(population.neuron_id)))
        self.embedding = NeuronEmbedding([p.neuron_id for p in populations], embedding_dim if use_embedding else 0)
        self.dynamics = Dynamics(
            num_series=int(use_activity) + int(use_connectivity),
            num_behaviours=behaviours,
            embedding_dim=self.embedding.weight.shape[1],
            hidden_size=hidden_size,
            num_layers=num_layers,
            sequence=dynamics,
            dropout=dropout,
        )

    @torch.no_grad()
    def initialise(self, train: Mapping[str, Session], validation: Mapping[str, Session]) -> bool:
        """Starts linear path, connectivity and common drive from least squares, if there is a linear path."""
        for s, name in enumerate(self.populations):
            if "activity_scale" in train[name]:
                self.get_buffer(f"activity_mean_{s}").copy_(train[name].activity_mean)
                self.get_buffer(f"activity_scale_{s}").copy_(train[name].activity_scale)
        if not self.linear_path:
            return False
        for s, name in enumerate(self.populations):
            self._start_linear(s, train[name], validation[name])
        if self.dynamics.readout.weight.requires_grad:  # else it was learned from other sessions, and is kept
            self.dynamics.readout.weight.mul_(0.1)
            self.dynamics.readout.bias.zero_()
        return True

    def _start_linear(self, s: int, train: Session, validation: Session) -> None:
        path, graph = self.linear_path[s], self._graph(s) if self.use_connectivity else None
        assert isinstance(path, LinearPath)
        start = linear_start(
            train,
            validation,
            self.window,
            pairs=None if graph is None else graph.allowed(),
            own=path.own is not None,
            behaviour=path.behaviour is not None,
            latents=self.latents,
        )
        path.kernel.copy_(start.kernel)
        path.intercept.copy_(start.intercept)
        if path.own is not None:
            path.own.copy_(start.own)
        if path.behaviour is not None:
            path.behaviour.copy_(start.behaviour)
        if graph is not None:
            graph.set_matrix(start.edges.to(path.intercept), (1 - start.edge_probability).to(path.intercept))
            drive = self.common_drive[s]
            assert isinstance(drive, CommonDrive)
            drive.set(start.receivers, start.senders)

    def forward(self, window: Window) -> Forecast:
        """Forecasts the bin after each of the window's last P positions."""
        current = self.input_current(window)
        return Forecast(self._decode(window, current), current, self._penalty(window.session))

    def loss(self, forecast: Forecast, window: Window) -> Tensor:
        """The error by the loss chosen, and the penalty."""
        s = self.index_of(window.session)
        mean, scale = self.get_buffer(f"activity_mean_{s}"), self.get_buffer(f"activity_scale_{s}")
        return self.error(forecast.activity, window.target, mean, scale) + forecast.penalty

    def input_current(self, window: Window) -> Tensor | None:
        """What each neuron receives at every position [B, N, L]; None without connectivity."""
        if not self.use_connectivity:
            return None
        s = self.index_of(window.session)
        if not self.modulation:
            current: Tensor = self._graph(s)(window.activity)
            return current
        receiving, sending = self.modulation[s](window.behaviour)
        modulated: Tensor = receiving * self._graph(s)(sending * window.activity)
        return modulated

    def raw_connectivity(self, session: Session | str) -> Tensor:
        """The parameter A [N, N] itself, whose sign and scale mean nothing alone: see :meth:`connectivity`."""
        name = session if isinstance(session, str) else session.name
        return self._graph(self.index_of(name)).matrix()

    @torch.no_grad()
    def connectivity(self, session: Session) -> Tensor:
        r"""Functional connectivity :math:`(N, N)`: what one more unit of j's activity adds to i's next bin.

        .. math::
            C = \mathrm{diag}(g)\, A, \qquad
            g_i = \Big\langle \frac{\partial \hat a_i(t+1)}{\partial I_i(t)} \Big\rangle

        The loss fixes neither sign nor scale of A: the dynamics can undo both. Their product with the mean gain
        :math:`g` over the windows of ``session`` is free of that choice.

        Args:
            session: The training part, standardised as in training.

        Raises:
            ValueError: No segment is longer than the window.
            KeyError: The model does not know the session.
        """
        if not self.use_connectivity:
            return super().connectivity(session)
        if not self.modulation:
            return self.gain(session)[:, None] * self.raw_connectivity(session)
        # The mean over windows of what scales each weight is one product of the two gains.
        scale, count = torch.zeros_like(self.raw_connectivity(session)), 0
        for window in self._spread(session):
            receiving, sending = self._gains(window)
            scale, count = scale + receiving.t() @ sending, count + len(sending)
        return scale / count * self.raw_connectivity(session)

    @torch.no_grad()
    def connectivity_at(self, window: Window) -> Tensor:
        r"""The same of each window, :math:`(B, N, N)`: its own gains around one A.

        Its mean over windows is :meth:`connectivity`. What changes in it is how strongly a neuron listens and, with
        modulation, sends; the common drive is left out.
        """
        if not self.use_connectivity:
            return super().connectivity_at(window)
        receiving, sending = self._gains(window)
        return receiving[:, :, None] * self.raw_connectivity(window.session) * sending[:, None]

    def gain(self, session: Session, max_windows: int = 4096) -> Tensor:
        r"""Mean derivative :math:`g` (N) of each neuron's forecast with respect to its own newest input current.

        Args:
            session: The training part.
            max_windows: From longer recordings this many windows are taken, evenly spread.

        Raises:
            ValueError: No segment is longer than the window.
        """
        slopes = [self._slope(window) for window in self._spread(session, max_windows)]
        return torch.cat(slopes).mean(0)

    def _gains(self, window: Window) -> tuple[Tensor, Tensor]:
        """What scales each receiver's row and each sender's column of A in each window, [B, N] each."""
        slope = self._slope(window)
        if not self.modulation:
            return slope, torch.ones_like(slope)
        receiving, sending = self.modulation[self.index_of(window.session)](window.behaviour[:, -1:])
        return slope * receiving[..., 0], sending[..., 0]

    def _spread(self, session: Session, max_windows: int = 4096) -> Iterator[Window]:
        """Windows evenly spread over a session, a batch at a time."""
        windows = windows_of(session, self.window)
        if not windows:
            raise ValueError(f"Expected a segment of more than {self.window} bins in session '{session.name}'.")
        which = torch.arange(0, len(windows[0]), max(1, len(windows[0]) // max_windows))
        for batch in which.split(64):
            yield windows[0].gather(batch)

    def _slope(self, window: Window) -> Tensor:
        """Derivative of each neuron's forecast with respect to its own newest input current, [B, N]."""
        was_training = self.training
        self.eval()
        with torch.enable_grad():
            current = self.input_current(window).detach().requires_grad_()  # type: ignore[union-attr]
            # A neuron's forecast depends on no other neuron's current: one backward pass gives all derivatives.
            (slope,) = torch.autograd.grad(self._decode(window, current).sum(), current)
        self.train(was_training)
        return slope[..., -1]

    def _decode(self, window: Window, current: Tensor | None) -> Tensor:
        """The shared dynamics: from what each neuron saw and received to its forecast [B, N, P]."""
        s = self.index_of(window.session)
        if current is not None and self.common_drive:  # all that a neuron receives is one input
            current = current + self.common_drive[s](window.activity)
        series = [window.activity] if self.use_activity else []
        series += [] if current is None else [current]
        behaviour = window.behaviour if self.use_behaviour else window.behaviour[..., :0]
        embedding = self.embedding(s)
        P = window.target.shape[-1]
        forecast: Tensor = self.dynamics(series, behaviour, embedding, P)
        if self.linear_path:
            forecast = forecast + self.linear_path[s](window.activity, current, behaviour, P)
        return forecast

    def _penalty(self, session: str) -> Tensor | float:
        s = self.index_of(session)
        if not self.use_connectivity or self.penalty_weight[s] == 0:
            return 0.0
        graph = self._graph(s)
        return self.penalty_weight[s] * self.penalty(graph.edge_weight() * graph.price)

    def _graph(self, s: int) -> FunctionalConnectivity:
        graph = self.functional_connectivity[s]
        assert isinstance(graph, FunctionalConnectivity)
        return graph


def lasso_price(population: Recorded) -> float:
    r"""Default :math:`\lambda` of a session: :math:`\sqrt{\log N / T} / N`."""
    N, T = len(population.neuron_id), max(population.num_bins, 1)
    return math.sqrt(math.log(max(N, 2)) / T) / N
