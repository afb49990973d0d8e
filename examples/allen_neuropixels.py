# %% [markdown]
# # Allen Visual Coding, Neuropixels: the graph of a visual hierarchy
#
# Spikes of six probes in mouse visual cortex, thalamus and hippocampus (Siegle et al. 2021, *Nature* 592, 86-92). Fetch
# sessions, 2 to 3 GB each, with `synapsnet download allen-neuropixels data/allen --sessions 715093703,719161530`, then
# run this file, as a notebook through jupytext or as a script: `python examples/allen_neuropixels.py data/allen`.

# %%
import sys
import tempfile
from collections import Counter
from pathlib import Path

import torch

from synapsnet_pyg import Run, SynapsNet, evaluate, fit, strongest, to_networkx
from synapsnet_pyg.datasets.allen_neuropixels import AllenNeuropixels
from synapsnet_pyg.runs.recipe import recipe
from synapsnet_pyg.runs.score_tables import print_scores

root = Path(sys.argv[1] if len(sys.argv) > 1 else "data/allen")
epochs = int(sys.argv[2]) if len(sys.argv) > 2 else 12

# %% [markdown]
# ## Sessions of one stimulus
# Units that pass the published filters, in bins of 33.3 ms; every block of the stimulus is a segment. Sessions that
# lack the stimulus are left out with a warning.

# %%
dataset = AllenNeuropixels(root, stimulus="natural scenes")
sessions = [session.standardise() for session in dataset]
for session in sessions:
    print(session)
    print("   areas:", ", ".join(f"{area} {count}" for area, count in Counter(session.area).most_common()))

# %% [markdown]
# ## One model of all sessions, beside linear forecasts

# %%
torch.manual_seed(0)
model = SynapsNet(sessions)
settings = recipe("fast", sum(session.num_bins for session in sessions)) | {"epochs": epochs}
fit(model, sessions, Path(tempfile.mkdtemp()), **settings)
print_scores(evaluate(Run.of(model, sessions, targets=settings["targets"])))

# %% [markdown]
# ## Who drives whom
# The strongest edges of the first session as a networkx graph, counted from area to area.

# %%
session = sessions[0]
graph = to_networkx(session, strongest(model.connectivity(session.split().train), top_k=500))
between = Counter((graph.nodes[j]["area"], graph.nodes[i]["area"]) for j, i in graph.edges)
for (sender, receiver), count in between.most_common(10):
    print(f"{sender:6s} -> {receiver:6s} {count} of the {graph.number_of_edges()} strongest edges")
