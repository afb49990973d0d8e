"""A model of your own, beside all others.

    synapsnet fit session.h5 --model my_forecaster.ReducedRank --model-args.rank 3 --preset fast --out run
    synapsnet benchmark forecasting session.h5 --models synapsnet,my_forecaster.ReducedRank --preset fast --out compared

(in the folder of this file, or wherever Python finds it).
"""

import torch

from synapsnet_pyg.models.forecaster import Forecast, Forecaster


class ReducedRank(Forecaster):
    """Every neuron from a few patterns of the newest activity: A = U V, a matrix for each session."""

    def __init__(self, sessions, window=1, rank=5):
        super().__init__(sessions, window)
        sizes = [len(population.neuron_id) for population in self.sessions.values()]
        self.senders = torch.nn.ParameterList(torch.randn(rank, N) / N**0.5 for N in sizes)
        self.receivers = torch.nn.ParameterList(torch.randn(N, rank) * 0.1 for N in sizes)

    def forward(self, window):
        s, P = self.index_of(window.session), window.target.shape[-1]
        return Forecast(self.receivers[s] @ (self.senders[s] @ window.activity[..., -P:]))

    @torch.no_grad()
    def connectivity(self, session):
        s = self.index_of(session.name)
        return self.receivers[s] @ self.senders[s]
