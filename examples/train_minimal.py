"""The whole way in Python: simulate, fit, compare, export. Takes about a minute on two cores."""

import sys
import tempfile
from pathlib import Path

import torch

from synapsnet_pyg import SynapsNet, fit, forecast_session, strongest, to_networkx
from synapsnet_pyg.metrics import connectivity_score, correlation
from synapsnet_pyg.runs.recipe import recipe
from synapsnet_pyg.simulations.population import simulate_population


def main(bins: int = 10_000, neurons: int = 300, recorded: int = 60) -> None:
    session = simulate_population(bins=bins, neurons=neurons, recorded=recorded).standardise()
    torch.manual_seed(0)
    model = SynapsNet([session])
    with tempfile.TemporaryDirectory() as folder:
        fit(model, [session], Path(folder), **recipe("fast", bins))

    train, _, test = session.split()
    forecast = forecast_session(model, test)
    print(f"test correlation {correlation(forecast.truth, forecast.forecast).nanmean():.3f}")

    connectivity = model.connectivity(train)
    print(f"connectivity recovered: Pearson {connectivity_score(connectivity, session.true_connectivity).pearson:.3f}")
    graph = to_networkx(session, strongest(connectivity, top_k=100))
    hub, degree = max(graph.out_degree, key=lambda node: node[1])
    print(f"of the 100 strongest edges, {degree} start from neuron {hub}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
