# %% [markdown]
# # Does a model of recordings foretell which neuron moves which?
#
# In *C. elegans*, single neurons were stimulated while all others were recorded (Randi et al. 2023): a measured
# perturbation, with names of the neurons. Models here see other worms, freely moving and never stimulated (Dag et al.
# 2023). They say which neuron would respond to which. Run this file as a script or open it as a notebook with jupytext:
#
# ```sh
# python examples/signal_propagation.py data/worms data/signal_propagation.npz
# ```
#
# The first argument is a folder of recordings, one `.npz` file for each worm. The second is a file with `neuron_ids`
# and `wt_q`, the false discovery rate of "the receiver responds to the sender", [receiver, sender], NaN where it was
# not observed. The script takes a few minutes and writes `signal-propagation.png` into the working folder.

# %%
import argparse
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from synapsnet_pyg import (
    ArrayKeys,
    Drive,
    MeasuredPropagation,
    Recipe,
    Selection,
    SynapsNet,
    build_model,
    effect_intervals,
    estimate,
    fit,
    forecast_session,
    make_figure,
    propagation_agreement,
    read_session,
    stimulation_responses,
)

parser = argparse.ArgumentParser()
parser.add_argument("recordings", type=Path, help="folder of .npz files, one for each worm")
parser.add_argument("propagation", type=Path, help=".npz file of measured propagation")
parser.add_argument("--worms", type=int, help="number of worms; all if not given")
parser.add_argument("--epochs", type=int, help="number of epochs; the fast recipe's if not given")
parser.add_argument("--as-published", action="store_true", help="SynapsNet as in the paper, without a linear path")
parser.add_argument("--steps", type=int, nargs="+", default=[1, 5, 10, 20], help="bins ahead of roll-outs")
parser.add_argument("--starts", type=int, default=16, help="number of windows in which roll-outs start")
parser.add_argument("--samples", type=int, default=1000, help="number of bootstrap samples of worms")
parser.add_argument("--permutations", type=int, default=200, help="number of shuffles of the null")
arguments = parser.parse_args()

# %% [markdown]
# ## Worms and measured propagation
# A neuron that was identified in two worms has the same id in both. A pair counts as responding where q < 0.05.

# %%
sessions = [
    read_session(
        path,
        Selection(behaviour=["behavior_velocity", "behavior_head_angle"]),
        keys=ArrayKeys("trace_zscored", ("bin", "neuron"), times="timestamp_confocal", neuron_ids="neuron_label"),
    ).standardise()
    for path in sorted(arguments.recordings.glob("*.npz"))[: arguments.worms]
]
with np.load(arguments.propagation) as file:
    q = file["wt_q"]
    measured = MeasuredPropagation(file["neuron_ids"].tolist(), np.where(np.isnan(q), np.nan, q < 0.05))
for session in sessions:
    print(f"{session}: {len(measured.rows(session.neuron_id)[0])} neurons of the atlas")

# %% [markdown]
# ## Scores of pairs
# Estimators see the whole recording; ridge VAR chooses its ridge on the validation part. `SynapsNet` is one model of
# all worms, with shared dynamics and embeddings.
#
# Three kinds of prediction come from a forecaster. Its *connectivity* is the effect of one neuron on the next bin of
# another. A *roll-out* holds a neuron up and forecasts the others several bins ahead. A *stimulation* does the same,
# and starts with what happens within one bin: neurons that have forecast errors together are stimulated together
# (`stimulation_responses`). A bin of 0.6 s is long for a worm.

# %%
torch.manual_seed(0)
synapsnet = SynapsNet(sessions, linear_path=not arguments.as_published)
bins = sum(session.num_bins for session in sessions)
recipe = Recipe.fast(bins, len(sessions)).changed(patience=20, epochs=arguments.epochs)
fit(synapsnet, sessions, tempfile.mkdtemp(), recipe)


def in_closed_form(name, session):
    train, validation, _ = session.split()
    model = build_model(name, [session])
    model.initialise({session.name: train}, {session.name: validation})
    return model


def error_correlation(model, session):
    forecast = forecast_session(model, session)
    return torch.corrcoef(forecast.truth - forecast.forecast).nan_to_num()


def ranks(score):
    return pd.Series(score.abs().fill_diagonal_(0).flatten().numpy()).rank().to_numpy().reshape(score.shape)


def scores(session):
    train, validation, _ = session.split()
    found = {name: estimate(name, session).connectivity for name in ("lag0", "lag1")}
    found["ridge VAR"] = estimate("ridge_var", train, validation).connectivity
    found["partial correlation"] = estimate("partial_correlation", session).connectivity
    found["errors of AR(5), correlation"] = error_correlation(in_closed_form("ar5", session), session)
    found["errors of SynapsNet, correlation"] = error_correlation(synapsnet, session)
    found["SynapsNet, connectivity"] = synapsnet.connectivity(train)
    start = {"max_windows": arguments.starts, "horizon": max(arguments.steps)}
    stimuli = [Drive(neuron, held=True) for neuron in range(session.num_neurons)]
    effect = effect_intervals(synapsnet, session, stimuli, blocks=2, **start).effect.permute(2, 1, 0)
    for step in arguments.steps:
        found[f"SynapsNet, roll-out, {step} bins"] = effect[step - 1]
    for name, model in {"ridge VAR": in_closed_form("var1", session), "SynapsNet": synapsnet}.items():
        responses = stimulation_responses(model, session, **start)
        for step in arguments.steps:
            found[f"{name}, stimulation, {step} bins"] = responses[step - 1]
    both = ranks(responses.mean(0)) + ranks(found["partial correlation"])
    found["SynapsNet, stimulation, mean over bins"] = responses.mean(0)
    found["SynapsNet, stimulation, and partial correlation"] = torch.from_numpy(both)
    return found


found = [scores(session) for session in sessions]

# %% [markdown]
# ## Agreement
# AUROC is the probability that a pair that responds has a larger absolute score than a pair that does not; 0.5 is
# chance. `one worm` is the mean over worms of the AUROC of each. `worms together` is the AUROC of the mean over worms,
# of ranks within each worm, for pairs that at least three worms have, with its 95 % interval over worms (bootstrap).
# `difference` is that to the partial correlation, in the same bootstrap samples. `of values` is the mean of absolute
# scores in place of ranks. p is from shuffles of the names.

# %%
names = [session.neuron_id for session in sessions]
options = {"least": min(3, len(sessions)), "samples": arguments.samples, "permutations": arguments.permutations}
agreement = {
    name: propagation_agreement([matrices[name] for matrices in found], names, measured, **options) for name in found[0]
}
reference = agreement["partial correlation"]
rows = []
for name, score in agreement.items():
    values = [matrices[name] for matrices in found]
    plain = propagation_agreement(values, names, measured, ranked=False, **options | {"permutations": 1})
    difference, error = score.advantage(reference)
    rows.append(
        {
            "score": name,
            "one worm": score.each.mean(),
            "worms together": score.mean,
            "low": score.interval[0],
            "high": score.interval[1],
            "difference": difference,
            "+- 1.96 errors": 1.96 * error,
            "of values": plain.mean,
            "p": score.p_value,
        }
    )
table = pd.DataFrame(rows)
print(f"\nAUROC of {reference.pairs} pairs, {reference.responding} of which respond:")
print(table.to_string(index=False, float_format="{:.3f}".format))

# %%
figure, (left, right) = make_figure(11, 4.6, columns=2)
place = np.arange(len(table))[::-1]
left.errorbar(
    table["worms together"], place, xerr=table["high"] - table["worms together"], fmt="o", ms=4, label="worms together"
)
left.plot(table["one worm"], place, "o", ms=4, mfc="white", label="one worm, mean")
left.axvline(0.5, color="0.4", lw=1, ls="--")
left.set_yticks(place, table["score"], fontsize="small")
left.set(xlabel="AUROC of measured propagation")
left.legend(frameon=False, fontsize="small", loc="lower left")
for kind, marker in {"SynapsNet, roll-out": "s", "SynapsNet, stimulation": "o", "ridge VAR, stimulation": "^"}.items():
    curve = [agreement[f"{kind}, {step} bins"].mean for step in arguments.steps]
    right.plot(np.array(arguments.steps) * sessions[0].bin_size, curve, marker=marker, ms=4, label=kind)
right.axhline(reference.mean, color="0.4", lw=1, ls="--", label="partial correlation")
right.set(xlabel="time of the stimulus (s)", ylabel="AUROC, worms together")
right.legend(frameon=False, fontsize="small")
figure.savefig("signal-propagation.png", dpi=120)
