"""Perturbations of a fitted model against those of the simulator: half of the edges removed, single neurons driven.

    python benchmarks/perturbation.py --neurons 200 --bins 30000

All neurons of the simulated population are recorded and there is no hidden drive. SynapsNet is fitted to the intact
population. First, half of its true edges, drawn at random, are removed in the simulator and in the model. Second, one
spike is added to each of a few neurons; the share of 95 % intervals that hold the true effect is counted.
"""

import argparse
import tempfile

import numpy as np
import torch
from torch import Tensor

from synapsnet_pyg.analysis.perturbation import perturb
from synapsnet_pyg.analysis.perturbation_intervals import effect_intervals
from synapsnet_pyg.analysis.perturbation_kinds import Drive, RemoveEdges
from synapsnet_pyg.analysis.significance import edge_significance
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.models.synapsnet import SynapsNet
from synapsnet_pyg.runs.recipe import Recipe
from synapsnet_pyg.runs.training import fit
from synapsnet_pyg.simulations.population import (
    run_population,
    simulate_population,
    true_effect,
    true_effect_of_removal,
)


def print_agreement(label: str, effect: Tensor, truth: Tensor) -> None:
    """Prints Pearson and slope of effects and true effects [N, H], and Pearson at the first and the last step."""
    pearson = [
        float(np.corrcoef(x.flatten(), y.flatten())[0, 1])
        for x, y in ((effect, truth), (effect[:, 0], truth[:, 0]), (effect[:, -1], truth[:, -1]))
    ]
    slope = float((effect * truth).sum() / truth.square().sum())
    print(f"| {label} | {' | '.join(f'{r:.3f}' for r in pearson)} | {slope:.2f} |", flush=True)


def removal(model: SynapsNet, session: Session, edges: Tensor, horizon: int, counts: bool) -> Tensor:
    """Returns the effect of removing edges in the model, in spikes per bin [N, H]."""
    effect = perturb(model, session, RemoveEdges(edges), horizon=horizon, counts=counts).effect
    return effect * session.activity_scale[:, None]


def main() -> None:
    """Runs the benchmark and prints its results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--neurons", type=int, default=200, help="number of neurons N, all recorded")
    parser.add_argument("--bins", type=int, default=30_000, help="number of bins")
    parser.add_argument("--epochs", type=int, help="number of epochs; the fast recipe's if not given")
    parser.add_argument("--horizon", type=int, default=10, help="number of bins ahead")
    parser.add_argument("--driven", type=int, default=4, help="number of neurons to drive")
    parser.add_argument(
        "--starts", type=int, default=20_000, help="number of starting bins of the true effect of a spike"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of population, fit and removed edges")
    given = parser.parse_args()

    N, horizon = given.neurons, given.horizon
    size = {"neurons": N, "recorded": N, "hidden_drive": 0.0}
    simulation = run_population(given.bins, given.seed, **size)
    session = simulate_population(given.bins, given.seed, **size).standardise()
    train = session.split().train
    torch.manual_seed(given.seed)
    model = SynapsNet([session])
    recipe = Recipe.fast(given.bins).changed(patience=4, epochs=given.epochs)
    fit(model, [session], tempfile.mkdtemp(), recipe, progress=False)
    significance = edge_significance(train)

    true_edges = session.true_connectivity != 0
    drawn = torch.rand(N, N, generator=torch.Generator().manual_seed(given.seed)) < 0.5
    edges = true_edges & drawn
    truth, again = (true_effect_of_removal(simulation, edges, horizon=horizon, seed=seed) for seed in (0, 1))
    print(f"{int(edges.sum())} of {int(true_edges.sum())} edges of {N} neurons removed, {horizon} bins ahead:\n")
    heading = f"| weights, fed back | Pearson | step 1 | step {horizon} | slope |\n| --- | --- | --- | --- | --- |"
    print(heading)
    print_agreement("simulator, another seed", again, truth)
    for counts in (True, False):
        label = f"model, {'counts' if counts else 'forecasts'}"
        print_agreement(label, removal(model, session, edges, horizon, counts), truth)

    rows = np.linspace(0, N - 1, min(given.driven, N)).round().astype(int).tolist()
    scale = session.activity_scale
    stimuli = [Drive(row, 1 / float(scale[row])) for row in rows]
    steps = min(5, horizon)
    starts = min(given.starts, given.bins - steps)
    true = torch.stack([true_effect(simulation, row, spikes=1, horizon=steps, starts=starts) for row in rows])
    true = true / scale[:, None]
    others = torch.arange(N) != torch.tensor(rows)[:, None]
    print(f"\n1 spike added to each of {len(rows)} neurons:\n")
    print("| fed back | bins ahead | Pearson | share of 95 % intervals that hold the true effect |")
    print("| --- | --- | --- | --- |")
    for counts in (True, False):
        found = effect_intervals(
            model, session, stimuli, horizon=steps, weight_errors=significance.error, counts=counts
        )
        inside = ((found.low <= true) & (true <= found.high))[others].double().mean(0)
        for h in range(steps):
            pearson = float(np.corrcoef(found.effect[others][:, h], true[others][:, h])[0, 1])
            label = "counts" if counts else "forecasts"
            print(f"| {label} | {h + 1} | {pearson:.3f} | {float(inside[h]):.3f} |", flush=True)

    graph = model.graph(session.name).functional_connectivity
    assert graph is not None
    weights = significance.posterior_mean.nan_to_num() / model.gain(train)[:, None]
    graph.set_weights(weights, torch.ones_like(weights))
    print("\nThe edges removed again, with posterior means of the test of edges as weights:\n")
    print(heading)
    print_agreement("posterior mean, counts", removal(model, session, edges, horizon, counts=True), truth)


if __name__ == "__main__":
    main()
