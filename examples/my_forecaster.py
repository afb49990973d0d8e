"""A model of your own, compared with all others. Run in the folder of this file:

synapsnet fit session.h5 --model my_forecaster.ReducedRank --model-args.rank 3 --preset fast --out run
synapsnet benchmark forecasting session.h5 --models synapsnet,my_forecaster.ReducedRank --preset fast --out compared
"""

import torch

from synapsnet_pyg import Forecast, Forecaster


class ReducedRank(Forecaster):
    """Reduced-rank regression x(t + 1) = U V x(t), with U [N, rank] and V [rank, N] for each session."""

    def __init__(self, sessions, window=1, rank=5):
        super().__init__(sessions, window)
        sizes = [len(session.neuron_id) for session in self.sessions.values()]
        self.U = torch.nn.ParameterList(0.1 * torch.randn(N, rank) for N in sizes)
        self.V = torch.nn.ParameterList(torch.randn(rank, N) / N**0.5 for N in sizes)

    def forward(self, window):
        s, P = self.index_of(window.session), window.target.shape[-1]  # P bins to forecast
        return Forecast(self.U[s] @ (self.V[s] @ window.activity[..., -P:]))

    def connectivity(self, session):
        s = self.index_of(session.name)
        return (self.U[s] @ self.V[s]).detach()  # [i, j]: effect of neuron j on neuron i
