"""Simulates a recording, fits SynapsNet, and scores its forecast and connectivity; takes about a minute."""

import sys
import tempfile

import torch

from synapsnet_pyg import (
    Recipe,
    SynapsNet,
    connectivity_score,
    correlation,
    fit,
    forecast_session,
    simulate_population,
    strongest,
    to_networkx,
)


def main(bins: int = 10_000, neurons: int = 300, recorded: int = 60) -> None:
    session = simulate_population(bins, neurons=neurons, recorded=recorded).standardise()
    torch.manual_seed(0)
    model = SynapsNet([session])
    with tempfile.TemporaryDirectory() as folder:
        fit(model, [session], folder, Recipe.fast(bins))

    train, _, test = session.split()
    forecast = forecast_session(model, test)
    print(f"correlation of forecast and activity: {correlation(forecast.truth, forecast.forecast).nanmean():.3f}")

    connectivity = model.connectivity(train)
    score = connectivity_score(connectivity, session.true_connectivity)
    print(f"correlation of learned and true connectivity: {score.pearson:.3f}")
    graph = to_networkx(session, strongest(connectivity, top_k=100))
    hub, degree = max(graph.out_degree, key=lambda node: node[1])
    print(f"neuron {hub} sends {degree} of the 100 strongest edges")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
