# %% [markdown]
# # Bugeon et al. 2022: who drives whom among cell types?
#
# Two-photon calcium imaging of mouse V1 whose neurons have transcriptomic types (*Nature* 607, 330-338). Fetch it once
# with `synapsnet download bugeon data/bugeon`, then run this file, as a notebook through jupytext or as a script:
# `python examples/bugeon.py data/bugeon`.

# %%
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

from synapsnet_pyg import Run, SynapsNet, evaluate, fit
from synapsnet_pyg.datasets.bugeon import Bugeon
from synapsnet_pyg.runs.recipe import recipe
from synapsnet_pyg.runs.score_tables import print_scores

root = Path(sys.argv[1] if len(sys.argv) > 1 else "data/bugeon")
epochs = int(sys.argv[2]) if len(sys.argv) > 2 else 12

# %% [markdown]
# ## Sessions
# One item a session that has the stimulus; the runs of a session are segments that no window crosses. Warnings tell of
# blinks that were bridged and of runs left out. A neuron that was matched across days has one id, and one embedding.

# %%
dataset = Bugeon(root, stimulus="spontaneous", states=True)
sessions = [session.standardise() for session in dataset]
for session in sessions:
    print(session)
ids = [neuron for session in sessions for neuron in session.neuron_id]
print(f"{len(ids)} neurons in all sessions, {len(set(ids))} different ones")

# %% [markdown]
# ## One model of all sessions
# All neurons share the dynamics, each session has its own connectivity.

# %%
torch.manual_seed(0)
model = SynapsNet(sessions)
settings = recipe("fast", sum(session.num_bins for session in sessions)) | {"epochs": epochs}
fit(model, sessions, Path(tempfile.mkdtemp()), **settings)
print_scores(evaluate(Run.of(model, sessions, targets=settings["targets"])))

# %% [markdown]
# ## From one cell type to another
# The mean weight from each subclass (columns) to each other (rows), over all pairs of all sessions.

# %%
types = sorted({one for session in sessions for one in session.subclass})
total, count = np.zeros((len(types), len(types))), np.zeros((len(types), len(types)))
for session in sessions:
    member = np.array([[one == kind for kind in types] for one in session.subclass], dtype=float)  # [N, types]
    weights = model.connectivity(session.split().train).fill_diagonal_(0).numpy()
    total += member.T @ weights @ member
    count += member.T @ (1 - np.eye(len(weights))) @ member
print("to \\ from" + "".join(f"{kind:>10s}" for kind in types))
for kind, row in zip(types, total / np.maximum(count, 1), strict=True):
    print(f"{kind:9s}" + "".join(f"{value:10.4f}" for value in row))
