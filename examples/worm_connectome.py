# %% [markdown]
# # Is what a model learns from activity the wiring?
#
# The worm *C. elegans* is the one animal whose synapses are all counted, and whose neurons have names. So the learned
# functional connectivity of a recorded worm can be laid beside its anatomy. Run this file with a folder of recordings
# (Dag et al. 2023, whole-brain calcium, one `.npz` a worm) and a file of the connectome (`neuron_ids`, and
# `chem_<animal>`, `gap_<animal>` [receiver, sender] of synapse counts):
# `python examples/worm_connectome.py data/worms data/connectome_matrices.npz`. It takes a few minutes and leaves
# `worm-connectome.png` where it is run.

# %%
import argparse
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from synapsnet_pyg import SynapsNet, fit
from synapsnet_pyg.analysis.agreement import wiring_agreement
from synapsnet_pyg.analysis.perturbation import effect_matrix
from synapsnet_pyg.connectivity.registry import estimate
from synapsnet_pyg.datasets.array_files import ArrayFile
from synapsnet_pyg.datasets.arrays import ActivitySource, read_arrays
from synapsnet_pyg.datasets.behaviour_arrays import BehaviourSource
from synapsnet_pyg.datasets.neuron_arrays import NeuronKeys
from synapsnet_pyg.plots.canvas import make_figure
from synapsnet_pyg.plots.comparisons import draw_recoveries
from synapsnet_pyg.runs.recipe import recipe

parser = argparse.ArgumentParser()
parser.add_argument("recordings", type=Path, help="folder of .npz files, one a worm")
parser.add_argument("connectome", type=Path, help=".npz file of synapse counts")
parser.add_argument("--wiring", nargs="+", default=["witvliet_2020_7", "witvliet_2020_8"], help="animals to add up")
parser.add_argument("--worms", type=int, help="only so many")
parser.add_argument("--epochs", type=int, help="instead of the preset's")
parser.add_argument("--permutations", type=int, default=1000)
arguments = parser.parse_args()

# %% [markdown]
# ## Worms
# Converted as `data/README.md` says. A neuron that was identified in two worms has the same id in both.

# %%
sessions = [
    read_arrays(
        path,
        ActivitySource("trace_zscored", ("bin", "neuron"), times="timestamp_confocal"),
        behaviour=BehaviourSource(["behavior_velocity", "behavior_head_angle"]),
        neurons=NeuronKeys(ids="neuron_label"),
    ).standardise()
    for path in sorted(arguments.recordings.glob("*.npz"))[: arguments.worms]
]

# %% [markdown]
# ## Their wiring
# Synapses are counted in other animals of the same species, and added up. Neurons that have none there are left out.

# %%
with ArrayFile(arguments.connectome) as file:
    wired = [str(neuron) for neuron in file.get("neuron_ids")]
    chemical, gap = (sum(file.numbers(f"{kind}_{animal}") for animal in arguments.wiring) for kind in ("chem", "gap"))
wirings = {"chemical synapses": chemical, "gap junctions": gap}
place = {neuron: k for k, neuron in enumerate(wired) if (chemical[k] + chemical[:, k] + gap[k]).any()}
known = {session.name: [row for row, neuron in enumerate(session.neuron_id) if neuron in place] for session in sessions}
for session in sessions:
    print(f"{session}: {len(known[session.name])} neurons with a name and synapses")

# %% [markdown]
# ## Models and correlations
# One SynapsNet of all worms, which shares dynamics and embeddings, and the same as the paper has it, without the linear
# path. The recordings are short: training stops when validation gets no better. What SynapsNet's common drive carries
# to many neurons at once is no connectivity; the third row adds it.

# %%
settings = recipe("fast", sum(session.num_bins for session in sessions), len(sessions)) | {"patience": 20}
settings |= {"epochs": arguments.epochs} if arguments.epochs else {}
models = {}
for name, linear_path in {"SynapsNet": True, "SynapsNet as in the paper": False}.items():
    torch.manual_seed(0)
    models[name] = SynapsNet(sessions, linear_path=linear_path)
    fit(models[name], sessions, Path(tempfile.mkdtemp()), **settings)


def connectivities(session):
    train, validation, _ = session.split()
    found = {name: model.connectivity(train) for name, model in models.items()}
    found["SynapsNet with common drive"] = effect_matrix(models["SynapsNet"], train, max_windows=64)
    estimators = ("ridge_var", "partial_correlation", "lag0", "lag1")
    return found | {name: estimate(name, train, validation).connectivity for name in estimators}


found = [connectivities(session) for session in sessions]

# %% [markdown]
# ## Do they agree?
# AUROC is the chance that a connected pair has the larger absolute weight, 0.5 is guessing; Spearman correlates weights
# with synapse counts. In the null the neurons change their names while both matrices stay as they are, so that strong
# neurons and dense rows are no proof. The mean over worms has a null of its own, in which every worm is shuffled.


# %%
tables = {}
rows = list(known.values())
columns = [session.name.removeprefix("worm_") for session in sessions]
for kind, counts in wirings.items():
    places = [[place[session.neuron_id[k]] for k in row] for session, row in zip(sessions, rows, strict=True)]
    synapses = [counts[np.ix_(k, k)] for k in places]
    table = []
    for name in found[0]:
        weights = [one[name][row][:, row] for one, row in zip(found, rows, strict=True)]
        agreement = wiring_agreement(weights, synapses, permutations=arguments.permutations)
        scores = dict(zip(columns, agreement.each[:, 0], strict=True))
        (auroc, spearman, _), (auroc_p, spearman_p, _) = agreement.mean, agreement.mean_p
        mean = {"mean": auroc, "p": auroc_p, "Spearman": spearman, "p of it": spearman_p}
        table.append({"weights": name, **scores, **mean})
    tables[kind] = pd.DataFrame(table)
    print(f"\n{kind} ({', '.join(arguments.wiring)}), AUROC of each worm, mean AUROC and Spearman:")
    print(tables[kind].to_string(index=False, float_format="{:.3f}".format))

# %%
figure, axes = make_figure(10, 4.2, columns=2)
for ax, (kind, table) in zip(axes, tables.items(), strict=True):
    draw_recoveries(ax, {name: row.tolist() for name, row in table.set_index("weights")[columns].iterrows()})
    ax.axhline(0.5, color="0.4", lw=1, ls="--")
    ax.set(title=kind, ylabel="AUROC, a dot a worm", ylim=(0.4, 0.75))
figure.savefig("worm-connectome.png", dpi=120)
