# %% [markdown]
# # Which of my edges are real?
#
# A learned connectivity has a weight for every pair of neurons. Most of these weights are noise. This example tests
# every edge in two simulated worlds, whose true connectivity is known: one where the tests find many edges, and one
# where no test can, because the recording is too slow. It shows how to tell from the recording alone in which of the
# two one is. Run it as a script, `python examples/edges_to_trust.py [bins neurons recorded]`, or open it as a notebook
# with jupytext. It takes two or three minutes, and writes figures and a graph into `edges-to-trust` in the working
# folder.

# %%
import argparse
import tempfile
from pathlib import Path

import networkx as nx
import numpy as np
import torch

from synapsnet_pyg import (
    Drive,
    Recipe,
    Silence,
    SynapsNet,
    connectivity_score,
    current_cross_correlation,
    draw_current_correlation,
    draw_graph,
    draw_matrix,
    draw_p_values,
    draw_true_against_learned,
    edge_significance,
    effect_matrix,
    ensemble,
    estimate,
    fit,
    identifiability,
    make_figure,
    neuron_table,
    perturb,
    run_population,
    shuffle_senders,
    simulate_calcium_indicator,
    simulate_population,
    to_networkx,
    true_effect,
)

parser = argparse.ArgumentParser()
parser.add_argument("bins", type=int, nargs="?", default=12_000, help="number of bins of the simulation")
parser.add_argument("neurons", type=int, nargs="?", default=200, help="number of neurons in the population")
parser.add_argument("recorded", type=int, nargs="?", default=70, help="number of recorded neurons")
parser.add_argument("--frames", type=int, default=2400, help="number of frames of the slow recording")
parser.add_argument("--epochs", type=int, help="number of epochs; the fast recipe's if not given")
arguments = parser.parse_args()
bins, neurons, recorded = arguments.bins, arguments.neurons, arguments.recorded
out = Path("edges-to-trust")
out.mkdir(exist_ok=True)

# %% [markdown]
# ## The population
# Only some neurons are recorded. The others act as hidden inputs, as in an experiment.

# %%
session = simulate_population(bins, neurons=neurons, recorded=recorded).standardise()
train, validation, test = session.split()
truth = session.true_connectivity
off_diagonal = ~torch.eye(recorded, dtype=torch.bool)
print(session)

# %% [markdown]
# ## Three fits
# They differ only in their seed.

# %%
recipe = Recipe.fast(session.num_bins).changed(epochs=arguments.epochs)
models = []
for seed in range(3):
    torch.manual_seed(seed)
    model = SynapsNet([session])
    models.append(fit(model, [session], tempfile.mkdtemp(), recipe.changed(seed=seed), progress=False))
model = models[0]
connectivities = [fitted.connectivity(train) for fitted in models]
learned = connectivities[0]

# %% [markdown]
# ## The connectivity
# `connectivity[i, j]` is the effect of neuron j on neuron i: the change of i's activity in the next bin for one unit of
# j's activity. It is compared with a lagged correlation, which cannot separate a direct effect from a common input.

# %%
estimates = {"learned": learned, "lag-1 correlation": estimate("lag1", train).connectivity}
print(f"\n{'':18s} Pearson  AUROC")
for name, connectivity in estimates.items():
    score = connectivity_score(connectivity, truth)
    print(f"{name:18s} {score.pearson:7.3f} {score.auroc:6.3f}")

figure, axes = make_figure(13, 4, columns=3)
for ax, (name, connectivity) in zip(axes, ({"true": truth} | estimates).items(), strict=True):
    draw_matrix(ax, connectivity, name)
figure.savefig(out / "matrices.png", dpi=120)

# %% [markdown]
# ## Significant edges, where it holds
# `edge_significance` tests every pair, three times. An edge must forecast its receiver given the past of all neurons,
# do so given the same bin of all other neurons as well, and be larger than in the recording backwards. Neurons that
# only share a sender or an unrecorded input fail the second or the third test. The test needs no model.
#
# `message` says how many edges there are, and how many of 100 are expected to be false, estimated from the recording
# backwards. Here the false ones can be counted. `posterior_mean` is the expected effect given the data: the effect
# shrunk towards zero where the evidence is weak.


# %%
def report_edges(significance, truth):
    """Prints what the recording says of its edges, and what is true."""
    called, true = significance.edges(0.05), (truth != 0).fill_diagonal_(False)
    count, correct = int(called.sum()), int((called & true).sum())
    print(f"\n{significance.message(0.05)}")
    print(
        f"True: {correct} of the {int(true.sum())} synapses are called, {count - correct} of {count} calls are false."
    )


def draw_edges(significance, truth, file):
    """Draws p-values, posterior means against true weights, and the same-bin correlation against true weights."""
    figure, (left, middle, right) = make_figure(13, 3.8, columns=3)
    pairs = ~torch.eye(len(truth), dtype=torch.bool)
    counts, borders = np.histogram(significance.p_value[pairs].nan_to_num(1.0).numpy(), 20, (0, 1))
    draw_p_values(left, counts, borders)
    draw_true_against_learned(middle, truth, significance.posterior_mean.nan_to_num())
    middle.set(ylabel="posterior mean of the effect")
    draw_true_against_learned(right, truth + truth.t(), significance.same_bin.nan_to_num())
    right.set(xlabel="true weight, both directions", ylabel="partial correlation within the bin")
    figure.savefig(out / file, dpi=120)


significance = edge_significance(train, learned=learned)
significant = significance.edges(0.05)
report_edges(significance, truth)
print(identifiability(train, significance).message)
draw_edges(significance, truth, "significance.png")

# %% [markdown]
# ## Where it cannot
# A spiking network with delays of 1 to 4 ms, seen through a calcium indicator at four frames a second. A synapse acts
# within the frame, and the next frame shows next to nothing of it. The same bin shows that two neurons are coupled
# (`same_bin`), but not which one drives the other. The test says so: few or no edges, but coupled pairs.

# %%
slow = simulate_calcium_indicator(arguments.frames, neurons=min(neurons, 60), bin_size=0.25).standardise()
slow_significance = edge_significance(slow.split().train)
report_edges(slow_significance, slow.true_connectivity)
draw_edges(slow_significance, slow.true_connectivity, "slow.png")
connected = (slow.true_connectivity != 0) | (slow.true_connectivity.t() != 0)
coupled = slow_significance.same_bin_q <= 0.05
print(f"True: {int((coupled & connected).sum()) // 2} of the {int(coupled.sum()) // 2} coupled pairs have a synapse.")

# %% [markdown]
# ## Agreement of seeds
# Agreement of several fits does not prove an edge, because all fits see the same recording. But an edge whose sign
# depends on the seed should not be trusted.

# %%
agreement = ensemble(connectivities)
for name, pairs in {"significant edges": significant, "other pairs": off_diagonal & ~significant}.items():
    if pairs.any():
        share = (agreement.sign_agreement[pairs] == 1).float().mean()
        deviation = agreement.deviation[pairs].mean() / agreement.mean[pairs].abs().mean()
        print(f"{name}: {share:.0%} have the same sign in all {len(models)} fits; weights differ by {deviation:.0%}")

# %% [markdown]
# ## Input currents
# The input current of a neuron should correlate most with its activity one bin later. This is tested on the test part.
# Shuffled senders show how much of the correlation comes from activity that all neurons share.

# %%
curves = {
    "learned": current_cross_correlation(test, learned, max_delay=5),
    "senders shuffled": current_cross_correlation(test, shuffle_senders(learned), max_delay=5),
}
peak = curves["learned"].peak_delay
print(f"\ncurrent and activity correlate most at a delay of {peak:+d} bin:")
for name, curve in curves.items():
    print(f"  {name:16s} {curve.mean[curve.delays == peak].item():.3f}")

figure, (ax,) = make_figure(5.5, 3.6)
means = {name: (curve.mean.numpy(), curve.sem.numpy()) for name, curve in curves.items()}
draw_current_correlation(ax, curves["learned"].seconds.numpy(), means)
figure.savefig(out / "currents.png", dpi=120)

# %% [markdown]
# ## Perturbations in the model and in the simulation
# Two perturbations are compared with the simulator: one more spike of each neuron, and silence of the neuron with the
# largest effects, for five bins.

# %%
spikes = session.activity_scale  # number of spikes in one unit of standardised activity
population = run_population(bins, neurons=neurons, recorded=recorded)
modelled = effect_matrix(model, test, lambda neuron: Drive(neuron, amount=float(1 / spikes[neuron]))) * spikes[:, None]
simulated = torch.stack([true_effect(population, j, spikes=1)[:, 0] for j in range(recorded)], dim=1)
pearson = np.corrcoef(modelled[off_diagonal], simulated[off_diagonal])[0, 1]
print(f"\none more spike: modelled and simulated effects correlate at {pearson:.3f} over all pairs")

hub = int(modelled.abs().fill_diagonal_(0).sum(0).argmax())
others = torch.arange(recorded) != hub
modelled_silence = perturb(model, test, Silence(hub), horizon=5).effect[others] * spikes[others, None]
simulated_silence = true_effect(population, hub, horizon=5)[others]
by_bin = [np.corrcoef(modelled_silence[:, step], simulated_silence[:, step])[0, 1] for step in range(5)]
print(f"{session.neuron_id[hub]} silenced: they correlate at {', '.join(f'{r:.2f}' for r in by_bin)} in bins 1 to 5")

figure, (left, right) = make_figure(9, 4, columns=2)
draw_true_against_learned(left, torch.where(truth != 0, simulated, 0.0), modelled)
left.set(xlabel="simulated effect of one spike (spikes)", ylabel="modelled effect (spikes)")
for step in (0, 4):
    right.plot(simulated_silence[:, step], modelled_silence[:, step], "o", ms=4, alpha=0.7, label=f"bin {step + 1}")
right.set(xlabel="simulated effect of silencing (spikes)", ylabel="modelled effect (spikes)")
right.set(title=f"{session.neuron_id[hub]} silenced")
right.legend(frameon=False)
right.spines[["top", "right"]].set_visible(False)
figure.savefig(out / "perturbation.png", dpi=120)

# %% [markdown]
# ## The graph
# The significant edges as a networkx graph, sender -> receiver, with the learned weight, the posterior mean and the
# q-value of each edge. GraphML files can be opened in Gephi, Cytoscape and others.

# %%
weights = torch.where(significant, learned, 0.0)
fields = {"posterior_mean": significance.posterior_mean, "q_value": significance.q_value}
graph = to_networkx(session, weights, edge_fields=fields)
nx.write_graphml(graph, out / "significant-edges.graphml")
print(f"\n{graph}")
table = neuron_table(session, weights)
columns = ["neuron_id", "in_degree", "out_degree", "out_positive", "out_negative", "hub_rank", "community"]
print(table.sort_values("hub_rank")[columns].head().round(2).to_string(index=False))

figure, (ax,) = make_figure(7, 5.5)
layout = nx.spring_layout(graph.to_undirected(), k=0.5, weight=None, seed=0)
position = np.array([layout[neuron] for neuron in session.neuron_id])
receiver, sender = weights.nonzero().T.numpy()
groups = [f"community {community}" for community in table["community"]]
draw_graph(ax, position, np.stack([sender, receiver]), weights[receiver, sender].numpy(), groups=groups)
figure.savefig(out / "graph.png", dpi=120)
print(f"figures and graph: {out.resolve()}")
