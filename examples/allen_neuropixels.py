# %% [markdown]
# # Allen Visual Coding, Neuropixels: the graph of a visual hierarchy
#
# Spikes from six probes in mouse visual cortex, thalamus and hippocampus (Siegle et al. 2021, *Nature* 592, 86-92).
# Download sessions of 2 to 3 GB each, then run this file as a script or open it as a notebook with jupytext:
#
# ```sh
# synapsnet download allen-neuropixels data/allen --sessions 715093703,719161530
# python examples/allen_neuropixels.py data/allen
# ```

# %%
import sys
import tempfile
from collections import Counter

import torch

from synapsnet_pyg import (
    AllenNeuropixels,
    Recipe,
    Run,
    SynapsNet,
    evaluate,
    fit,
    print_scores,
    strongest,
    to_networkx,
)

root = sys.argv[1] if len(sys.argv) > 1 else "data/allen"
epochs = int(sys.argv[2]) if len(sys.argv) > 2 else 12

# %% [markdown]
# ## Sessions of one stimulus
# Units that pass the published filters, in bins of 33.3 ms. Each presentation block of the stimulus is a segment. A
# session without the stimulus is left out with a warning.

# %%
dataset = AllenNeuropixels(root, stimulus="natural scenes")
sessions = [session.standardise() for session in dataset]
for session in sessions:
    print(session)
    print("   areas:", ", ".join(f"{area} {count}" for area, count in Counter(session.area).most_common()))

# %% [markdown]
# ## One model of all sessions
# Sessions share the dynamics; each has its own connectivity. Scores of linear forecasts are printed too.

# %%
torch.manual_seed(0)
model = SynapsNet(sessions)
recipe = Recipe.fast(sum(session.num_bins for session in sessions)).changed(epochs=epochs)
fit(model, sessions, tempfile.mkdtemp(), recipe)
print_scores(evaluate(Run.of(model, sessions, recipe)))

# %% [markdown]
# ## Connectivity between areas
# The 500 strongest edges of the first session, counted for each pair of areas.

# %%
session = sessions[0]
graph = to_networkx(session, strongest(model.connectivity(session.split().train), top_k=500))
between = Counter((graph.nodes[sender]["area"], graph.nodes[receiver]["area"]) for sender, receiver in graph.edges)
for (sender, receiver), count in between.most_common(10):
    print(f"{sender:6s} -> {receiver:6s} {count} of the {graph.number_of_edges()} strongest edges")
