"""SynapsNet: forecasts through a learned graph between neurons."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.distributions import Distribution

from synapsnet_pyg.data.innovations import decay_of, innovative_window, with_decay
from synapsnet_pyg.data.session import Session, SessionInfo
from synapsnet_pyg.data.windows import Window, every_window, mean_over_windows, spread
from synapsnet_pyg.models import synapsnet_start as start
from synapsnet_pyg.models.forecaster import Forecast, Forecaster
from synapsnet_pyg.nn.current_conv import scaled_rows
from synapsnet_pyg.nn.dynamics import Dynamics
from synapsnet_pyg.nn.evaluating import evaluating, frozen
from synapsnet_pyg.nn.functional_connectivity import absolute_sum
from synapsnet_pyg.nn.latent_state import state_gru
from synapsnet_pyg.nn.losses import DISTRIBUTIONS, poisson, squared_error
from synapsnet_pyg.nn.neuron_embedding import NeuronEmbedding
from synapsnet_pyg.nn.session_graph import SessionGraph
from synapsnet_pyg.nn.threads import threads

_MAX_WINDOWS, _MAX_SLOPES = 4096, 2**20
"""Largest numbers of windows, and of windows times neurons, from which the connectivity is computed."""


class SynapsNet(Forecaster):
    r"""SynapsNet (Delavari, Oruc and Murphy, section 2.2).

    .. math::
        I_i(t) &= \sum_j A_{ij}\, a_j(t) \\
        \hat a_i(t + 1) &= f\big(a_i(t-W+1{:}t),\ I_i(t-W+1{:}t),\ b(t-W+1{:}t),\ E_i\big) \\
        \mathcal{L} &= \mathrm{MSE}(\hat a, a) + \lambda \|A\|

    Each session has its own connectivity :math:`A`, kept with the other parameters of the session in a
    :class:`~synapsnet_pyg.nn.session_graph.SessionGraph`. Each neuron has one embedding :math:`E_i` in all sessions
    in which it was recorded. All neurons of all sessions share the dynamics :math:`f`.

    Beyond the paper:

    - Linear forecasts stand beside the dynamics, which then forecasts the nonlinear rest,

      .. math::
          \hat a_i(t + 1) = \sum_{l=0}^{W-1} \big( \rho_{il}\, a_i + \kappa_l (I_i + H_i) \big)(t - l)
          + U_i * V a + d_i * b + c_i + D_i \cdot s(t) + f(a_i, I_i + H_i, b, E_i)

      Their weights and A are solved by ridge regression before training
      (:func:`~synapsnet_pyg.models.synapsnet_start.start_from_least_squares`): each neuron's history, the graph, then
      principal components of the population and behaviour at several lags. A recording that is too short for the
      dynamics is then forecast as well as by a linear model, and the input current has the scale of an effect.
    - A latent state :math:`s` of the population (:class:`~synapsnet_pyg.nn.latent_state.LatentState`), recurrent and of
      few dimensions, is read from and heard by all neurons: the common drive with memory. It is no connectivity.
    - The H bins ahead can be forecast directly (``horizon``), with a read-out and linear weights for each.
    - A common drive :math:`H = L R\, a` of a few latent inputs to all neurons
      (:class:`~synapsnet_pyg.nn.common_drive.CommonDrive`) explains effects of an unseen stimulus, arousal or area on
      many neurons at once. Without it they would look like connectivity between all of these neurons. Empirical Bayes
      estimates the number of latents and the probability of each edge at the start
      (:func:`~synapsnet_pyg.regression.sparse_low_rank.sparse_low_rank`).
    - Slow activity, such as that of a calcium indicator, can be freed of its decay inside the model
      (``deconvolve=True``). With :math:`\gamma` the share that activity keeps from bin to bin
      (:func:`~synapsnet_pyg.data.innovations.decay_of`), all parts see :math:`a(t) - \gamma\, a(t - 1)`, and
      :math:`\gamma\, a(t)` is added to their forecast. A spike then counts once, not as long as its trace lasts.
    - The penalty of a weight is multiplied by the probability that there is no edge (an adaptive lasso, Zou 2006).

    ``linear_path=False`` is the paper's model, without latent state; ``latents=0`` leaves the common drive and the
    adaptive penalty out, ``components=0`` the population path, ``state_size=0`` the latent state.

    Args:
        sessions: Sessions to be known by the model, or their :class:`~synapsnet_pyg.data.session.SessionInfo`.
        window: Number of past bins W.
        horizon: Number of bins ahead H that are forecast directly.
        embedding_dim: Size of the embeddings D.
        hidden_size: Size of the hidden state of the dynamics.
        num_layers: Number of layers of the dynamics.
        dynamics: Class of the dynamics, of :data:`synapsnet_pyg.nn.dynamics.DYNAMICS` (Table 3).
        dropout: Share of hidden units set to zero in training, see :class:`~synapsnet_pyg.nn.dynamics.Dynamics`.
        penalty: Norm of the weights, a function; see :mod:`synapsnet_pyg.nn.functional_connectivity`. The paper writes
            :math:`\|A\|_2`; the sum of absolute values recovers known connectivity better and is the default.
        penalty_weight: Factor :math:`\lambda` of the penalty, not given in the paper; 0 switches it off. None:
            :func:`~synapsnet_pyg.models.synapsnet_start.default_penalty_weight` of each session.
        loss: Error of the forecast, of :data:`synapsnet_pyg.nn.losses.LOSSES`; likelihoods give a :meth:`distribution`.
        self_connections: Whether :math:`A_{ii}` is learned too.
        initial_scale: Scale of the first weights, see
            :class:`~synapsnet_pyg.nn.functional_connectivity.FunctionalConnectivity`.
        linear_path: Whether linear forecasts, common drive and latent state stand beside it.
        components: Largest number of principal components of the population path. 0: none.
        state_size: Number of dimensions of the latent state. 0: none.
        state_dropout: Share of neurons and states that training hides where edges explain nothing; None:
            :func:`~synapsnet_pyg.models.synapsnet_start.default_state_dropout`.
        latents: Largest number of latents in the common drive. 0: none, with equal penalties for all weights.
        deconvolve: Whether the decay of slow activity is taken out, estimated before training. The model then sees
            one bin more, from which the first innovation follows; the input current has one position less.
        modulation: Whether behaviour scales the sending and receiving of each neuron, so that the connectivity
            changes with it (:class:`~synapsnet_pyg.nn.modulation.Modulation`).
        connectivity: Graph of a session: of all pairs (dense), or of candidates with the largest lagged covariance
            (:func:`~synapsnet_pyg.regression.candidate_edges.candidate_edges`) without (sparse) or with a common drive
            (low-rank+sparse). auto: dense for at most 2,500 neurons, else low-rank+sparse.
        senders: Number of candidates of each receiver.
        edge_index: Session name -> edges :math:`(2, E)` that may carry a weight, in place of ``connectivity``.
        use_embedding: Whether the dynamics sees the embedding (Table 2, as the next three).
        use_activity: Whether the model sees each neuron's own activity.
        use_connectivity: Whether neurons see each other.
        use_behaviour: Whether the model sees the behaviour.

    Shapes:
        - **window:** activity :math:`(B, N, L)`, behaviour :math:`(B, L, K)`, target :math:`(B, N, P)`
        - **output:** activity :math:`(B, N, P)`, current :math:`(B, N, L)`, future :math:`(B, N, P, H)` if H > 1

    Example:
        >>> session = Session(torch.randn(3, 50), bin_size=0.1, name="demo")
        >>> model = SynapsNet([session])
        >>> model(every_window(session, window=5).gather(torch.arange(8))).activity.shape
        torch.Size([8, 3, 1])
    """

    shared = ("dynamics", "state")
    per_session = ("graphs",)
    earlier: ClassVar[Mapping[str, Any]] = {"components": 0, "state_size": 0}
    renamed: ClassVar[Mapping[str, str]] = {
        r"^functional_connectivity\.(\d+)\.unit$": r"graphs.\1.functional_connectivity.scale",
        r"^functional_connectivity\.(\d+)\.price$": r"graphs.\1.functional_connectivity.penalty_scale",
        r"^common_drive\.(\d+)\.load$": r"graphs.\1.common_drive.receivers",
        r"^common_drive\.(\d+)\.read$": r"graphs.\1.common_drive.senders",
        r"^(functional_connectivity|linear_path|modulation)\.(\d+)\.": r"graphs.\2.\1.",
        r"^(activity_mean|activity_scale)_(\d+)$": r"graphs.\2.\1",
    }

    def __init__(
        self,
        sessions: Iterable[Session | SessionInfo],
        window: int = 5,
        *,
        horizon: int = 1,
        embedding_dim: int = 32,
        hidden_size: int = 40,
        num_layers: int = 1,
        dynamics: Callable[..., torch.nn.Module] = torch.nn.GRU,
        dropout: float = 0.1,
        penalty: Callable[[Tensor], Tensor] = absolute_sum,
        penalty_weight: float | None = None,
        loss: Callable[..., Tensor] = squared_error,
        self_connections: bool = False,
        initial_scale: float = 0.1,
        linear_path: bool = True,
        latents: int = 8,
        components: int = 32,
        state_size: int = 128,
        state_dropout: float | None = None,
        deconvolve: bool = False,
        modulation: bool = False,
        connectivity: str = "auto",
        senders: int = 300,
        edge_index: Mapping[str, Tensor] | None = None,
        use_embedding: bool = True,
        use_activity: bool = True,
        use_connectivity: bool = True,
        use_behaviour: bool = True,
    ) -> None:
        super().__init__(sessions := list(sessions), window + deconvolve, horizon)
        self.error, self.linear_path, self.use_activity = loss, linear_path, use_activity
        self.use_connectivity, self.use_behaviour = use_connectivity, use_behaviour
        known = list(self.sessions.values())
        given, behaviours = edge_index or {}, self.num_behaviours if use_behaviour else 0
        kind = connectivity if use_connectivity else "dense"
        edges = start.chosen_edges(sessions, kind, given=given, senders=senders)
        self.arguments["edge_index"] = edges or None  # a saved model keeps its candidates
        self.state = state_gru(state_size) if state_size and linear_path and use_connectivity else None
        self.graphs = torch.nn.ModuleList(
            SessionGraph(
                len(info.neuron_id),
                behaviours,
                window,
                edge_index=edges.get(info.name),
                screened=info.name in edges.keys() - given.keys(),
                use_connectivity=use_connectivity,
                use_activity=use_activity,
                linear_path=linear_path,
                latents=0 if connectivity == "sparse" else latents,
                components=components,
                state=self.state,
                state_dropout=start.default_state_dropout(info) if state_dropout is None else state_dropout,
                dispersed=loss not in (squared_error, poisson),
                horizon=horizon,
                deconvolve=deconvolve,
                modulation=modulation,
                self_connections=self_connections,
                initial_scale=initial_scale,
                norm=penalty,
                penalty_weight=start.default_penalty_weight(info) if penalty_weight is None else penalty_weight,
            )
            for info in known
        )
        self.embedding = NeuronEmbedding([info.neuron_id for info in known], embedding_dim if use_embedding else 0)
        self.dynamics = Dynamics(
            num_series=int(use_activity) + int(use_connectivity),
            num_behaviours=behaviours,
            embedding_dim=self.embedding.weight.shape[1],
            hidden_size=hidden_size,
            num_layers=num_layers,
            sequence=dynamics,
            dropout=dropout,
            horizon=horizon,
        )

    @torch.no_grad()
    def initialise(self, train: Mapping[str, Session], validation: Mapping[str, Session]) -> bool:
        """Starts linear forecasts, graph and common drive from least squares; returns False without a linear path."""
        graphs = {name: self.graph(name) for name in train}
        for name, graph in graphs.items():
            if "activity_scale" in train[name]:
                graph.activity_mean.copy_(train[name].activity_mean)
                graph.activity_scale.copy_(train[name].activity_scale)
            if graph.decay is not None:
                graph.decay.fill_(decay_of(train[name]))
        if not self.linear_path:
            return False
        start.start_from_least_squares(graphs, train, validation, self.arguments["window"], self.horizon)
        if self.dynamics.readout.weight.requires_grad:  # else it is frozen, adopted from a fitted model
            self.dynamics.readout.weight.mul_(0.1)
            self.dynamics.readout.bias.zero_()
        return True

    def begin_training(self) -> None:
        """Keeps of the linear forecasts from the population what holds outside the training part."""
        for graph in map(self.graph, self.sessions):
            graph.begin_training()

    def learning_rates(self) -> dict[str, float]:
        """Returns a factor of each session's graph: where edges explain little, gradient steps would fit noise."""
        parts = r"(functional_connectivity|common_drive|linear_path)\."
        return {rf"graphs\.{g}\.{parts}": float(self.graph(name).edge_odds()) for g, name in enumerate(self.sessions)}

    def forward(self, window: Window) -> Forecast:
        """Forecasts the H bins after each of the window's last P positions."""
        current = self.input_current(window)
        return self._result(self._decode(window, current), current, window)

    def _result(self, future: Tensor, current: Tensor | None, window: Window) -> Forecast:
        """Returns a forecast [B, N, P, H] as the result of a call."""
        penalty = self.graph(window.session).penalty()
        return Forecast(future[..., 0], current, penalty, future if self.horizon > 1 else None)

    def loss(self, forecast: Forecast, window: Window) -> Tensor:
        """Returns the chosen error of the forecast plus the penalty."""
        future = forecast.activity[..., None] if forecast.future is None else forecast.future
        return self.error(future, window.ahead, *self.graph(window.session).units()) + forecast.penalty

    def distribution(self, forecast: Tensor, session: str) -> Distribution | None:
        """Returns the distribution of the bins ahead in the units of the recording; None if the loss is no likelihood.

        Args:
            forecast: Forecast :math:`(B, N, P, H)`, standardised.
            session: Name of the session.
        """
        likelihood = DISTRIBUTIONS.get(self.error)
        return None if likelihood is None else likelihood(forecast, *self.graph(session).units())

    def graph(self, session: str) -> SessionGraph:
        """Returns the parameters of one session.

        Raises:
            KeyError: The model does not know the session.
        """
        graph = self.graphs[self.index_of(session)]
        assert isinstance(graph, SessionGraph)
        return graph

    def input_current(self, window: Window) -> Tensor | None:
        """Returns the input current of each neuron at every position [B, N, L]; None without connectivity."""
        graph = self.graph(window.session)
        seen = innovative_window(window, graph.decay)
        return graph.current(seen.activity, seen.behaviour)

    def raw_connectivity(self, session: Session | str) -> Tensor:
        """Returns the parameter A [N, N]. Its sign and scale have no meaning alone; see :meth:`connectivity`.

        Raises an error as that method does, and a ValueError if the model has no connectivity.
        """
        return self.graph(session if isinstance(session, str) else session.name).matrix()

    @torch.no_grad()
    def connectivity(self, session: Session) -> Tensor:
        r"""Returns the functional connectivity :math:`(N, N)`: ``[i, j]`` is the effect of neuron j on neuron i.

        .. math::
            C = \mathrm{diag}(g)\, A, \qquad
            g_i = \Big\langle \frac{\partial \hat a_i(t+1)}{\partial I_i(t)} \Big\rangle

        The loss determines neither sign nor scale of A, since the dynamics can undo both. The product of A with the
        mean gain :math:`g` over the windows of ``session`` does not depend on them. Along given or screened edges of
        more than 2,500 neurons the matrix is sparse (``torch.sparse_coo``).

        Args:
            session: Training part, standardised as in training.

        Raises:
            ValueError: No segment is longer than the window.
            KeyError: The model does not know the session.
        """
        if not self.use_connectivity:
            return super().connectivity(session)
        raw = self.raw_connectivity(session)
        if self.graph(session.name).modulation is None:
            return scaled_rows(raw, self.gain(session))
        # Gains of both ends multiply each weight, so that their mean over windows is one matrix product.
        scale, count = torch.zeros_like(raw), 0
        for window in spread(every_window(session, self.window), _MAX_WINDOWS):
            receiving, sending = self._gains(window)
            scale, count = scale + receiving.t() @ sending, count + len(sending)
        return scale / count * raw

    @torch.no_grad()
    def connectivity_at(self, window: Window) -> Tensor:
        r"""Returns the functional connectivity in each window :math:`(B, N, N)`: A times the gains of the window.

        The mean over windows is :meth:`connectivity`. With modulation the gain of each sender changes too.
        """
        if not self.use_connectivity:
            return super().connectivity_at(window)
        receiving, sending = self._gains(window)
        return receiving[:, :, None] * self.raw_connectivity(window.session) * sending[:, None]

    @threads()
    def gain(self, session: Session, *, max_windows: int | None = None) -> Tensor:
        r"""Returns the mean derivative :math:`g` (N) of each neuron's forecast by its own newest input current.

        Args:
            session: Training part, standardised as in training, with a segment longer than the window.
            max_windows: Largest number of windows; more are thinned out evenly. None: fewer for a large population.
        """
        most = max_windows or min(_MAX_WINDOWS, _MAX_SLOPES // session.num_neurons)
        return mean_over_windows([self._slope(window) for window in spread(every_window(session, self.window), most)])

    def without_edges(
        self, session: str, edges: Tensor, *, silent: Tensor | None = None
    ) -> Callable[[Window], Forecast]:
        """Returns a copy of the model without some edges of the connectivity; the common drive stays.

        Args:
            session: Name of the session.
            edges: Mask of these edges :math:`(N, N)`, ``[i, j]`` the edge from j to i.
            silent: Activity of each neuron :math:`(N)` that removed edges send all the time. None: zero, the mean.

        Raises:
            KeyError: The model does not know the session.
            ValueError: The model has no connectivity, the mask has another shape, or a pair has no weight.
        """
        if not self.use_connectivity:
            return super().without_edges(session, edges, silent=silent)
        graph = self.graph(session)
        kept = graph.without_edges(edges)
        removed = None if silent is None else graph.matrix() - kept

        def changed(window: Window) -> Forecast:
            """Forecasts without the edges."""
            seen = innovative_window(window, graph.decay)
            current = graph.current_through(kept, seen.activity, seen.behaviour)
            if removed is not None and silent is not None:
                sent = innovative_window(
                    window._replace(activity=silent[:, None].expand_as(window.activity)), graph.decay
                )
                current = current + graph.current_through(removed, sent.activity, sent.behaviour)
            return self._result(self._decode(window, current), current, window)

        return changed

    def _gains(self, window: Window) -> tuple[Tensor, Tensor]:
        """Returns the factors of each receiver's row and each sender's column of A in each window, [B, N] each."""
        slope, gains = self._slope(window), self.graph(window.session).gains(window.behaviour)
        return (slope, torch.ones_like(slope)) if gains is None else (slope * gains[0], gains[1])

    def _slope(self, window: Window) -> Tensor:
        """Returns the derivative of each neuron's forecast by its own newest input current, [B, N]."""
        with evaluating(self), frozen(self), torch.enable_grad():
            with torch.inference_mode():  # which keeps the weights of all pairs from one call to the next
                current = self.input_current(window)
            assert current is not None
            current = current.clone().requires_grad_()
            # A neuron's forecast depends on no other neuron's current: one backward pass gives all derivatives.
            (slope,) = torch.autograd.grad(self._decode(window, current)[..., 0].sum(), current)
        return slope[..., -1]

    def _decode(self, window: Window, current: Tensor | None) -> Tensor:
        """Forecasts each neuron [B, N, P, H] by dynamics, linear paths and latent state."""
        graph, embedding = self.graph(window.session), self.embedding(self.index_of(window.session))
        seen, P = innovative_window(window, graph.decay), window.target.shape[-1]
        received = graph.received(seen.activity, current)
        series = [seen.activity] if self.use_activity else []
        series += [] if received is None else [received]
        behaviour = seen.behaviour if self.use_behaviour else seen.behaviour[..., :0]
        future: Tensor = self.dynamics(series, behaviour, embedding, P)
        future = future + graph.direct(seen.activity, received, behaviour, P, state=self.state)
        return with_decay(future, window, graph.decay)

    @classmethod
    def upgrade(cls, state: Mapping[str, object]) -> dict[str, object]:
        """Returns saved parameters under the names and in the form of this version."""
        return start.upgraded_linear_path(super().upgrade(state))
