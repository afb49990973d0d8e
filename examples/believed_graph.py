# %% [markdown]
# # From a population to a graph that can be believed
#
# A learned connectivity has a weight for every pair of neurons. Which of them mean anything? A simulated population
# stands in for your recording, so that every answer can be checked against the truth. Open this file as a notebook
# with jupytext, or run it as a script, `python examples/believed_graph.py [bins neurons recorded]`; it takes a minute
# or two and leaves figures and a graph in `believed-graph`, in the folder where it is run.

# %%
import argparse
import tempfile
from pathlib import Path

import networkx as nx
import numpy as np
import torch

from synapsnet_pyg import SynapsNet, fit, to_networkx
from synapsnet_pyg.analysis.currents import current_cross_correlation, shuffled
from synapsnet_pyg.analysis.ensemble import ensemble
from synapsnet_pyg.analysis.identifiability import identifiability
from synapsnet_pyg.analysis.neurons import neuron_table
from synapsnet_pyg.analysis.perturbation import Drive, Silence, effect_matrix, perturb
from synapsnet_pyg.analysis.significance import edge_significance
from synapsnet_pyg.connectivity.registry import estimate
from synapsnet_pyg.metrics import connectivity_score
from synapsnet_pyg.plots.canvas import make_figure
from synapsnet_pyg.plots.connectivity import (
    draw_current_correlation,
    draw_graph,
    draw_matrix,
    draw_p_values,
    draw_true_against_learned,
)
from synapsnet_pyg.plots.style import COLOURS
from synapsnet_pyg.runs.recipe import recipe
from synapsnet_pyg.simulations.population import run_population, simulate_population, true_effect

parser = argparse.ArgumentParser()
parser.add_argument("bins", type=int, nargs="?", default=12_000)
parser.add_argument("neurons", type=int, nargs="?", default=200)
parser.add_argument("recorded", type=int, nargs="?", default=70)
parser.add_argument("--epochs", type=int, help="instead of the preset's")
arguments = parser.parse_args()
bins, neurons, recorded = arguments.bins, arguments.neurons, arguments.recorded
out = Path("believed-graph")
out.mkdir(exist_ok=True)

# %% [markdown]
# ## The population
# Only some of its neurons are recorded, as in life; the others drive them unseen.

# %%
session = simulate_population(bins, neurons=neurons, recorded=recorded).standardise()
train, validation, test = session.split()
truth = session.true_connectivity
off_diagonal = ~torch.eye(recorded, dtype=torch.bool)
print(session)

# %% [markdown]
# ## Three fits
# They differ by the seed alone. The recipe `fast` makes a tenth of the paper's steps.

# %%
settings = recipe("fast", session.num_bins)
settings |= {"epochs": arguments.epochs} if arguments.epochs else {}
models = []
for seed in range(3):
    torch.manual_seed(seed)
    model = SynapsNet([session])
    models.append(fit(model, [session], Path(tempfile.mkdtemp()), **settings, seed=seed, progress=False))
model, learned = models[0], [one.connectivity(train) for one in models]

# %% [markdown]
# ## Who drives whom
# `connectivity[i, j]` is what one unit of neuron j's activity adds to neuron i's next bin. Beside it stands what a
# lagged correlation would have said, which cannot tell who drives from who is merely active at the same time.

# %%
candidates = {"learned": learned[0], "lag-1 correlation": estimate("lag1", train).connectivity}
print(f"\n{'':18s} Pearson  AUROC")
for name, connectivity in candidates.items():
    score = connectivity_score(connectivity, truth)
    print(f"{name:18s} {score.pearson:7.3f} {score.auroc:6.3f}")

figure, axes = make_figure(13, 4, columns=3)
for ax, (name, connectivity) in zip(axes, ({"true": truth} | candidates).items(), strict=True):
    draw_matrix(ax, connectivity, name)
figure.savefig(out / "matrices.png", dpi=120)

# %% [markdown]
# ## Which edges can be believed
# Every pair is tested against three nulls (`edge_significance`). Of the pairs kept, 5 % may be false; here it can be
# counted how many are.

# %%
significance = edge_significance(model, train, targets=settings["targets"], connectivity=learned[0])
edge, true_edge = significance.edges(0.05), (truth != 0) & off_diagonal
print(f"\n{int(edge.sum())} of {int(off_diagonal.sum())} pairs are edges at a false discovery rate of 5 %:")
print(f"  {int((edge & true_edge).sum())} true, of {int(true_edge.sum())} that there are")
print(f"  {int((edge & ~true_edge).sum())} false, {float((edge & ~true_edge).sum() / edge.sum().clamp_min(1)):.1%}")
print(identifiability(train, significance).message)

figure, (left, right) = make_figure(9, 3.8, columns=2)
counts, borders = np.histogram(significance.p_value[off_diagonal].numpy(), 20, (0, 1))
draw_p_values(left, counts, borders)
draw_true_against_learned(right, truth, significance.posterior_mean)
right.set(ylabel="expected effect, given the data")
figure.savefig(out / "significance.png", dpi=120)

# %% [markdown]
# ## Would another seed have found the same?
# Agreement is no proof, since every fit sees the same recording; but an edge whose sign depends on the seed is none.

# %%
agreed = ensemble(learned)
for name, pairs in {"believed edges": edge, "all other pairs": off_diagonal & ~edge}.items():
    if pairs.any():
        share = (agreed.sign_agreement[pairs] == 1).float().mean()
        deviation = agreed.deviation[pairs].mean() / agreed.mean[pairs].abs().mean()
        print(f"{name}: all {len(learned)} seeds agree on {share:.0%} of the signs; weights differ by {deviation:.0%}")

# %% [markdown]
# ## The current comes first
# A neuron's input current correlates with its own activity one bin later. That is seen on test bins, which the model
# was not fitted to, and vanishes when the senders of each neuron are shuffled.

# %%
leads = current_cross_correlation(test, learned[0], max_delay=5)
by_chance = current_cross_correlation(test, shuffled(learned[0]), max_delay=5)
peak = leads.delays == leads.peak_delay
print(f"\ncurrent and activity correlate most at a delay of {leads.peak_delay:+d} bin:")
print(f"  {leads.mean[peak].item():.3f}, with shuffled senders {by_chance.mean[peak].item():.3f}")

figure, (ax,) = make_figure(5.5, 3.6)
curves = {"learned": leads, "senders shuffled": by_chance}
named = {name: (curve.mean.numpy(), curve.sem.numpy()) for name, curve in curves.items()}
draw_current_correlation(ax, leads.seconds.numpy(), named)
figure.savefig(out / "currents.png", dpi=120)

# %% [markdown]
# ## A perturbation, in the model and in truth
# Drive each neuron by one spike, and ask how many spikes more or fewer every other fires in the next bin: the model,
# and the simulator. Then silence the neuron that matters most, and let both run on.

# %%
spikes = session.activity_scale  # of one unit of standardised activity
population = run_population(bins, neurons=neurons, recorded=recorded)
forecast = effect_matrix(model, test, lambda neuron: Drive(neuron, amount=float(1 / spikes[neuron]))) * spikes[:, None]
real = torch.stack([true_effect(population, j, spikes=1)[:, 0] for j in range(recorded)], dim=1)
driven = np.corrcoef(forecast[off_diagonal], real[off_diagonal])[0, 1]
print(f"\none spike more: the model's effects and the true ones correlate at {driven:.3f} over all pairs")

strongest = int(forecast.abs().fill_diagonal_(0).sum(0).argmax())
others = torch.arange(recorded) != strongest
modelled = perturb(model, test, Silence(strongest), horizon=5).effect[others] * spikes[others, None]
happened = true_effect(population, strongest, horizon=5)[others]
by_bin = [np.corrcoef(modelled[:, step], happened[:, step])[0, 1] for step in range(5)]
print(f"{session.neuron_id[strongest]} silenced: they correlate at " + ", ".join(f"{r:.2f}" for r in by_bin))

figure, (left, right) = make_figure(9, 4, columns=2)
draw_true_against_learned(left, torch.where(true_edge, real, 0.0), forecast)
left.set(xlabel="true effect of one spike (spikes)", ylabel="effect in the model (spikes)")
for step, colour in ((0, COLOURS[0]), (4, COLOURS[1])):
    right.plot(happened[:, step], modelled[:, step], "o", ms=4, color=colour, alpha=0.7, label=f"bin {step + 1}")
right.set(xlabel="true effect of silencing (spikes)", ylabel="effect in the model (spikes)")
right.set(title=f"{session.neuron_id[strongest]} silenced")
right.legend(frameon=False)
right.spines[["top", "right"]].set_visible(False)
figure.savefig(out / "perturbation.png", dpi=120)

# %% [markdown]
# ## The graph
# The believed edges as a networkx graph, j -> i, with the q-value of each. Any program for graphs reads GraphML.

# %%
believed = torch.where(edge, significance.posterior_mean, 0.0)
graph = to_networkx(session, believed, edge_fields={"q_value": significance.q_value})
nx.write_graphml(graph, out / "believed-graph.graphml")
print(f"\n{graph}")
table = neuron_table(session, believed)
shown = ["neuron_id", "in_degree", "out_degree", "out_positive", "out_negative", "hub_rank", "community"]
print(table.sort_values("hub_rank")[shown].head().round(2).to_string(index=False))

figure, (ax,) = make_figure(7, 5.5)
place = nx.spring_layout(graph.to_undirected(), k=0.5, weight=None, seed=0)
position = np.array([place[neuron] for neuron in session.neuron_id])
receiver, sender = believed.nonzero().T.numpy()
groups = [f"community {community}" for community in table["community"]]
draw_graph(ax, position, np.stack([sender, receiver]), believed[receiver, sender].numpy(), groups=groups)
figure.savefig(out / "graph.png", dpi=120)
print(f"the figures and the graph lie in {out.resolve()}")
