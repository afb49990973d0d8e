# %% [markdown]
# # Does the learned connectivity of a zebrafish match the wiring between its regions?
#
# Mean calcium activity of 70 brain regions of a larval zebrafish, and the strength of the projections between them
# (Légaré et al., *Structural and genetic determinants of zebrafish functional brain networks*; CC BY 4.0, doi
# 10.5683/SP3/IIVGOB). The direction of their matrix is not documented. So it is scored in both directions and without
# direction. Run this file with the folder of their `.npy` files, as a script or as a notebook with jupytext:
#
# ```sh
# python examples/zebrafish.py data/zebrafish
# ```
#
# It takes a minute and writes `zebrafish.png` into the working folder.

# %%
import argparse
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.spatial.distance import cdist

from synapsnet_pyg import (
    ArrayKeys,
    Recipe,
    Selection,
    SynapsNet,
    connectivity_blocks,
    draw_matrix,
    draw_weight_against_distance,
    effect_matrix,
    estimate,
    fit,
    make_figure,
    read_session,
    weight_by_distance,
    wiring_agreement,
)

parser = argparse.ArgumentParser()
parser.add_argument("folder", type=Path, help="folder of the recording and the wiring, .npy files")
parser.add_argument("--epochs", type=int, help="number of epochs; the fast recipe's if not given")
parser.add_argument("--permutations", type=int, default=1000, help="number of shuffles of the null")
arguments = parser.parse_args()

# %% [markdown]
# ## The recording
# Each region is treated as a neuron. A region spans both hemispheres; its position is the centre of its left half. The
# duration of a bin is not documented, and only labels axes here.

# %%
folder = arguments.folder
keys = ArrayKeys("timeseries_regions_fish6", ["neuron", "bin"], neuron_ids="region_acronyms")
session = read_session(folder, Selection(bin_size=1), keys=keys)
position = np.load(folder / "region_centroids.npy")[: session.num_neurons]
session.position = torch.from_numpy(position)
wirings = {"undirected": np.load(folder / "SC_undirected.npy"), "as stored": np.load(folder / "SC.npy")}
wirings["transposed"] = wirings["as stored"].T
session = session.standardise()
train, validation, _ = session.split()
print(session)

# %% [markdown]
# ## Models and estimators
# `SynapsNet` has a common drive: an input that many regions share. It is not part of the connectivity, so a second
# matrix adds it. The third comes from a SynapsNet without linear path, as in the paper. Correlations within a bin
# (`lag0`) and partial correlations are symmetric.

# %%
recipe = Recipe.fast(session.num_bins).changed(patience=20, epochs=arguments.epochs)
models = {}
for name, linear_path in {"SynapsNet": True, "SynapsNet as in the paper": False}.items():
    torch.manual_seed(0)
    models[name] = SynapsNet([session], linear_path=linear_path)
    fit(models[name], [session], tempfile.mkdtemp(), recipe)
learned = {
    "SynapsNet": models["SynapsNet"].connectivity(train),
    "SynapsNet with common drive": effect_matrix(models["SynapsNet"], train),
    "SynapsNet as in the paper": models["SynapsNet as in the paper"].connectivity(train),
}
estimators = ("ridge_var", "partial_correlation", "lag0", "lag1")
learned |= {name: estimate(name, train, validation).connectivity for name in estimators}

# %% [markdown]
# ## Agreement with the wiring
# AUROC is the probability that a connected pair has a larger absolute weight than an unconnected one; 0.5 is chance.
# Spearman is the rank correlation of absolute weights with the strength of the wiring. Nearby regions are more strongly
# wired, and their activity is more alike. So the third score is the partial rank correlation given distance. The null
# shuffles the names of the regions and leaves every matrix as it is (Smouse, Long and Sokal 1986). Regions without
# activity are left out.

# %%
active = np.flatnonzero(~session.constant)
among = np.ix_(active, active)
distance = cdist(session.position, session.position)[among]
for direction, wiring in wirings.items():
    table = []
    for name, connectivity in learned.items():
        weight = connectivity[active][:, active]
        agreement = wiring_agreement([weight], [wiring[among]], [distance], permutations=arguments.permutations)
        (auroc, spearman, partial), p = agreement.mean, agreement.mean_p
        scores = {"AUROC": auroc, "p": p[0], "Spearman": spearman, "p (Spearman)": p[1]}
        table.append({"weights": name, **scores, "given distance": partial, "p (given distance)": p[2]})
    print(f"\nwiring {direction}, {len(active)} regions, {(wiring[among] > 0).mean():.0%} of the pairs connected:")
    print(pd.DataFrame(table).to_string(index=False, float_format="{:.3f}".format))

# %% [markdown]
# ## Weight and distance
# Are weights larger between nearby regions? And do they depend on the position along the body, in three thirds from the
# nose to the tail?

# %%
session.position[session.constant] = torch.nan  # regions without activity are left out
profiles = {
    name: weight_by_distance(session, connectivity, bins=8, permutations=arguments.permutations)
    for name, connectivity in (learned | {"wiring": torch.from_numpy(wirings["undirected"])}).items()
}
print("\nSpearman of absolute weight and distance:")
for name, profile in profiles.items():
    print(f"  {name:28s} {profile.spearman:6.3f} (p = {profile.p:.3f})")
blocks = connectivity_blocks(
    session,
    learned["SynapsNet"],
    "position_y",
    bins=3,
    statistic="mean_absolute_weight",
    permutations=arguments.permutations,
).table
print("\nSynapsNet's weights between thirds of the body (range of positions):")
columns = ["sender", "receiver", "pairs", "mean_absolute_weight", "null_mean", "p_labels", "q_labels"]
print(blocks[columns].to_string(index=False, float_format="{:.3f}".format))

# %%
figure, axes = make_figure(13, 8, columns=3, rows=2)
order = active[np.argsort(session.position[active, 1].numpy())]
ordered = np.ix_(order, order)
drawn = {"wiring": torch.from_numpy(wirings["undirected"]), "SynapsNet": learned["SynapsNet"], "lag0": learned["lag0"]}
for upper, lower, (name, weights) in zip(axes[:3], axes[3:], drawn.items(), strict=True):
    draw_matrix(upper, weights[ordered], name)
    upper.set(xlabel="sender, nose to tail", ylabel="receiver, nose to tail")
    table = profiles[name].table
    middle = (table["nearest"] + table["farthest"]) / 2
    draw_weight_against_distance(
        lower,
        middle,
        table["mean_absolute_weight"],
        null_mean=table["null_mean"],
        null_deviation=table["null_deviation"],
    )
    lower.set(xlabel="distance of the regions (as stored)")
    lower.legend(frameon=False, fontsize="x-small", loc="upper right")
figure.savefig("zebrafish.png", dpi=120)
