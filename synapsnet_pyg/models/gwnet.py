"""Graph WaveNet on the graph of one session."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from synapsnet_pyg.data.session import Session, SessionInfo
from synapsnet_pyg.data.windows import Window
from synapsnet_pyg.models.forecaster import Forecast, Forecaster
from synapsnet_pyg.nn.graph_wavenet import GraphWaveNet


class GWNet(Forecaster):
    r"""Graph WaveNet (Wu et al. 2019) with the sizes of SynapsNet's Appendix A.2.

    Every neuron is a node with its activity and the behaviour as channels. Gated dilated convolutions run along time,
    diffusion convolutions of order 2 along a graph that is learned from two embeddings of each neuron, and along given
    graphs on request. See :class:`~synapsnet_pyg.nn.graph_wavenet.GraphWaveNet` for the equations. The normalisation
    runs over batch, neuron and time, so that each session needs its own model.

    With one layer in each of 4 blocks and a kernel of 2 the receptive field is 5 bins, the paper's window. A shorter
    window is padded with zeros before its first bin; the oldest bins of a longer window are unused.

    Args:
        sessions: One session, or its :class:`~synapsnet_pyg.data.session.SessionInfo`.
        window: Number of past bins W.
        residual_channels: Number of channels between the layers.
        dilation_channels: Number of channels of the gated convolutions.
        skip_channels: Number of channels of the skip connections.
        end_channels: Number of channels before the output.
        blocks: Number of blocks.
        layers: Number of layers in each block.
        kernel_size: Number of bins of a convolution.
        dropout: Share of units set to zero after each graph convolution; 0.1 "in all networks" (SynapsNet, Appendix
            A.1), 0.3 in the original.
        edge_index: Session name -> given graph :math:`(2, E)`, along which features diffuse forward and backward.

    Shapes:
        - **window:** activity :math:`(B, N, L)`, behaviour :math:`(B, L, K)`, target :math:`(B, N, P)`
        - **output:** activity :math:`(B, N, P)`
    """

    one_session = True

    def __init__(
        self,
        sessions: Iterable[Session | SessionInfo],
        window: int = 5,
        *,
        residual_channels: int = 32,
        dilation_channels: int = 32,
        skip_channels: int = 128,
        end_channels: int = 256,
        blocks: int = 4,
        layers: int = 1,
        kernel_size: int = 2,
        dropout: float = 0.1,
        edge_index: Mapping[str, Tensor] | None = None,
    ) -> None:
        super().__init__(sessions, window)
        (info,) = self.sessions.values()
        N = len(info.neuron_id)
        edges = (edge_index or {}).get(info.name)
        supports = torch.zeros(0, N, N) if edges is None else transitions(edges, N)
        self.register_buffer("supports", supports, persistent=False)
        self.network = GraphWaveNet(
            N,
            1 + self.num_behaviours,
            residual=residual_channels,
            dilated=dilation_channels,
            skip=skip_channels,
            end=end_channels,
            blocks=blocks,
            layers=layers,
            kernel=kernel_size,
            dropout=dropout,
            num_supports=len(supports),
            start_from=supports[0] if len(supports) else None,
        )

    def forward(self, window: Window) -> Forecast:
        """Forecasts the bin after each of the window's last P positions."""
        P = window.target.shape[-1]
        inputs = channels(window, self.network.receptive_field + P - 1)
        output = self.network(inputs, list(self.get_buffer("supports")), steps=P)
        return Forecast(output[..., 0].permute(2, 1, 0))

    @torch.no_grad()
    def adjacency(self) -> Tensor:
        """Returns the adaptive adjacency as [receiver, sender].

        All entries are positive, each sender's weights sum to one, and several orders and layers mix along the graph.
        It shows possible paths of information; :meth:`connectivity` is the effect on the next bin.
        """
        return self.network.adaptive().t()


def channels(window: Window, steps: int) -> Tensor:
    """Returns activity and behaviour of the newest steps, with zeros before the first bin [steps, N, B, 1 + K]."""
    activity, behaviour = window.activity[..., -steps:], window.behaviour[:, -steps:]
    (B, N, L), K = activity.shape, behaviour.shape[-1]
    shared = behaviour.transpose(0, 1)[:, None].expand(L, N, B, K)
    inputs = torch.cat([activity.permute(2, 1, 0)[..., None], shared], dim=-1)
    return torch.cat([inputs.new_zeros(steps - L, N, B, 1 + K), inputs]) if steps > L else inputs


def transitions(edge_index: Tensor, num_neurons: int) -> Tensor:
    """Returns forward and backward transition matrices [2, N, N]; rows are senders, with sum one or zero."""
    graph = torch.zeros(num_neurons, num_neurons)
    graph[edge_index[0], edge_index[1]] = 1
    both = torch.stack([graph, graph.t()])
    return both / both.sum(-1, keepdim=True).clamp_min(1)
