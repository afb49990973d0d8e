# %% [markdown]
# # Bugeon et al. 2022: connectivity between cell types
#
# Two-photon calcium imaging of mouse V1, with a transcriptomic type for each neuron (*Nature* 607, 330-338). Download
# it once, then run this file as a script or open it as a notebook with jupytext:
#
# ```sh
# synapsnet download bugeon data/bugeon
# python examples/bugeon.py data/bugeon
# ```

# %%
import sys
import tempfile

import numpy as np
import torch

from synapsnet_pyg import Bugeon, Recipe, Run, SynapsNet, evaluate, fit, print_scores

root = sys.argv[1] if len(sys.argv) > 1 else "data/bugeon"
epochs = int(sys.argv[2]) if len(sys.argv) > 2 else 12

# %% [markdown]
# ## Sessions
# The dataset has one item for each session with the stimulus. The runs of a session are segments; no window crosses
# their borders. Warnings list interpolated blinks and runs that were left out. A neuron that was matched across days
# has one id, and so one embedding.

# %%
dataset = Bugeon(root, stimulus="spontaneous", states=True)
sessions = [session.standardise() for session in dataset]
for session in sessions:
    print(session)
ids = [neuron for session in sessions for neuron in session.neuron_id]
print(f"{len(ids)} neurons in all sessions, {len(set(ids))} different ones")

# %% [markdown]
# ## One model of all sessions
# Sessions share the dynamics; each has its own connectivity.

# %%
torch.manual_seed(0)
model = SynapsNet(sessions)
recipe = Recipe.fast(sum(session.num_bins for session in sessions)).changed(epochs=epochs)
fit(model, sessions, tempfile.mkdtemp(), recipe)
print_scores(evaluate(Run.of(model, sessions, recipe)))

# %% [markdown]
# ## Connectivity between cell types
# The mean weight from each subclass (columns) to each other subclass (rows), over all pairs of neurons in all sessions.

# %%
types = sorted({subclass for session in sessions for subclass in session.subclass})
total, count = np.zeros((len(types), len(types))), np.zeros((len(types), len(types)))
for session in sessions:
    member = (np.array(session.subclass)[:, None] == np.array(types)).astype(float)  # [N, types]
    weights = model.connectivity(session.split().train).fill_diagonal_(0).numpy()
    total += member.T @ weights @ member
    count += member.T @ (1 - np.eye(len(weights))) @ member
print("to \\ from" + "".join(f"{subclass:>10s}" for subclass in types))
for subclass, row in zip(types, total / np.maximum(count, 1), strict=True):
    print(f"{subclass:9s}" + "".join(f"{value:10.4f}" for value in row))
