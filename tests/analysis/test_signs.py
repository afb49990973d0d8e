import numpy as np
import pandas as pd
import pytest
import torch
from helpers import make_session
from scipy.stats import ttest_ind

from synapsnet_pyg.analysis.significance import edge_significance
from synapsnet_pyg.analysis.signs import SIGNS, NeuronSigns, neuron_signs, signs_by_group
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.models.registry import build_model
from synapsnet_pyg.simulations.neuropixels import simulate_neuropixels


def signs_of(session, rate=0.05):
    """The signs after a closed-form fit."""
    session = session.standardise()
    split, model = session.split(), build_model("var1", [session])
    model.initialise({session.name: split.train}, {session.name: split.validation})
    edges = edge_significance(split.train, resamples=10)
    return neuron_signs(model, split.train, edges, rate=rate), split.train


def common_input(seed, N=10, T=30_000):
    """Neurons without any synapse that receive three slow inputs with different gains."""
    random = np.random.default_rng(seed)
    shared, noise = np.zeros((T, 3)), random.standard_normal((T, 3))
    for t in range(1, T):
        shared[t] = 0.85 * shared[t - 1] + 0.53 * noise[t]
    gain = np.abs(random.standard_normal((3, N)))
    rate = np.exp(np.minimum(shared @ gain / 1.7 + np.log(0.05), 1.0))
    return Session(torch.from_numpy(random.poisson(rate.T)).float(), bin_size=0.005, name="common")


@pytest.fixture(scope="module")
def dale():
    """Signs of a population with Dale's law, and its part."""
    return signs_of(simulate_neuropixels(bins=9000, seed=50))


def test_signs_are_those_of_the_cell_types(dale):
    signs, _ = dale
    called = signs.table[signs.table["sign"] != "undecided"]
    expected = called["cell_type"].map({"excitatory": "excites", "inhibitory": "inhibits"})
    assert len(called) >= 30
    assert (called["sign"] != expected).mean() <= 0.05
    assert set(called["sign"]) == set(SIGNS[:2])
    assert signs.message.startswith(f"{(called['sign'] == 'excites').sum()} neurons excite")


def test_groups_differ_as_their_cell_types(dale):
    signs, session = dale
    groups = signs_by_group(session, signs, "cell_type").set_index("group")
    inhibitory = groups.loc["inhibitory"]
    assert inhibitory["high"] < 0
    assert inhibitory["q_value"] < 1e-6
    assert inhibitory["excites"] == 0
    assert inhibitory["neurons"] + inhibitory["rest"] == session.num_neurons


def test_common_input_gives_no_sign():
    """The mean effects alone would say that many of these neurons excite."""
    alone, called = 0, 0
    for seed in range(4):
        signs, _ = signs_of(common_input(seed))
        alone += int((signs.table["effect"] / signs.table["error"] > 3).sum())
        called += int((signs.table["sign"] != "undecided").sum())
        assert signs.ratio > 0
    assert alone >= 10
    assert called == 0


def test_errors_cover_noise_that_receivers_share():
    """One shared noise without memory: the same mean effect is far less certain than with independent errors."""
    random = torch.Generator().manual_seed(0)
    shared = torch.randn(1, 4000, generator=random)
    session = Session(2 * shared + torch.randn(9, 4000, generator=random), bin_size=0.1, name="shared")
    signs, _ = signs_of(session)
    assert (signs.table["sign"] == "undecided").all()
    assert (signs.table["effect"].abs() < 4 * signs.table["error"]).all()


def test_a_silent_neuron_is_undecided():
    session = make_session(N=9, T=900)
    session.activity[3] = 0.0
    signs, _ = signs_of(session)
    silent = signs.table.iloc[3]
    assert (silent["receivers"], silent["sign"]) == (0, "undecided")
    assert np.isnan([silent["effect"], silent["q_value"]]).all()
    assert signs.table["receivers"].drop(3).eq(7).all()


def test_groups_are_compared_with_the_rest():
    random = np.random.default_rng(0)
    beyond = random.standard_normal(9) + np.repeat([1.0, 0.0], [4, 5])
    session = make_session(N=9, kind=["a"] * 4 + ["b"] * 4 + [""])
    table = pd.DataFrame({"effect": beyond, "beyond": beyond, "sign": ["excites"] * 3 + ["undecided"] * 6})
    groups = signs_by_group(session, NeuronSigns(table, 0.0, 0.0, 0.05), "kind").set_index("group")
    reference = ttest_ind(beyond[:4], beyond[4:], equal_var=False)
    interval = reference.confidence_interval()
    assert groups.loc["a", "p_value"] == pytest.approx(reference.pvalue)
    assert groups.loc["a", ["low", "high"]].tolist() == pytest.approx([interval.low, interval.high])
    assert groups.loc["a", ["neurons", "rest", "excites", "undecided"]].tolist() == [4, 5, 3, 1]


def test_one_neuron_against_the_rest():
    beyond = np.array([5.0, 0.1, -0.2, 0.3, 0.0])
    table = pd.DataFrame({"effect": beyond, "beyond": beyond, "sign": ["undecided"] * 5})
    session = make_session(N=5, kind=["tagged", "", "", "", ""])
    (row,) = signs_by_group(session, NeuronSigns(table, 0.0, 0.0, 0.05), "kind").itertuples()
    assert (row.neurons, row.rest) == (1, 4)
    assert row.p_value == pytest.approx(ttest_ind(beyond[:1], beyond[1:]).pvalue)


def test_a_group_without_rest_has_no_test():
    table = pd.DataFrame({"effect": [1.0] * 5, "beyond": [1.0] * 5, "sign": ["undecided"] * 5})
    (row,) = signs_by_group(make_session(N=5, kind=["a"] * 5), NeuronSigns(table, 0, 0, 0.05), "kind").itertuples()
    assert np.isnan([row.difference, row.low, row.p_value, row.q_value]).all()


def test_groups_of_shuffled_labels_do_not_differ():
    random, p = np.random.default_rng(0), []
    for _ in range(200):
        beyond = random.standard_normal(20)
        table = pd.DataFrame({"effect": beyond, "beyond": beyond, "sign": ["undecided"] * 20})
        session = make_session(N=20, kind=random.permutation(["a"] * 5 + ["b"] * 15).tolist())
        p.append(signs_by_group(session, NeuronSigns(table, 0.0, 0.0, 0.05), "kind")["p_value"][0])
    assert np.mean(np.array(p) <= 0.05) < 0.1


def test_refuses_what_does_not_fit():
    session = make_session(N=9, T=900)
    split, model = session.split(), build_model("var1", [session])
    model.initialise({"demo": split.train}, {"demo": split.validation})
    edges = edge_significance(split.train, resamples=10)
    with pytest.raises(ValueError, match="Expected a rate between 0 and 1"):
        neuron_signs(model, split.train, edges, rate=5)
    with pytest.raises(ValueError, match="Expected tests of 5 neurons"):
        neuron_signs(model, make_session(N=5), edges)
