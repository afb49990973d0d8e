"""ERA's network: features of a neuron's context, its embedding and a learned state of the population."""

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from synapsnet_pyg.data.session import Session, SessionInfo
from synapsnet_pyg.data.windows import Window, contexts
from synapsnet_pyg.models.forecaster import Forecast, Forecaster
from synapsnet_pyg.nn.neuron_embedding import NeuronEmbedding


class ERAMLP(Forecaster):
    r"""Network that ERA found for ZAPBench (Aygün et al. 2025, "An AI system to help scientists write expert-level
    empirical software"; its program for a context of 4 bins).

    .. math::
        g &= \tfrac{1}{C} \textstyle\sum_s \mathrm{relu}\big(W_g\, a(s) + c_g\big) && \text{state of the population} \\
        u_i &= \big[\mathrm{relu}(W_c\, x_i + c_c),\ \text{statistics of } x_i,\ x_i(s + 1) - x_i(s),\ g,\ e_i\big] \\
        h_i &= \mathrm{relu}\big(W_u\, \mathrm{Norm}(u_i)\big), \qquad
        h_i \leftarrow \mathrm{relu}\big(h_i + \mathrm{Norm}(W h_i)\big) \text{ in each block} \\
        \hat a_i(t + 1), \ldots, \hat a_i(t + H) &= W_o\, h_i + c_o

    with the context :math:`x_i = [a_i(t - C + 1), \ldots, a_i(t)]`; statistics are mean, deviation, minimum, maximum,
    newest and oldest value, median and range, Norm is a batch norm, and e an embedding of the neuron. (The program's
    convolution has the context as its kernel, which is a linear map :math:`W_c`.) All neurons and sessions share the
    network; the map :math:`W_g` from N neurons belongs to a session. The loss is the mean absolute error, as in the
    program.

    The program ends in a softplus, as ZAPBench's traces are hardly negative. Activity is standardised here, and a
    softplus could forecast nothing below a neuron's mean. ``positive`` therefore puts the softplus in units of the data
    in place of the last line: :math:`\hat a_i = \mathrm{softplus}(W_o h_i + c_o) - \mu_i / \sigma_i` with the neuron's
    mean and deviation before standardisation, so that the forecast is not negative there. The default is False, since
    fluorescence changes and z-scored recordings do have negative values.

    Args:
        sessions: Sessions to be known by the model, or their :class:`~synapsnet_pyg.data.session.SessionInfo`.
        window: Number of past bins C.
        horizon: Number of bins H that are forecast directly.
        context_size: Number of units :math:`W_c` that read the context.
        embedding_dim: Size of the embeddings e.
        state_size: Size of the state g.
        hidden_size: Number of units of a block.
        num_blocks: Number of blocks.
        input_dropout: Share of the normalised features u set to zero.
        dropout: Share of the units set to zero in a block.
        positive: Whether activity is never negative before standardisation, such as counts, and forecasts neither.

    Shapes:
        - **window:** activity :math:`(B, N, L)`, behaviour (unused), target :math:`(B, N, P)`
        - **output:** future :math:`(B, N, P, H)`
    """

    shared = ("context", "norm", "enter", "blocks", "readout")

    def __init__(
        self,
        sessions: Iterable[Session | SessionInfo],
        window: int = 5,
        horizon: int = 1,
        *,
        context_size: int = 64,
        embedding_dim: int = 96,
        state_size: int = 96,
        hidden_size: int = 256,
        num_blocks: int = 4,
        input_dropout: float = 0.2,
        dropout: float = 0.3,
        positive: bool = False,
    ) -> None:
        super().__init__(sessions, window, horizon)
        ids = [info.neuron_id for info in self.sessions.values()]
        self.positive = positive
        self.embedding = NeuronEmbedding(ids, embedding_dim, initial_scale=0.05)
        self.state = torch.nn.ModuleList(torch.nn.Linear(len(neurons), state_size) for neurons in ids)
        self.context = torch.nn.Linear(window, context_size)
        inputs = context_size + 8 + window - 1 + state_size + embedding_dim
        self.norm = BatchNorm(inputs)
        self.dropout = torch.nn.Dropout(input_dropout)
        self.enter = torch.nn.Linear(inputs, hidden_size)
        self.blocks = torch.nn.Sequential(*(NormedResidual(hidden_size, dropout) for _ in range(num_blocks)))
        self.readout = torch.nn.Linear(hidden_size, horizon)
        for s, neurons in enumerate(ids):
            self.register_buffer(f"level_{s}", torch.zeros(len(neurons)))

    def initialise(self, train: Mapping[str, Session], validation: Mapping[str, Session]) -> bool:
        """Keeps the ratio of each neuron's mean and deviation before standardisation; returns False."""
        for s, name in enumerate(self.sessions):
            if "activity_scale" in train[name]:
                self.get_buffer(f"level_{s}").copy_(train[name].activity_mean / train[name].activity_scale)
        return False

    def forward(self, window: Window) -> Forecast:
        """Forecasts the H bins after each of the window's last P positions."""
        s, past = self.index_of(window.session), contexts(window, self.window).transpose(1, 2)  # [B, P, N, C]
        features = self.features(past, s)
        rows = self.dropout(self.norm(features.flatten(0, 2)))
        future = self.readout(self.blocks(self.enter(rows).relu())).unflatten(0, past.shape[:3])
        if self.positive:
            future = torch.nn.functional.softplus(future) - self.get_buffer(f"level_{s}")[:, None]
        return Forecast.direct(future.transpose(1, 2))

    def features(self, past: Tensor, session: int) -> Tensor:
        """Returns the features u of every neuron at every position [B, P, N, features].

        Args:
            past: Contexts :math:`(B, P, N, C)`.
            session: Index of the session.
        """
        ordered = past.sort(dim=-1).values
        low, high, C = ordered[..., 0], ordered[..., -1], past.shape[-1]
        variance, mean = torch.var_mean(past, dim=-1, correction=0)
        deviation = (variance + 1e-12).sqrt()  # has a derivative where nothing varies
        median = (ordered[..., (C - 1) // 2] + ordered[..., C // 2]) / 2
        summary = torch.stack([mean, deviation, low, high, past[..., -1], past[..., 0], median, high - low], dim=-1)
        state = self.state[session](past.transpose(-1, -2)).relu().mean(-2, keepdim=True)  # [B, P, 1, state]
        shape = past.shape[:3]
        embedding = self.embedding(session).expand(*shape, -1)
        parts = [self.context(past).relu(), summary, past.diff(dim=-1), state.expand(*shape, -1), embedding]
        return torch.cat(parts, dim=-1)

    def loss(self, forecast: Forecast, window: Window) -> Tensor:
        """Returns the mean absolute error over all H bins."""
        assert forecast.future is not None
        return torch.nn.functional.l1_loss(forecast.future, window.ahead)


class NormedResidual(torch.nn.Module):
    r"""Residual block :math:`\mathrm{relu}(h + \mathrm{dropout}(\mathrm{Norm}(W h)))` with a batch norm.

    Args:
        size: Number of units.
        dropout: Share of the units set to zero.

    Shapes:
        - **input and output:** :math:`(R, \text{size})`
    """

    def __init__(self, size: int, dropout: float) -> None:
        super().__init__()
        self.linear, self.norm = torch.nn.Linear(size, size, bias=False), BatchNorm(size)
        self.dropout = torch.nn.Dropout(dropout)

    def forward(self, hidden: Tensor) -> Tensor:
        """Returns the next hidden units."""
        output: Tensor = hidden + self.dropout(self.norm(self.linear(hidden)))
        return output.relu()


class BatchNorm(torch.nn.BatchNorm1d):
    """Batch norm that takes the running statistics for a batch of one row, which has no deviation."""

    def forward(self, rows: Tensor) -> Tensor:
        """Returns the normalised rows."""
        if len(rows) > 1:
            return super().forward(rows)
        return torch.nn.functional.batch_norm(
            rows, self.running_mean, self.running_var, weight=self.weight, bias=self.bias, eps=self.eps
        )
