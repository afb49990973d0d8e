# %% [markdown]
# # First steps: from a recording to who drives whom
#
# A simulated population stands in for your recording, because here we know the truth. Open this file as a notebook with
# jupytext, or run it as a script; it takes about half a minute.

# %%
import tempfile
from pathlib import Path

import torch

from synapsnet_pyg import Session, SynapsNet, fit, forecast_session, strongest, to_networkx
from synapsnet_pyg.metrics import connectivity_score, correlation
from synapsnet_pyg.models.registry import build_model
from synapsnet_pyg.plots.canvas import make_figure
from synapsnet_pyg.plots.connectivity import draw_matrix
from synapsnet_pyg.runs.recipe import recipe
from synapsnet_pyg.simulations.population import simulate_population

folder = Path(tempfile.mkdtemp())

# %% [markdown]
# ## A session is a recording as a graph
# Neurons are its nodes. It is one HDF5 file on disk, and `Session.from_arrays` makes one of your own arrays. Each
# neuron and each behaviour is standardised with the training part alone.

# %%
simulate_population(bins=10_000, neurons=300, recorded=60).save(folder / "population.h5")
session = Session.load(folder / "population.h5").standardise()
train, validation, test = session.split()
print(session)

# %% [markdown]
# ## Fit
# `recipe("paper", ...)` is the paper's, one forecast a window; `fast` forecasts 16 bins of each window.

# %%
torch.manual_seed(0)
model = SynapsNet([session])
fit(model, [session], folder, **recipe("fast", session.num_bins))
print(model)

# %% [markdown]
# ## Is the forecast any good?
# A linear forecast is strong. Always look at both.

# %%
linear = build_model("var1", [session])
linear.initialise({session.name: train}, {session.name: validation})
for name, one in (("SynapsNet", model), ("ridge VAR(1)", linear)):
    forecast = forecast_session(one, test, first=5)
    recovered = connectivity_score(one.connectivity(train), session.true_connectivity)
    print(
        f"{name:12s} forecast {correlation(forecast.truth, forecast.forecast).nanmean():.3f}, "
        f"connectivity {recovered.pearson:.3f}"
    )

# %% [markdown]
# ## Who drives whom
# `connectivity[i, j]` is what one unit of neuron j's activity adds to neuron i's next bin.

# %%
connectivity = model.connectivity(train)
figure, (left, right) = make_figure(9, 4, columns=2)
draw_matrix(left, session.true_connectivity, "true")
draw_matrix(right, connectivity, "learned")
figure.savefig(folder / "connectivity.png")

graph = to_networkx(session, strongest(connectivity, top_k=50))
for sender, receiver, weight in sorted(graph.edges(data="weight"), key=lambda edge: -abs(edge[2]))[:5]:
    print(f"{sender} -> {receiver}: {weight:+.3f}")
print(f"the figure is {folder / 'connectivity.png'}")
