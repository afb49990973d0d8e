# %% [markdown]
# # First steps: from a recording to its functional connectivity
#
# A simulated population stands in for your recording, because its true connectivity is known. Run this file as a
# script, `python examples/first_steps.py`, or open it as a notebook with jupytext. It takes less than a minute.

# %%
import tempfile
from pathlib import Path

import torch

from synapsnet_pyg import (
    Recipe,
    Run,
    Session,
    SynapsNet,
    connectivity_score,
    draw_matrix,
    evaluate,
    fit,
    make_figure,
    print_scores,
    simulate_population,
    strongest,
    to_networkx,
)

folder = Path(tempfile.mkdtemp())

# %% [markdown]
# ## A session
# A `Session` is one recording as a graph: its nodes are neurons, and `activity` has the shape [neurons, bins]. It is
# saved as one HDF5 file. For your own arrays use `Session.from_arrays(activity, behaviour, bin_size=0.033)`.

# %%
simulate_population(bins=10_000, neurons=300, recorded=60).save(folder / "population.h5")
session = Session.load(folder / "population.h5").standardise()
print(session)

# %% [markdown]
# `standardise` scales each neuron by the mean and deviation of its training part. `split` returns the parts: the first
# 80 % of the bins for training, then 10 % for validation and 10 % for testing.

# %%
train, validation, test = session.split()

# %% [markdown]
# ## A fit
# `Recipe()` trains as in the paper. `Recipe.fast` takes a tenth of the time.

# %%
torch.manual_seed(0)
model = SynapsNet([session])
recipe = Recipe.fast(session.num_bins)
fit(model, [session], folder, recipe)

# %% [markdown]
# ## The forecast
# `evaluate` scores the model on the test part, and simple forecasts with it: mean, copy of the last bin, also damped
# (`damped_copy`), autoregression (`ar5`; `linear` with weights that neurons share, `linear_rrr` corrected by the
# population) and vector autoregression (`var1`, `var5`). Linear forecasts are strong, so always compare.
# Since the session knows its true connectivity, that is scored too.

# %%
print_scores(evaluate(Run.of(model, [session], recipe)))

# %% [markdown]
# ## The connectivity
# `connectivity[i, j]` is the effect of neuron j on neuron i: the change of i's activity in the next bin for one unit of
# j's activity.

# %%
connectivity = model.connectivity(train)
score = connectivity_score(connectivity, session.true_connectivity)
print(f"\ncorrelation of learned and true connectivity: {score.pearson:.3f}")

figure, (left, right) = make_figure(9, 4, columns=2)
draw_matrix(left, session.true_connectivity, "true")
draw_matrix(right, connectivity, "learned")
figure.savefig(folder / "connectivity.png")
print(f"figure: {folder / 'connectivity.png'}")

# %% [markdown]
# ## The graph
# `to_networkx` returns a directed graph, sender -> receiver, for all tools of networkx. Here are its strongest edges.
# `edges_to_trust.py` shows how to test which edges are significant.

# %%
graph = to_networkx(session, strongest(connectivity, top_k=50))
edges = sorted(graph.edges(data="weight"), key=lambda edge: abs(edge[2]), reverse=True)
for sender, receiver, weight in edges[:5]:
    print(f"{sender} -> {receiver}: {weight:+.3f}")
