# %% [markdown]
# # Does activity tell the wiring between regions?
#
# Mean calcium activity of 70 brain regions of a larval zebrafish, and how strongly one projects to another (Légaré et
# al., *Structural and genetic determinants of zebrafish functional brain networks*; CC BY 4.0, doi
# 10.5683/SP3/IIVGOB). In which direction their matrix reads is not documented, so it is scored both ways and without
# directions. Run this file with the folder of their `.npy` files: `python examples/zebrafish.py data/zebrafish`. It
# takes a minute and leaves `zebrafish.png` where it is run.

# %%
import argparse
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.spatial.distance import cdist

from synapsnet_pyg import SynapsNet, fit
from synapsnet_pyg.analysis.agreement import wiring_agreement
from synapsnet_pyg.analysis.blocks import connectivity_blocks
from synapsnet_pyg.analysis.distance import weight_by_distance
from synapsnet_pyg.analysis.perturbation import effect_matrix
from synapsnet_pyg.connectivity.registry import estimate
from synapsnet_pyg.datasets.array_files import ArrayFile
from synapsnet_pyg.datasets.arrays import ActivitySource, read_arrays
from synapsnet_pyg.datasets.neuron_arrays import NeuronKeys
from synapsnet_pyg.plots.canvas import make_figure
from synapsnet_pyg.plots.connectivity import draw_matrix, draw_weight_against_distance
from synapsnet_pyg.runs.recipe import recipe

parser = argparse.ArgumentParser()
parser.add_argument("folder", type=Path, help="with the recording and the wiring, .npy files")
parser.add_argument("--epochs", type=int, help="instead of the preset's")
parser.add_argument("--permutations", type=int, default=1000)
arguments = parser.parse_args()

# %% [markdown]
# ## The recording
# Regions stand in for neurons. Both hemispheres are in one region; its place is the centre of its left half. The length
# of a bin is not documented either, and only labels the axes.

# %%
activity = ActivitySource("timeseries_regions_fish6", ("neuron", "bin"), bin_size=1)
session = read_arrays(arguments.folder, activity, neurons=NeuronKeys(ids="region_acronyms"))
with ArrayFile(arguments.folder) as files:
    session.position = torch.from_numpy(files.numbers("region_centroids")[: session.num_neurons])
    wirings = {"undirected": files.numbers("SC_undirected"), "as stored": files.numbers("SC")}
wirings["turned round"] = wirings["as stored"].T
session = session.standardise()
train, validation, _ = session.split()
print(session)

# %% [markdown]
# ## Models and correlations
# What SynapsNet's common drive carries to many regions at once is no connectivity; the second row adds it. The third is
# SynapsNet as the paper has it, without the linear path. Correlations within a bin and partial correlations are
# symmetric.

# %%
settings = recipe("fast", session.num_bins) | {"patience": 20}
settings |= {"epochs": arguments.epochs} if arguments.epochs else {}
models = {}
for name, linear_path in {"SynapsNet": True, "SynapsNet as in the paper": False}.items():
    torch.manual_seed(0)
    models[name] = SynapsNet([session], linear_path=linear_path)
    fit(models[name], [session], Path(tempfile.mkdtemp()), **settings)
found = {
    "SynapsNet": models["SynapsNet"].connectivity(train),
    "SynapsNet with common drive": effect_matrix(models["SynapsNet"], train),
    "SynapsNet as in the paper": models["SynapsNet as in the paper"].connectivity(train),
}
estimators = ("ridge_var", "partial_correlation", "lag0", "lag1")
found |= {name: estimate(name, train, validation).connectivity for name in estimators}

# %% [markdown]
# ## Do they agree with the wiring?
# AUROC is the chance that a connected pair has the larger absolute weight, 0.5 is guessing; Spearman correlates weights
# with the strength of the wiring. Near regions are wired more, and their activity is more alike: the third number is
# the correlation that is left when the ranks of distance are taken out of both. In the null the regions change their
# names while every matrix stays as it is (Smouse, Long and Sokal 1986).


# %% [markdown]
# Regions without activity are left out.

# %%
active = np.flatnonzero(~session.constant)
among = np.ix_(active, active)
distance = cdist(session.position, session.position)[among]
for direction, wiring in wirings.items():
    table = []
    for name, connectivity in found.items():
        weight = connectivity[active][:, active]
        agreement = wiring_agreement([weight], [wiring[among]], [distance], permutations=arguments.permutations)
        (auroc, spearman, partial), p = agreement.mean, agreement.mean_p
        scores = {"AUROC": auroc, "p": p[0], "Spearman": spearman, "p of it": p[1]}
        table.append({"weights": name, **scores, "given distance": partial, "p of this": p[2]})
    print(f"\nwiring {direction}, {len(active)} regions, {(wiring[among] > 0).mean():.0%} of the pairs connected:")
    print(pd.DataFrame(table).to_string(index=False, float_format="{:.3f}".format))

# %% [markdown]
# ## Do near regions drive each other more?
# And does it matter where along the body they lie? Three thirds, from the nose backwards.

# %%
session.position[session.constant] = torch.nan  # of these nothing is known
profiles = {
    name: weight_by_distance(session, connectivity, bins=8, permutations=arguments.permutations)
    for name, connectivity in (found | {"wiring": torch.from_numpy(wirings["undirected"])}).items()
}
print("\nSpearman of absolute weight and distance:")
for name, profile in profiles.items():
    print(f"  {name:28s} {profile.spearman:6.3f} (p = {profile.p:.3f})")
blocks = connectivity_blocks(
    session,
    found["SynapsNet"],
    "position_y",
    bins=3,
    statistic="mean_absolute_weight",
    permutations=arguments.permutations,
).table
print("\nSynapsNet's weights from third to third of the body (position along it):")
shown = ["sender", "receiver", "pairs", "mean_absolute_weight", "null_mean", "p", "q"]
print(blocks[shown].to_string(index=False, float_format="{:.3f}".format))

# %%
figure, axes = make_figure(13, 8, columns=3, rows=2)
from_the_nose = active[np.argsort(session.position[active, 1].numpy())]
ordered = np.ix_(from_the_nose, from_the_nose)
drawn = {"wiring": torch.from_numpy(wirings["undirected"]), "SynapsNet": found["SynapsNet"], "lag0": found["lag0"]}
for upper, lower, (name, weights) in zip(axes[:3], axes[3:], drawn.items(), strict=True):
    draw_matrix(upper, weights[ordered], name)
    upper.set(xlabel="sender, from the nose backwards", ylabel="receiver, from the nose backwards")
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
