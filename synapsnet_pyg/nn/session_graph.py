"""Parameters of SynapsNet that belong to one session."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from synapsnet_pyg.nn.common_drive import CommonDrive
from synapsnet_pyg.nn.current_conv import dense_current
from synapsnet_pyg.nn.functional_connectivity import FunctionalConnectivity, absolute_sum
from synapsnet_pyg.nn.latent_state import LatentState
from synapsnet_pyg.nn.linear_path import LinearPath
from synapsnet_pyg.nn.modulation import Modulation
from synapsnet_pyg.nn.population_path import PopulationPath


class SessionGraph(torch.nn.Module):
    r"""Functional connectivity of one session, with modulation, common drive, linear paths and latent state.

    .. math::
        I(t) &= g^r(t) \odot A \big(g^s(t) \odot a(t)\big) && \text{input current, with gains of the modulation} \\
        H(t) &= L R\, a(t) && \text{common drive} \\
        y(t) &= \rho * a(t) + \kappa * (I + H)(t) + U * V a(t) + d * b(t) + c + D\, s(t) && \text{direct forecast}

    with :math:`*` a weighted sum over past bins, the same letters as in the parts, and one :math:`y` for each of the H
    bins ahead.

    The parts are :class:`~synapsnet_pyg.nn.functional_connectivity.FunctionalConnectivity` (A),
    :class:`~synapsnet_pyg.nn.modulation.Modulation` (:math:`g^r, g^s`),
    :class:`~synapsnet_pyg.nn.common_drive.CommonDrive` (L, R),
    :class:`~synapsnet_pyg.nn.linear_path.LinearPath` (:math:`\rho, \kappa, d, c`),
    :class:`~synapsnet_pyg.nn.population_path.PopulationPath` (U, V) and
    :class:`~synapsnet_pyg.nn.latent_state.LatentState` (D, s). A part that is left out is None.
    Losses of counts need the mean and the scale of each neuron's activity before standardisation, and likelihoods a
    dispersion of each neuron and horizon, kept here too.

    Args:
        num_neurons: Number of neurons N.
        num_behaviours: Number of behaviours K.
        window: Number of past bins W of the linear path.
        edge_index: Edges :math:`(2, E)` that may carry a weight, or None for all pairs.
        use_connectivity: Whether there is a functional connectivity; modulation and common drive need it.
        use_activity: Whether the linear path sees each neuron's own activity.
        linear_path: Whether there are a linear path and a common drive.
        screened: Whether the edges are the likeliest of all pairs, chosen from the recording.
        latents: Largest number of latent inputs of the common drive.
        components: Largest number of principal components of the population path; 0: there is none.
        state: GRU of the latent state, shared by all sessions; None: there is no latent state.
        state_dropout: Share of neurons and of states that training hides where edges explain nothing.
        dispersed: Whether the loss learns a dispersion of each neuron and horizon; else it is zero.
        horizon: Number of bins ahead H of the direct forecast.
        deconvolve: Whether the session has a decay of slow activity, which the model takes out.
        modulation: Whether behaviour scales the sending and receiving of neurons.
        self_connections: Whether a neuron may drive itself.
        initial_scale: Scale of the first weights, see
            :class:`~synapsnet_pyg.nn.functional_connectivity.FunctionalConnectivity`.
        norm: Norm of the weights, a function of the tensor of weights.
        penalty_weight: Factor :math:`\lambda` of the norm in the penalty.

    Shapes:
        - **activity:** :math:`(B, N, L)`, **behaviour:** :math:`(B, L, K)`
        - **current:** :math:`(B, N, L)`, **direct:** :math:`(B, N, P, H)`, **matrix:** :math:`(N, N)`

    Example:
        >>> graph = SessionGraph(3, num_behaviours=2, edge_index=torch.tensor([[0], [2]]))  # neuron 0 drives neuron 2
        >>> activity, behaviour = torch.ones(1, 3, 5), torch.zeros(1, 5, 2)
        >>> (graph.current(activity, behaviour) != 0).any(-1).tolist()
        [[False, False, True]]
    """

    activity_mean: Tensor
    """Mean of each neuron's activity before standardisation [N]."""
    activity_scale: Tensor
    """Deviation of each neuron's activity before standardisation [N]."""

    edge_share: Tensor
    """Share of the edges in what linear stages explain beyond each neuron's history; 1 without them."""

    held_share: Tensor
    """Share of what population and behaviour explain in the training part that holds on the validation part."""

    dispersion: Tensor
    """Number of each neuron and horizon that a likelihood learns [N, H]."""

    decay: Tensor | None
    """Share of its value that activity keeps from bin to bin; None: it is not taken out."""

    def __init__(
        self,
        num_neurons: int,
        num_behaviours: int = 0,
        window: int = 5,
        *,
        edge_index: Tensor | None = None,
        use_connectivity: bool = True,
        use_activity: bool = True,
        linear_path: bool = True,
        screened: bool = False,
        latents: int = 8,
        components: int = 0,
        state: torch.nn.GRU | None = None,
        state_dropout: float = 0.5,
        dispersed: bool = False,
        horizon: int = 1,
        deconvolve: bool = False,
        modulation: bool = False,
        self_connections: bool = False,
        initial_scale: float = 0.1,
        norm: Callable[[Tensor], Tensor] = absolute_sum,
        penalty_weight: float = 0.0,
    ) -> None:
        super().__init__()
        N, K, graph = num_neurons, num_behaviours, use_connectivity
        self.screened, self.latents, self.norm, self.penalty_weight = screened, latents, norm, penalty_weight
        self.functional_connectivity = (
            FunctionalConnectivity(N, edge_index, self_connections=self_connections, initial_scale=initial_scale)
            if graph
            else None
        )
        self.modulation = Modulation(N, K) if modulation and graph and K else None
        self.common_drive = CommonDrive(N, latents) if linear_path and graph else None
        self.linear_path = LinearPath(N, K, window, horizon, use_activity=use_activity) if linear_path else None
        population = components > 0 and linear_path and graph
        self.population_path = PopulationPath(N, components, window, horizon) if population else None
        self.latent_state = (
            LatentState(N, K, state, horizon=horizon, dropout=state_dropout) if state is not None and graph else None
        )
        self.register_buffer("decay", torch.tensor(0.0) if deconvolve else None)
        self.register_buffer("activity_mean", torch.zeros(N))
        self.register_buffer("activity_scale", torch.ones(N))
        self.register_buffer("edge_share", torch.tensor(1.0))
        self.register_buffer("held_share", torch.tensor(1.0), persistent=False)  # of the start alone
        dispersion = torch.zeros(N, horizon)
        if dispersed:
            self.dispersion = torch.nn.Parameter(dispersion)
        else:
            self.register_buffer("dispersion", dispersion)

    def current(self, activity: Tensor, behaviour: Tensor) -> Tensor | None:
        """Returns the input current of every neuron at every position [B, N, L]; None without connectivity."""
        if self.functional_connectivity is None:
            return None
        return self._modulated(self.functional_connectivity, activity, behaviour)

    def current_through(self, weights: Tensor, activity: Tensor, behaviour: Tensor) -> Tensor:
        """Returns the input current [B, N, L] through other weights than the learned ones.

        Args:
            weights: Weights :math:`(N, N)` in place of A.
            activity: Activity :math:`(B, N, L)`.
            behaviour: Behaviour :math:`(B, L, K)`.
        """
        return self._modulated(partial(dense_current, weights), activity, behaviour)

    def _modulated(self, current: Callable[[Tensor], Tensor], activity: Tensor, behaviour: Tensor) -> Tensor:
        """Returns a current of activity [B, N, L] with the gains of the modulation."""
        if self.modulation is None:
            return current(activity)
        receiving, sending = self.modulation(behaviour)
        modulated: Tensor = receiving * current(sending * activity)
        return modulated

    def received(self, activity: Tensor, current: Tensor | None) -> Tensor | None:
        """Returns the sum of input current and common drive [B, N, L]; None without connectivity."""
        if current is None or self.common_drive is None:
            return current
        return current + self.common_drive(activity)

    def direct(
        self,
        activity: Tensor,
        received: Tensor | None,
        behaviour: Tensor,
        targets: int,
        *,
        state: torch.nn.Module | None = None,
    ) -> Tensor | float:
        """Returns the forecast of linear path, population path and latent state [B, N, P, H]; zero without them.

        Args:
            activity: Activity :math:`(B, N, L)`.
            received: Input of each neuron by :meth:`received`.
            behaviour: Behaviour :math:`(B, L, K)`.
            targets: Number of positions P.
            state: GRU of the latent state; None leaves the latent state out.
        """
        total: Tensor | float = 0.0
        if self.linear_path is not None:
            total = total + self.linear_path(activity, received, behaviour, targets)
        if self.population_path is not None:
            total = total + self.population_path(activity, targets)
        if self.latent_state is not None and state is not None:
            told = 1 - self.edge_odds() if self.training else 1.0
            total = total + self.latent_state(state, activity, behaviour, targets, told=told)
        return total

    def edge_odds(self) -> Tensor:
        r"""Returns :math:`q^2 / (q^2 + (1 - q)^2)` of the share q of the edges, the factor of their learning rate.

        The rest of one multiplies what training shows the latent state, which would learn noise where edges explain
        most.
        """
        edges, rest = self.edge_share.square(), (1 - self.edge_share).square()
        return edges / (edges + rest)

    @torch.no_grad()
    def begin_training(self) -> None:
        r"""Multiplies the weights of population and behaviour by :math:`1 - (1 - h)(1 - q)`.

        h is the share of what they explain in the training part that holds on the validation part, q the share of the
        edges. Least squares fits noise of the training part too. There it leaves over less than elsewhere, and a state
        that learns from this rest would miss what the population does.
        """
        kept = 1 - (1 - self.held_share) * (1 - self.edge_share)
        if self.population_path is not None:
            self.population_path.weight.mul_(kept)
        if self.linear_path is not None and self.linear_path.behaviour is not None:
            self.linear_path.behaviour.mul_(kept)

    def gains(self, behaviour: Tensor) -> tuple[Tensor, Tensor] | None:
        """Returns the newest gains of receiving and of sending [B, N] each; None without modulation."""
        if self.modulation is None:
            return None
        receiving, sending = self.modulation(behaviour[:, -1:])
        return receiving[..., 0], sending[..., 0]

    def units(self) -> tuple[Tensor, Tensor, Tensor]:
        """Returns mean and scale of the activity [N, 1, 1] and the dispersion [N, 1, H], for losses."""
        return self.activity_mean[:, None, None], self.activity_scale[:, None, None], self.dispersion[:, None]

    def penalty(self) -> Tensor | float:
        r"""Returns :math:`\lambda \|A \odot P\|` with the penalty scales P of the edges; zero without connectivity.

        It is zero too where no gradient is recorded, because training alone adds it.
        """
        graph = self.functional_connectivity
        if graph is None or self.penalty_weight == 0 or not torch.is_grad_enabled():
            return 0.0
        return self.penalty_weight * self.norm(graph.edge_weight() * graph.penalty_scale)

    def matrix(self) -> Tensor:
        """Returns the weights A as [N, N], ``[i, j]`` from neuron j to neuron i.

        Raises:
            ValueError: The graph has no connectivity.
        """
        return self._connectivity().matrix()

    def without_edges(self, edges: Tensor) -> Tensor:
        """Returns the weights A as [N, N] with some of them set to zero.

        Args:
            edges: Mask of these edges :math:`(N, N)`, ``[i, j]`` the edge from j to i.

        Raises:
            ValueError: The graph has no connectivity, the mask has another shape, or a pair has no weight.
        """
        graph = self._connectivity()
        N, edges = graph.num_neurons, edges.to(graph.weight.device, torch.bool)
        if edges.shape != (N, N):
            raise ValueError(f"Expected a mask of edges [{N}, {N}] (got {list(edges.shape)}).")
        absent = torch.nonzero(edges & ~graph.allowed()).tolist()
        if absent:
            receiver, sender = absent[0]
            more = f" and {len(absent) - 1} more" if len(absent) > 1 else ""
            raise ValueError(
                f"Expected an edge of the model (got {sender} -> {receiver}{more}); choose a pair with a weight."
            )
        return graph.matrix().masked_fill(edges, 0.0)

    def _connectivity(self) -> FunctionalConnectivity:
        """Returns the functional connectivity; raises a ValueError if there is none."""
        if self.functional_connectivity is None:
            raise ValueError(
                "Expected a graph with functional connectivity (got one without); build it with use_connectivity=True."
            )
        return self.functional_connectivity
