# %% [markdown]
# # Connectivity that changes in time
#
# Synapses learn, and the state of the brain changes which neurons influence each other. Two simulations with known
# weights show how well such changes can be recovered from a recording:
#
# 1. a neuron with a hundred plastic synapses, and the attention weights of NetFormer;
# 2. a population whose weights depend on three brain states, and SynapsNet with modulation by behaviour.
#
# Run this file as a script or open it as a notebook with jupytext. It takes about six minutes on one core, more than
# half of them for the first part. `python examples/changing_connectivity.py --out dynamics` writes the figures into the
# folder `dynamics`.

# %%
import argparse
import tempfile
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from synapsnet_pyg import (
    DynamicConnectivity,
    NetFormer,
    Session,
    compare_conditions,
    connectivity_blocks,
    connectivity_score,
    correlation,
    draw_block_matrix,
    draw_changes,
    draw_trace_agreement,
    draw_weight_traces,
    fit_in_memory,
    make_figure,
    r_squared,
    read_dynamic_connectivity,
    simulate_cell_types,
    simulate_stdp,
    state_blocks,
    state_pairs,
    states_of,
    train_seed_ensemble,
    true_weights_by_state,
    windows_of,
)

parser = argparse.ArgumentParser()
parser.add_argument("--bins", type=int, default=100_000, help="number of milliseconds of the neuron in part 1")
parser.add_argument("--epochs", type=int, default=20, help="number of epochs of NetFormer in part 1")
parser.add_argument("--state-bins", type=int, default=30_000, help="number of bins of the population in part 2")
parser.add_argument("--neurons", type=int, default=100, help="number of neurons in part 2")
parser.add_argument("--state-epochs", type=int, help="number of epochs in part 2; the fast recipe's if not given")
parser.add_argument("--seed", type=int, default=0, help="seed of the models")
parser.add_argument("--out", type=Path, help="folder of the figures; a temporary one if not given")
arguments = parser.parse_args()
out = arguments.out or Path(tempfile.mkdtemp())
out.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## 1. Plastic synapses
# A leaky integrate-and-fire neuron receives a hundred Poisson inputs. A synapse becomes stronger if its input spikes
# shortly before the neuron, and weaker if it spikes shortly after (spike-timing-dependent plasticity). The recording
# holds the voltage and the spikes of the inputs, in bins of 1 ms.

# %%
HISTORY = 5  # number of bins that a model sees

recorded = simulate_stdp(arguments.bins)
true = recorded.edge_weight_series[:, HISTORY - 1 : -1]  # [inputs, windows], in the newest bin of each window
inputs, length = true.shape
print(recorded)
print(f"standard deviation of a weight over time: {float(true.std(1).mean() / true.mean()):.0%} of the mean weight")

# %% [markdown]
# ### NetFormer
# NetFormer's connectivity is its attention, which differs from bin to bin. Inputs are behaviours in its session: they
# send and do not receive. The recipe is the published one, on the first four fifths of the recording.

# %%
train_bins = arguments.bins * 4 // 5
voltage = recorded.activity[:1]
voltage = (voltage - voltage[:, :train_bins].mean()) / voltage[:, :train_bins].std()
session = Session(voltage, recorded.activity[1:].t().contiguous(), bin_size=recorded.bin_size, name=recorded.name)
(windows,), (training,) = windows_of(session, HISTORY), windows_of(session.slice(0, train_bins), HISTORY)

torch.manual_seed(arguments.seed)
model = NetFormer([session], HISTORY, embedding_dim=inputs + 1, width=inputs + 1)
train_seed_ensemble([model], training, epochs=arguments.epochs, batch_size=64, learning_rate=0.005, label="NetFormer")

attention, forecast = [], []
with torch.no_grad():
    for positions in torch.arange(len(windows)).split(512):
        window = windows.gather(positions)
        attention.append(model.attention(window)[:, 0, 1:])
        forecast.append(model(window).activity[:, 0])
attention, forecast = torch.cat(attention).t(), torch.cat(forecast)  # [inputs, windows] and [windows, 1]

# %% [markdown]
# ### Least squares
# A single fit to all training bins gives one constant weight for each input and lag. Fits to nineteen overlapping
# blocks, each a tenth of the recording, give weights that change. One more step helps: a spike resets the voltage by
# 20 mV, which no weighted sum of inputs explains, so the bins with a reset can be left out.

# %%
target = session.activity[0, HISTORY:, None]
series = torch.cat([session.activity, session.behaviour.t()])
past = series.unfold(1, HISTORY, 1)[:, :-1].transpose(0, 1).flatten(1).double()  # [windows, (1 + inputs) HISTORY]
no_reset = recorded.activity[0, HISTORY:] > -75


def solve(bins):
    x, y = past[bins], target[bins].double()
    weights = torch.linalg.lstsq(x - x.mean(0), y - y.mean(0), driver="gelsd").solution
    return weights, y.mean(0) - x.mean(0) @ weights  # weights and intercept


def weights_in(blocks):
    newest = [solve(bins)[0].view(-1, HISTORY)[1:, -1] for bins in blocks]  # of the inputs, in their newest bin
    return torch.stack(newest, dim=1)  # [inputs, blocks]


blocks = torch.arange(length).unfold(0, length // 10, length // 20)
learned = {
    "NetFormer": torch.stack([attention[:, bins].double().mean(1) for bins in blocks], dim=1),
    "least squares in blocks": weights_in(blocks),
    "least squares in blocks, without resets": weights_in([bins[no_reset[bins]] for bins in blocks]),
}
slow = torch.stack([true[:, bins].double().mean(1) for bins in blocks], dim=1)
test = slice(len(training), None)
weights, intercept = solve(torch.arange(len(training)))
for name, values in (("NetFormer", forecast), ("least squares", past @ weights + intercept)):
    print(f"{name:20s} R2 of the forecast of the voltage: {float(r_squared(target[test].t(), values[test].t())):.3f}")

# %% [markdown]
# ### Recovery of each synapse's time series
# - `time series`: the published score, the Pearson correlation over time of a synapse's learned and true weight, both
#   averaged in each block; median over synapses.
# - `chance`, `p`: null in which the learned time series are permuted among the synapses. Weights change slowly, and
#   slow time series often correlate by chance.
# - `sign`: share of synapses with a positive correlation.
# - `mean weights`: Pearson correlation over synapses of the learned and the true mean weight.


# %%
def permuted(values):
    random = np.random.default_rng(0)
    return torch.stack([correlation(slow, values[random.permutation(inputs)]) for _ in range(200)])


agreement = {name: correlation(slow, values) for name, values in learned.items()}
chance = {name: permuted(values) for name, values in learned.items()}
rows = []
for name, values in learned.items():
    null, median = chance[name].quantile(0.5, dim=1), agreement[name].quantile(0.5)
    rows.append(
        {
            "weights": name,
            "time series": float(median),
            "chance": float(null.mean()),
            "p": (1 + int((null >= median).sum())) / (1 + len(null)),
            "sign": float((agreement[name] > 0).double().mean()),
            "mean weights": float(np.corrcoef(slow.mean(1), values.mean(1))[0, 1]),
        }
    )
print(pd.DataFrame(rows).to_string(index=False, float_format="{:.3f}".format))
centred = learned["NetFormer"] - learned["NetFormer"].mean(1, keepdim=True)
variance = torch.linalg.svdvals(centred).square()
print(f"two components explain {float(variance[:2].sum() / variance.sum()):.1%} of the slow changes of the attention")
print(f"attention and true weight correlate at {float(correlation(true, attention).median()):.3f} bin by bin (median)")

# %% [markdown]
# NetFormer's median, 0.63, is as published, and above chance. For two synapses in three the attention rises or falls
# with the weight. But the attention is a function of the last five milliseconds, which carry no information about a
# weight. It changes slowly because the voltage does, so the time series of all hundred synapses are mixtures of the
# same two components. Faster changes are not recovered: bin by bin the correlation is nearly zero. Mean weights are not
# recovered either: layer normalisation after the attention can undo its scale and its sign, and here stronger synapses
# have *smaller* attention (-0.52). The result also depends on the seed. Over the five seeds of `synapsnet experiment
# stdp`, whose learning rate falls to zero, the median ranges from 0.19 to 0.72. Try `--seed`.
#
# Least squares in blocks recovers next to nothing while the resets dominate the error. Without them it recovers the
# time series and the mean of every synapse (0.99 and 1.00), in seconds. The voltage is observed without noise here, so
# real data are harder. Still, where weights change slowly, try least squares in blocks first. A good forecast does not
# prove that the weights inside it are right.

# %%
figure, axes = make_figure(14, 6.6, columns=4, rows=2)
seconds = recorded.bin_size * (blocks[:, 0] + blocks.shape[1] / 2).numpy()
order = np.argsort(agreement["NetFormer"].numpy())
synapses = order[[inputs // 10, inputs // 2, -inputs // 10]]  # low, median and high agreement
for row, name in enumerate(("NetFormer", "least squares in blocks, without resets")):
    for ax, k in zip(axes[4 * row : 4 * row + 3], synapses, strict=True):
        label = f"{name.split(',')[0]}, r = {agreement[name][k]:.2f}"
        draw_weight_traces(ax, seconds, {label: (slow[k].numpy(), learned[name][k].numpy())})
        ax.set_title(f"input {k}")
    draw_trace_agreement(axes[4 * row + 3], agreement[name].numpy(), chance[name].flatten().numpy(), title=name)
figure.savefig(out / "synapses.png", dpi=120)

# %% [markdown]
# In the figure, each learned time series is scaled to the mean and deviation of the true one. Only shapes can
# be compared, not sizes.

# %% [markdown]
# ## 2. Weights that depend on the brain state
# Neurons of four types are connected as in cortex. The brain is in one of three states for some 200 bins at a time:
# running, stationary desynchronised or stationary synchronised. The state scales the output of each type. In running,
# Vip neurons have strong outputs and Sst neurons weak ones; in synchrony it is the reverse. The states are three
# behaviours with values 0 and 1.

# %%
session = simulate_cell_types(arguments.state_bins, neurons=arguments.neurons, states=3)
truth = true_weights_by_state(session)  # [state, receiver, sender]
train = session.split().train
state, names = states_of(train, session.behaviour_name)
cell_types = list(dict.fromkeys(session.cell_type))
print(f"\n{session}")
for s, name in enumerate(names):
    activity = train.activity[:, state == s]
    print(f"{name:27s} {activity.shape[1]:6d} bins, mean {activity.mean():+.2f}, deviation {activity.std():.2f}")

# %% [markdown]
# Mean and deviation of the activity are alike in all states; only the weights differ. So a model cannot infer the state
# from the activity of single neurons. It needs the state as an input that can change its weights.
#
# ### Models
# `fit_in_memory` standardises and splits a session, and trains a model by the fast recipe. All models see the states as
# behaviour. With `modulation=True`, behaviour also scales the output and the input of each neuron, by two numbers for
# each neuron and behaviour. The last model is a control: its states are shifted in time, so it should find no changes.

# %%
shifted = session.clone()
shifted.behaviour = session.behaviour.roll(len(session.behaviour) // 3, 0)
choices = {
    "NetFormer": (session, "netformer", {"window": 5, "embedding_dim": session.num_neurons}),
    "SynapsNet": (session, "synapsnet", {}),
    "SynapsNet, modulated": (session, "synapsnet", {"modulation": True}),
    "control: shifted states": (shifted, "synapsnet", {"modulation": True}),
}
fits = {
    name: fit_in_memory(recording, arguments.seed, kind, epochs=arguments.state_epochs, arguments=options)
    for name, (recording, kind, options) in choices.items()
}

# %% [markdown]
# ### The connectivity in each state
# `DynamicConnectivity` computes the connectivity in every window, a batch at a time. `state_blocks` keeps the mean of
# each state, between neurons and between cell types. Least squares, in all states together and in each state alone, is
# the linear baseline.

# %%
by_type, by_state = {}, {}
for name, fitted in fits.items():
    part, scale = fitted.split.train, fitted.session.activity_scale
    dynamic = DynamicConnectivity(fitted.model, part, batch_size=64)
    by_type[name] = state_blocks(dynamic, "cell_type", states_of(part, names), permutations=100)
    by_state[name] = by_type[name].connectivity * scale[:, None] / scale  # in the units of the recording
design = torch.cat([train.activity, torch.ones(1, train.num_bins)]).t().double()
before, after, origin = design[:-1], train.activity[:, 1:].t().double(), state[:-1]
by_state["least squares"] = torch.linalg.lstsq(before, after).solution[:-1].t().expand(3, -1, -1)
solutions = [torch.linalg.lstsq(before[origin == s], after[origin == s]).solution for s in range(3)]
by_state["least squares in each state"] = torch.stack([solution[:-1].t() for solution in solutions])


def mean_weights(connectivity):
    table = connectivity_blocks(session, connectivity, "cell_type", permutations=1).table
    return table.pivot(index="receiver", columns="sender", values="mean_weight").loc[cell_types, cell_types].to_numpy()


def differences(types):
    return np.stack([types[a] - types[b] for a, b in combinations(range(3), 2)])


truth = true_weights_by_state(session)  # [state, receiver, sender]
types = {name: np.stack([*map(mean_weights, matrices)]) for name, matrices in ({"true": truth} | by_state).items()}
scales = {name: (values * types["true"]).sum() / (types["true"] ** 2).sum() for name, values in types.items()}
changes = {name: differences(values) / scales[name] for name, values in types.items()}
rows = []
for name, matrices in by_state.items():
    constant = np.ptp(changes[name]) < 1e-9
    rows.append(
        {
            "connectivity": name,
            "Pearson": np.mean([connectivity_score(*pair).pearson for pair in zip(matrices, truth, strict=True)]),
            "change": 0 if constant else np.corrcoef(changes[name].ravel(), changes["true"].ravel())[0, 1],
            "size": (changes[name] * changes["true"]).sum() / (changes["true"] ** 2).sum(),
        }
    )
print(pd.DataFrame(rows).round(3).to_string(index=False))

# %% [markdown]
# - `Pearson`: connectivity in each state against the true weights of that state, mean over states.
# - `change`: correlation of learned and true differences between two states, over pairs of cell types.
# - `size`: size of the learned change relative to the true one.
#
# Learned weights are some ten times smaller than true ones, because a saturating tanh reduces their effect. So `size`
# and all changes below are divided by the scale of each method's weights. Each column of the figure has its own colour
# scale.
#
# A constant connectivity is an average over the states. It has a high score (0.87 to 0.90) and no changes. NetFormer's
# connectivity can change, but it follows the activity of single neurons, which does not carry the state; its change is
# a thousandth of the true one, with another pattern. The same holds for a SynapsNet that sees the states without
# modulation. With modulation it recovers the pattern (0.89), three quarters of the size, and the best weights in each
# state (0.91).
#
# Least squares in each state is a strong baseline: pattern 0.81, nine tenths of the size, and noisier weights (0.80),
# because it sees a third of the data at a time. It needs few and known states. Modulation takes any behaviour.

# %%
figure, axes = make_figure(11.5, 8.6, columns=4, rows=3)
columns = ["true", "SynapsNet", "SynapsNet, modulated", "least squares in each state"]
for row, state_name in enumerate(names):
    for column, name in enumerate(columns):
        ax = axes[4 * row + column]
        draw_block_matrix(ax, types[name][row], cell_types)
        limit = float(np.abs(types[name]).max())
        ax.images[0].set_clim(-limit, limit)
        ax.set_title(f"{name}\n{state_name}", fontsize="small")
figure.savefig(out / "states.png", dpi=120)

# %% [markdown]
# ### Significance of differences between states
# The weights of a model that sees the state may depend on it whatever the recording, so a test of the model's weights
# would say nothing. `compare_conditions` refits the effects by least squares in each state, without the state among the
# inputs, and tests their difference against states shifted in time. Shifted states are the control: no differences
# should be found there. On the command line this is `synapsnet compare run --states ... --group-by cell_type`.
#
# All three pairs of states differ (p = 0.01, the smallest of 100 shifts), and 4 to 10 of 16 pairs of types. In the
# control nothing differs. Few single pairs of neurons are called: their weights are small beside the noise.

# %%
for title, recording in (("states", session), ("control: shifted states", shifted)):
    for pair in state_pairs(recording.standardise(), names):
        result = compare_conditions(pair, group_by="cell_type", draws=100)
        table, test = result.blocks, result.any_difference
        print(
            f"{title}: {' against '.join(pair.names)}: mean square difference over its expectation "
            f"{test.mean_square:.2f}, p = {test.p:.3f}"
        )
        print(f"  {int((table['q_any'] < 0.05).sum())} of {len(table)} pairs of types differ", end="")
        print(f", {int((table['q'] < 0.05).sum())} in their mean; {int(result.edges().sum())} pairs of neurons")
table = by_type["SynapsNet, modulated"].differences
pairs = [*combinations(names, 2)]
table["true"] = [
    changes["true"][pairs.index((row.state, row.other)), cell_types.index(row.receiver), cell_types.index(row.sender)]
    for row in table.itertuples()
]
table["learned"] = table["difference"] / scales["SynapsNet, modulated"]
largest = table.sort_values("difference", key=abs, ascending=False).head(8)
print(largest[["sender", "receiver", "state", "other", "learned", "true"]].round(4).to_string(index=False))

figure, (ax,) = make_figure(5.6, 4.6)
methods = ["least squares in each state", "SynapsNet, modulated", "NetFormer", "control: shifted states"]
draw_changes(ax, changes["true"].ravel(), {name: changes[name].ravel() for name in methods})
ax.set(xlabel="true change of mean weight between two states", ylabel="learned change")
figure.savefig(out / "changes.png", dpi=120)

# %% [markdown]
# ### A file of every window
# `save` writes the connectivity of every window to one HDF5 file, a batch at a time. `read_dynamic_connectivity` reads
# it in the same way.

# %%
part = fits["SynapsNet, modulated"].split.test
dynamic = DynamicConnectivity(fits["SynapsNet, modulated"].model, part)
dynamic.save(out / "connectivity.h5")
saved = read_dynamic_connectivity(out / "connectivity.h5")
size = (out / "connectivity.h5").stat().st_size / 1e6
print(f"\n{size:.0f} MB for {len(saved.bins)} windows of {len(saved.neuron_id)} neurons; edges that change most:")
edges = dynamic.moments().strongest(3, by="deviation")
for (sender, receiver), mean, deviation in zip(edges.edge_index.t(), edges.mean, edges.deviation, strict=True):
    print(f"{saved.neuron_id[sender]} -> {saved.neuron_id[receiver]}: {mean:+.3f} +- {deviation:.3f}")
print(f"figures and file: {out.resolve()}")

# %% [markdown]
# ## In a recording
# The same for the mice of Bugeon et al. (2022), with types of neurons and states of the brain:
#
# ```python
# session = Bugeon("data/bugeon", stimulus="spontaneous", states=True)[0]
# fitted = fit_in_memory(session, seed=0, arguments={"modulation": True})
# train = fitted.split.train
# dynamic = DynamicConnectivity(fitted.model, train)
# by_type = state_blocks(dynamic, "subclass", states_of(train, session.behaviour_name[-3:]))
# ```
#
# There the true weights are unknown, and states do change the activity. So fit a control with shifted states too.
