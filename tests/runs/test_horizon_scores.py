import json
import math

import numpy as np
import pytest
import torch
from helpers import Faded, make_session

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.metrics import bits_per_spike
from synapsnet_pyg.models.registry import build_model
from synapsnet_pyg.runs.horizon_scores import HorizonScore, score_by_method, score_horizons
from synapsnet_pyg.runs.scores import score


def counts(N=4, T=300) -> Session:
    random = torch.Generator().manual_seed(3)
    activity = torch.poisson(torch.rand(N, 1, generator=random).expand(N, T) + 1.5, generator=random)
    return Session(activity, bin_size=0.1, name="counts").standardise()


def test_each_score_by_hand():
    session = counts()
    split, H, first = session.split(), 3, 5
    mean, scale = session.activity_mean.double().numpy(), session.activity_scale.double().numpy()
    test = split.test.activity.double().numpy()
    starts = range(first, test.shape[1] - H + 1)
    for h, ours in enumerate(score_horizons(Faded([session], horizon=H), session, split, H, first=first)):
        truth = np.stack([test[:, t + h] for t in starts], 1)
        forecast = np.stack([0.5 ** (h + 1) * test[:, t - 2] for t in starts], 1)
        copied = np.stack([test[:, t - 1] for t in starts], 1)
        errors = {name: ((truth - other) ** 2).mean() for name, other in (("model", forecast), ("copy", copied))}
        over_time = [np.corrcoef(x, y)[0, 1] for x, y in zip(truth, forecast, strict=True)]
        over_neurons = [np.corrcoef(x, y)[0, 1] for x, y in zip(truth.T, forecast.T, strict=True)]
        assert ours.correlation == pytest.approx(np.mean(over_time), abs=1e-5)
        assert ours.mse == pytest.approx(errors["model"], rel=1e-5)
        assert ours.mae == pytest.approx((np.abs(truth - forecast) * scale[:, None]).mean(), rel=1e-5)
        assert ours.against_copy == pytest.approx(1 - errors["model"] / errors["copy"], abs=1e-5)
        assert ours.spatial == pytest.approx(np.mean(over_neurons), abs=1e-5)
        assert ours.population == pytest.approx(np.corrcoef(truth.mean(0), forecast.mean(0))[0, 1], abs=1e-5)
        raw, rates = (torch.from_numpy(x * scale[:, None] + mean[:, None]) for x in (truth, forecast))
        expected = bits_per_spike(raw.round(), rates, torch.from_numpy(mean))
        assert ours.bits_per_spike == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("targets", [1, 4])
def test_a_copy_scores_zero_against_itself(targets):
    session = make_session(T=200).standardise()
    scores = score_horizons(build_model("copy", [session]), session, session.split(), 4, targets=targets)
    assert [one.against_copy for one in scores] == [0.0] * 4


def test_the_mean_rate_has_no_bits_and_other_activity_none():
    session = counts()
    scores = score_horizons(build_model("mean", [session]), session, session.split(), 2)
    assert [one.bits_per_spike for one in scores] == pytest.approx([0, 0], abs=1e-6)
    traces = make_session(T=200).standardise()
    (only,) = score_horizons(build_model("mean", [traces]), traces, traces.split(), 1)
    assert math.isnan(only.bits_per_spike)
    assert only.to_json()["bits_per_spike"] is None
    assert HorizonScore.from_json(json.loads(json.dumps(only.to_json()))).mse == only.mse


@pytest.mark.parametrize("name", ["var1", "synapsnet"])
def test_one_bin_ahead_is_the_score_of_one_step(name):
    session = make_session(T=200).standardise()
    model, split = build_model(name, [session]), session.split()
    model.initialise({session.name: split.train}, {session.name: split.validation})
    (ahead,), one = score_horizons(model, session, split, 1, targets=3), score(model, session, split, targets=3)
    assert (ahead.correlation, ahead.mse) == (one.correlation, one.mse)


def test_a_direct_model_is_scored_in_both_ways():
    session = make_session(T=200).standardise()
    both = score_by_method(Faded([session], horizon=3), session, session.split(), 3)
    assert list(both) == ["direct", "rolled"]
    assert both["direct"][0] == both["rolled"][0]  # the first step is the same
    assert both["direct"][2] != both["rolled"][2]
    assert list(score_by_method(Faded([session]), session, session.split(), 3)) == ["rolled"]


def test_without_a_neuron_that_varies_nothing_is_scored():
    session = make_session(N=3, T=100)
    session.activity[:] = 1.0
    session = session.standardise()
    (one, _) = score_horizons(build_model("mean", [session]), session, session.split(), 2)
    assert all(math.isnan(value) for value in one)
