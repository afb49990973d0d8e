"""NeuPRINT: forecasts from each neuron's own past and statistics of the population, without a graph."""

from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor

from synapsnet_pyg.data.session import Session, SessionInfo
from synapsnet_pyg.data.windows import Window
from synapsnet_pyg.models.forecaster import Forecast, Forecaster
from synapsnet_pyg.nn.dynamics import Dynamics
from synapsnet_pyg.nn.neuron_embedding import NeuronEmbedding


class NeuPRINT(Forecaster):
    r"""NeuPRINT (Mi et al. 2023, "Learning time-invariant representations for individual neurons").

    .. math::
        \hat a_i(t + 1) = f\big(a_i(t), z_i, s(t), n_i(t), \ldots\big), \qquad
        s(t) = \big[b(t),\ \mathrm{mean}_j\, a_j(t),\ \mathrm{std}_j\, a_j(t)\big]

    Each neuron has a time-invariant embedding :math:`z_i`; all neurons share the dynamics f. The inputs of a neuron
    from the others are mean and standard deviation of the whole population and, on request, of the neighbours
    :math:`n_i`. There are no weights between pairs of neurons.

    The public code differs: f sees the statistics of the bin that it predicts, the last neuron is masked in place of
    the last bin, and activity is standardised with the whole recording. Here f sees the past only, every bin is a
    target, and mean and scale come from the training part. The architecture behind SynapsNet's Table 1 is not
    published; the default is a GRU of SynapsNet's size.

    Args:
        sessions: Sessions to be known by the model, or their :class:`~synapsnet_pyg.data.session.SessionInfo`.
        window: Number of past bins W.
        embedding_dim: Size of the embeddings z.
        hidden_size: Size of the hidden state of the dynamics.
        num_layers: Number of layers of the dynamics.
        dynamics: Class of the dynamics: :class:`torch.nn.GRU` or
            :class:`~synapsnet_pyg.nn.transformer.Transformer`, the two of the paper, or another.
        dropout: Share of hidden units set to zero in training, see :class:`~synapsnet_pyg.nn.dynamics.Dynamics`.
        population_statistics: Whether f sees the population's mean and standard deviation.
        neighbour_radius: Distance within which neurons are neighbours, in the units of the sessions' positions (65
            micrometres in the paper). None: no neighbours.
        use_behaviour: Whether f sees the behaviour.

    Shapes:
        - **window:** activity :math:`(B, N, L)`, behaviour :math:`(B, L, K)`, target :math:`(B, N, P)`
        - **output:** activity :math:`(B, N, P)`
    """

    shared = ("dynamics",)

    def __init__(
        self,
        sessions: Iterable[Session | SessionInfo],
        window: int = 5,
        *,
        embedding_dim: int = 32,
        hidden_size: int = 40,
        num_layers: int = 1,
        dynamics: Callable[..., torch.nn.Module] = torch.nn.GRU,
        dropout: float = 0.1,
        population_statistics: bool = True,
        neighbour_radius: float | None = None,
        use_behaviour: bool = True,
    ) -> None:
        super().__init__(sessions, window)
        self.population_statistics, self.use_behaviour = population_statistics, use_behaviour
        self.neighbour_radius = neighbour_radius
        ids = [info.neuron_id for info in self.sessions.values()]
        self.embedding = NeuronEmbedding(ids, embedding_dim)
        if neighbour_radius is not None:
            for s, neurons in enumerate(ids):
                self.register_buffer(f"neighbours_{s}", torch.zeros(len(neurons), len(neurons)))
        self.dynamics = Dynamics(
            num_series=1 if neighbour_radius is None else 3,
            num_behaviours=self.num_behaviours * use_behaviour + 2 * population_statistics,
            embedding_dim=embedding_dim,
            hidden_size=hidden_size,
            num_layers=num_layers,
            sequence=dynamics,
            dropout=dropout,
        )

    def initialise(self, train: Mapping[str, Session], validation: Mapping[str, Session]) -> bool:
        """Finds the neighbours of each neuron, if there is a radius; returns False, since training must follow.

        Raises:
            ValueError: A session has no positions of its neurons.
        """
        if self.neighbour_radius is not None:
            for s, name in enumerate(self.sessions):
                position = train[name].neuron_fields.get("position")
                if not isinstance(position, Tensor):
                    raise ValueError(
                        f"Expected positions of the neurons of session '{name}' (got none); leave out neighbour_radius."
                    )
                near = (torch.cdist(position, position) <= self.neighbour_radius).to(train[name].activity)
                near.fill_diagonal_(0)
                setattr(self, f"neighbours_{s}", near / near.sum(1, keepdim=True).clamp_min(1))
        return False

    def forward(self, window: Window) -> Forecast:
        """Forecasts the bin after each of the window's last P positions."""
        s, activity = self.index_of(window.session), window.activity
        shared = [window.behaviour] if self.use_behaviour else [window.behaviour[..., :0]]
        if self.population_statistics:
            shared += [activity.mean(1)[..., None], activity.std(1, correction=0)[..., None]]
        series = [activity]
        if self.neighbour_radius is not None:
            near = self.get_buffer(f"neighbours_{s}")
            mean = near @ activity
            series += [mean, (near @ activity.square() - mean.square()).clamp_min(0).sqrt()]
        targets = window.target.shape[-1]
        return Forecast(self.dynamics(series, torch.cat(shared, -1), self.embedding(s), targets)[..., 0])
