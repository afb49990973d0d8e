# %% [markdown]
# # Does the learned connectivity of a worm match its synapses?
#
# *C. elegans* is the one animal whose synapses have all been counted and whose neurons have names. So the functional
# connectivity of a recorded worm can be compared with its anatomy. Run this file as a script or open it as a notebook
# with jupytext:
#
# ```sh
# python examples/worm_connectome.py data/worms data/connectome_matrices.npz
# ```
#
# The first argument is a folder of recordings (Dag et al. 2023, whole-brain calcium imaging, one `.npz` file for each
# worm). The second is a file of the connectome with `neuron_ids` and the synapse counts `chem_<animal>` and
# `gap_<animal>`, both [receiver, sender]. The script takes a few minutes and writes `worm-connectome.png` into the
# working folder.

# %%
import argparse
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from synapsnet_pyg import (
    ArrayKeys,
    Recipe,
    Selection,
    SynapsNet,
    draw_recoveries,
    effect_matrix,
    estimate,
    fit,
    make_figure,
    read_session,
    wiring_agreement,
)

parser = argparse.ArgumentParser()
parser.add_argument("recordings", type=Path, help="folder of .npz files, one for each worm")
parser.add_argument("connectome", type=Path, help=".npz file of synapse counts")
parser.add_argument("--wiring", nargs="+", default=["witvliet_2020_7", "witvliet_2020_8"], help="animals to add up")
parser.add_argument("--worms", type=int, help="number of worms; all if not given")
parser.add_argument("--epochs", type=int, help="number of epochs; the fast recipe's if not given")
parser.add_argument("--permutations", type=int, default=1000, help="number of shuffles of the null")
arguments = parser.parse_args()

# %% [markdown]
# ## Worms
# A neuron that was identified in two worms has the same id in both. `synapsnet convert` makes the same sessions on the
# command line; see `data/README.md`.

# %%
sessions = [
    read_session(
        path,
        Selection(behaviour=["behavior_velocity", "behavior_head_angle"]),
        keys=ArrayKeys("trace_zscored", ("bin", "neuron"), times="timestamp_confocal", neuron_ids="neuron_label"),
    ).standardise()
    for path in sorted(arguments.recordings.glob("*.npz"))[: arguments.worms]
]

# %% [markdown]
# ## The connectome
# Synapses were counted in other worms; the counts are added up. Neurons without synapses there are left out.

# %%
with np.load(arguments.connectome) as file:
    neurons = [str(neuron) for neuron in file["neuron_ids"]]
    chemical, gap = (sum(file[f"{kind}_{animal}"] for animal in arguments.wiring) for kind in ("chem", "gap"))
connectome = {"chemical synapses": chemical, "gap junctions": gap}
place = {neuron: k for k, neuron in enumerate(neurons) if (chemical[k] + chemical[:, k] + gap[k]).any()}
rows = [[row for row, neuron in enumerate(session.neuron_id) if neuron in place] for session in sessions]
places = [[place[session.neuron_id[row]] for row in known] for session, known in zip(sessions, rows, strict=True)]
for session, known in zip(sessions, rows, strict=True):
    print(f"{session}: {len(known)} neurons with a name and synapses")

# %% [markdown]
# ## Models and estimators
# `SynapsNet` is one model of all worms, with shared dynamics and embeddings. A second one has no linear path, as in the
# paper. The recordings are short, so training stops after 20 epochs without a better validation score.
#
# The common drive of SynapsNet is an input that many neurons share. It is not part of the connectivity, so a third
# matrix adds it: the mean effect of each neuron on each forecast.

# %%
bins = sum(session.num_bins for session in sessions)
recipe = Recipe.fast(bins, len(sessions)).changed(patience=20, epochs=arguments.epochs)
models = {}
for name, linear_path in {"SynapsNet": True, "SynapsNet as in the paper": False}.items():
    torch.manual_seed(0)
    models[name] = SynapsNet(sessions, linear_path=linear_path)
    fit(models[name], sessions, tempfile.mkdtemp(), recipe)


def connectivities(session):
    train, validation, _ = session.split()
    learned = {name: model.connectivity(train) for name, model in models.items()}
    learned["SynapsNet with common drive"] = effect_matrix(models["SynapsNet"], train, max_windows=64)
    estimators = ("ridge_var", "partial_correlation", "lag0", "lag1")
    return learned | {name: estimate(name, train, validation).connectivity for name in estimators}


learned = [connectivities(session) for session in sessions]

# %% [markdown]
# ## Agreement with the synapses
# AUROC is the probability that a connected pair has a larger absolute weight than an unconnected one; 0.5 is chance.
# Spearman is the rank correlation of absolute weights with synapse counts. The null shuffles the names of the neurons
# and leaves both matrices as they are, so that strong neurons and dense rows alone are not significant. For the mean
# over worms, the names of all worms are shuffled.

# %%
tables = {}
columns = [session.name.removeprefix("worm_") for session in sessions]
for kind, counts in connectome.items():
    synapses = [counts[np.ix_(k, k)] for k in places]
    table = []
    for name in learned[0]:
        weights = [matrices[name][known][:, known] for matrices, known in zip(learned, rows, strict=True)]
        agreement = wiring_agreement(weights, synapses, permutations=arguments.permutations)
        scores = dict(zip(columns, agreement.each[:, 0], strict=True))
        (auroc, spearman, _), (auroc_p, spearman_p, _) = agreement.mean, agreement.mean_p
        mean = {"mean": auroc, "p": auroc_p, "Spearman": spearman, "p (Spearman)": spearman_p}
        table.append({"weights": name, **scores, **mean})
    tables[kind] = pd.DataFrame(table)
    print(f"\n{kind} ({', '.join(arguments.wiring)}), AUROC of each worm, mean AUROC and Spearman:")
    print(tables[kind].to_string(index=False, float_format="{:.3f}".format))

# %%
figure, axes = make_figure(10, 4.2, columns=2)
for ax, (kind, table) in zip(axes, tables.items(), strict=True):
    draw_recoveries(ax, {name: row.tolist() for name, row in table.set_index("weights")[columns].iterrows()})
    ax.axhline(0.5, color="0.4", lw=1, ls="--")
    ax.set(title=kind, ylabel="AUROC (one dot for each worm)", ylim=(0.4, 0.75))
figure.savefig("worm-connectome.png", dpi=120)
