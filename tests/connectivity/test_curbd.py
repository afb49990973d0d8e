import numpy as np
import pytest
import torch
from helpers import make_session

from synapsnet_pyg.connectivity.curbd import CURBD, join_segments
from synapsnet_pyg.connectivity.curbd_network import normalise

ORACLES = ["curbd.npz", "curbd_interpolated.npz"]


def fit_reference(reference, **options):
    given = {key.removeprefix("params/"): reference[key] for key in reference if key.startswith("params/")}
    per_bin = float(given["dtData"])
    curbd = CURBD(
        **{
            "steps_per_bin": int(given["dtFactor"]),
            "time_constant": float(given["tauRNN"]) / per_bin,
            "plasticity": float(given["P0"]),
            "training_runs": int(given["nRunTrain"]),
            "free_runs": int(given["nRunFree"]),
            "patience": None,
            "legacy_alignment": True,
            **options,
        },
    )
    drawn = {"noise": reference["inputWN"], "start": reference["J0"]}
    return curbd.train_network(reference["activity"], resets=given["resetPoints"].tolist(), **drawn)


def agree(ours, expected, tolerance):
    np.testing.assert_allclose(ours, expected, rtol=0, atol=tolerance * max(1, np.abs(expected).max()))


@pytest.mark.parametrize("name", ORACLES)
def test_agrees_with_oracle_in_legacy_alignment(oracle, name):
    reference = oracle(name)
    agree(normalise(reference["activity"]), reference["activity_normalised"], 1e-12)
    found = fit_reference(reference)
    agree(found.connectivity, reference["J"], 1e-8)
    agree(found.inverse_correlation, reference["P"], 1e-8)
    agree(found.states, reference["RNN"], 1e-8)
    agree(found.p_var, reference["pVars"], 1e-8)
    agree(found.chi2, reference["chi2s"], 1e-8)
    assert found.training_runs == int(reference["params/nRunTrain"])
    assert not found.converged


@pytest.mark.parametrize("name", ORACLES)
def test_first_runs_agree_with_oracle(oracle, name):
    reference = oracle(name)
    once = fit_reference(reference, training_runs=1, free_runs=0)
    agree(once.connectivity, reference["J_after_1_run"], 1e-10)
    agree(once.inverse_correlation, reference["P_after_1_run"], 1e-10)
    agree(once.states, reference["RNN_run_1"], 1e-10)
    twice = fit_reference(reference, training_runs=2, free_runs=0)
    agree(twice.connectivity, reference["J_after_2_runs"], 1e-10)


def run_plainly(d, J, P, noise, q, time_constant, resets, runs):
    """The equations one by one, state t compared with bin t / q."""
    for _ in range(runs):
        h, states = d[:, 0], []
        for t in range((d.shape[1] - 1) * q + 1):
            if t in resets:
                h = d[:, t // q]
            r = np.tanh(h)
            states.append(r)
            h = h + (-h + J @ r + noise[:, t]) / (time_constant * q)
            if t % q == 0:
                e, g = r - d[:, t // q], P @ r
                c = 1 / (1 + r @ g)
                P, J = P - c * np.outer(g, g), J - c * np.outer(e, g)
    return J, P, np.stack(states, axis=1)


@pytest.mark.parametrize("q", [1, 3])
def test_fast_path_is_the_equations_step_by_step(q):
    random = np.random.default_rng(0)
    activity, noise = random.standard_normal((4, 41)), 0.01 * random.standard_normal((4, 40 * q + 1))
    start, resets = random.standard_normal((4, 4)), [0, 12 * q]
    curbd = CURBD(steps_per_bin=q, time_constant=2.5, training_runs=3, free_runs=0)
    found = curbd.train_network(activity, resets=resets, noise=noise, start=start)
    J, P, states = run_plainly(normalise(activity), start, np.eye(4), noise, q, 2.5, resets, runs=3)
    agree(found.connectivity, J, 1e-10)
    agree(found.inverse_correlation, P, 1e-10)
    agree(found.states, states, 1e-10)
    left = normalise(activity) - states[:, ::q]
    assert found.p_var[-1] == pytest.approx(1 - (left**2).mean() / normalise(activity).var())
    assert found.chi2[-1] == pytest.approx((left**2).mean(0).sum())


def test_learns_until_it_brings_no_more():
    time = np.arange(80)
    activity = np.stack([np.sin(time / 5 + phase) for phase in range(6)])
    found = CURBD(time_constant=4.0, training_runs=300, patience=5, free_runs=2).train_network(activity)
    assert found.converged
    assert len(found.p_var) == found.training_runs + 2 < 300
    assert found.p_var[-1] > 0.9 > found.p_var[0]


def test_a_segment_starts_from_its_own_activity():
    session = make_session(N=3, T=100, segment=torch.tensor([[5, 40], [45, 70], [70, 80], [90, 100]]))
    train = session.standardise().split().train
    activity, first_bins = join_segments(train)
    assert activity.shape == (3, 35 + 25)
    assert first_bins == [0, 35]
    curbd = CURBD(steps_per_bin=3, training_runs=2)
    found = curbd.train_network(activity, resets=[0, 3 * 35])
    agree(found.states[:, [0, 105]], np.tanh(normalise(activity)[:, [0, 35]]), 1e-12)
    agree(curbd.fit(train).connectivity_.numpy(), found.connectivity, 1e-6)
    assert curbd.details_["p_var"] == found.p_var[-1]


def test_refuses_what_cannot_be_trained():
    activity = np.random.default_rng(0).standard_normal((3, 20))
    with pytest.raises(ValueError, match="one training run"):
        CURBD(training_runs=0)
    with pytest.raises(ValueError, match="longer one or more steps"):
        CURBD(time_constant=0.25)
    with pytest.raises(ValueError, match=r"noise of shape \[3, 39\]"):
        CURBD().train_network(activity, noise=np.zeros((3, 20)))
    with pytest.raises(ValueError, match="above 0 somewhere"):
        CURBD().train_network(-np.abs(activity))
