from itertools import combinations

import numpy as np
import pytest
import torch
from helpers import make_session
from scipy.stats import spearmanr

from synapsnet_pyg.analysis.blocks import connectivity_blocks
from synapsnet_pyg.analysis.dynamic_connectivity import DynamicConnectivity
from synapsnet_pyg.analysis.false_discovery import benjamini_hochberg
from synapsnet_pyg.analysis.states import States, block_agreement, block_matrix, state_and_rest, state_blocks, states_of
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.models.forecaster import Forecaster

TYPES = ["E", "Pv", "E", "", "E", "Sst", "Pv"]
NAMES = ["running", "still", "asleep"]


class Told(Forecaster):
    """Its connectivity is what the first behaviour adds to given pairs, and products of activities."""

    def __init__(self, sessions, added, window=3):
        super().__init__(sessions, window)
        self.added = added

    def connectivity_at(self, window):
        newest, gate = window.activity[..., -1], window.behaviour[:, -1, 0]
        return newest[:, :, None] * newest[:, None] + gate[:, None, None] * self.added


def recorded(T=90, state=None, **fields) -> Session:
    """Seven neurons whose state is told by three behaviours of 0 and 1."""
    state = torch.arange(T) // 8 % 4 - 1 if state is None else state
    behaviour = (state[:, None] == torch.arange(3)).float()
    random = torch.Generator().manual_seed(T)
    return Session(
        torch.randn(7, T, generator=random),
        behaviour,
        bin_size=0.1,
        behaviour_name=NAMES,
        cell_type=TYPES,
        name="demo",
        **fields,
    )


def dynamic_of(session, added=None) -> DynamicConnectivity:
    return DynamicConnectivity(Told([session], torch.zeros(7, 7) if added is None else added), session, batch_size=16)


@pytest.mark.parametrize("standardised", [False, True])
def test_states_are_read_from_behaviours(standardised):
    session = recorded()
    expected = torch.arange(90) // 8 % 4 - 1
    session = session.standardise().split().train if standardised else session
    result = states_of(session, NAMES)
    assert result.names == NAMES
    assert result.state.tolist() == expected[: session.num_bins].tolist()
    swapped = states_of(session, ["asleep", "running"]).state
    assert swapped.tolist() == [{2: 0, 0: 1}.get(s, -1) for s in expected[: session.num_bins].tolist()]


def test_a_state_that_training_never_saw_is_read_too():
    session = recorded(state=(torch.arange(90) >= 85).long() * 2).standardise()
    assert states_of(session, NAMES).state.tolist() == [0] * 85 + [2] * 5


def test_refuses_what_is_no_state():
    session = make_session(N=2, T=30)
    for names, message in (
        (["running"], "among the behaviours behaviour 0, behaviour 1 .got running"),
        ([], "got none"),
        (["behaviour 1", "behaviour 1"], "Expected different states"),
        (["behaviour 1"], "Expected behaviour 'behaviour 1' of 0 and 1 .got .* in bin 0"),
    ):
        with pytest.raises(ValueError, match=message):
            states_of(session, names)
    session = recorded()
    session.behaviour[11] = torch.tensor([0.0, 1.0, 1.0])
    with pytest.raises(ValueError, match="got still and asleep in bin 11"):
        states_of(session.standardise(), NAMES)


def every_window(dynamic):
    """All connectivities at once, and the state of each window, -1 where it changes."""
    state, W = states_of(dynamic.session, NAMES).state, dynamic.model.window
    spans = [set(state[t - W + 1 : t + 2].tolist()) for t in dynamic.bins.tolist()]
    own = np.array([span.pop() if len(span) == 1 else -1 for span in spans])
    return torch.cat([connectivity for _, connectivity in dynamic]).double().numpy(), own


def test_loops_over_pairs_and_windows_give_the_same():
    dynamic = dynamic_of(recorded(segment=torch.tensor([[0, 50], [50, 52], [55, 90]])), added=torch.randn(7, 7))
    result = state_blocks(dynamic, "cell_type", states_of(dynamic.session, NAMES), permutations=9, seed=4)
    weights, own = every_window(dynamic)
    assert result.unlabelled == 1

    def course(sender, receiver):
        pairs = [(i, j) for i in range(7) for j in range(7) if i != j and (TYPES[i], TYPES[j]) == (receiver, sender)]
        return len(pairs), np.mean([weights[:, i, j] for i, j in pairs], axis=0) if pairs else np.full(len(own), np.nan)

    groups = ["E", "Pv", "Sst"]
    expected = [(h, g, a, *course(h, g)) for h in groups for g in groups for a in range(3)]
    told = [tuple(one) for one in result.blocks[["sender", "receiver", "state", "pairs", "windows"]].to_numpy()]
    assert told == [(h, g, NAMES[a], pairs, (own == a).sum()) for h, g, a, pairs, _ in expected]
    means = [course[own == a].mean() for *_, a, _, course in expected]
    np.testing.assert_allclose(result.blocks["mean_weight"], means, atol=1e-6)
    np.testing.assert_allclose(result.blocks["q"], benjamini_hochberg(result.blocks["p"]))
    for a, name in enumerate(NAMES):
        np.testing.assert_allclose(result.connectivity[a], weights[own == a].mean(0), atol=1e-6)
        alone = connectivity_blocks(dynamic.session, result.connectivity[a], "cell_type", permutations=9, seed=4).table
        rows = result.blocks[result.blocks["state"] == name]
        alone = alone.rename(columns={"p_labels": "p"})
        for column in ("sender", "receiver", "null_mean", "null_deviation", "z", "p"):
            assert rows[column].tolist() == pytest.approx(alone[column].tolist(), nan_ok=True), column

    rows = iter(result.differences.itertuples())
    for sender in groups:
        for receiver in groups:
            for a, b in combinations(range(3), 2):
                row, (_, values) = next(rows), course(sender, receiver)
                difference = values[own == a].mean() - values[own == b].mean()
                assert (row.sender, row.receiver, row.state, row.other) == (sender, receiver, NAMES[a], NAMES[b])
                assert row.difference == pytest.approx(difference, abs=1e-6, nan_ok=True)


def slow_states(T, random, dwell=12, states=2):
    """Stretches of random states and lengths."""
    return torch.from_numpy(np.repeat(random.integers(0, states, T), random.geometric(1 / dwell, T))[:T])


def test_finds_a_planted_state_effect_and_no_other():
    state = slow_states(900, np.random.default_rng(0))
    added = torch.zeros(7, 7)
    added[1, [0, 2, 4]] = added[6, [0, 2, 4]] = 0.4  # E drives Pv where the first state is on
    session = recorded(900, state)
    result = state_blocks(dynamic_of(session, added), "cell_type", states_of(session, NAMES[:2]), permutations=20)
    table = result.differences
    assert list(table) == ["sender", "receiver", "state", "other", "difference"]  # the model's: nothing is tested
    planted = (table["sender"] == "E") & (table["receiver"] == "Pv")
    (row,) = table[planted].itertuples()
    assert (row.state, row.other) == ("running", "still")
    assert row.difference == pytest.approx(0.4, abs=0.1)
    assert table[~planted]["difference"].abs().max() < 0.25


def test_states_may_be_comparisons():
    session = make_session(N=2, T=60)
    session.behaviour[:, 1] = torch.arange(60) // 10
    states = states_of(session.standardise(), ["behaviour 1>3", "behaviour 1<=1"])
    assert states.names == ["behaviour 1>3", "behaviour 1<=1"]
    assert states.state.tolist() == [1] * 20 + [-1] * 20 + [0] * 20
    alone = state_and_rest(session.standardise(), "behaviour 1>3")
    assert alone.names == ["behaviour 1>3", "rest"]
    assert alone.state.tolist() == [1] * 40 + [0] * 20
    with pytest.raises(ValueError, match=r"got behaviour 1>3 and behaviour 1>2 in bin 40"):
        states_of(session, ["behaviour 1>3", "behaviour 1>2"])


def test_a_state_without_windows_has_no_rows():
    session = recorded(state=(torch.arange(90) > 87).long())
    result = state_blocks(dynamic_of(session), "cell_type", states_of(session, NAMES), permutations=5)
    assert result.blocks["state"].unique().tolist() == ["running"]
    assert len(result.differences) == 0
    assert result.connectivity[1:].isnan().all()


def test_refuses_states_that_do_not_fit():
    dynamic = dynamic_of(recorded())
    for state, message in (
        (torch.full((90,), 3), "Expected states below 3"),
        (torch.arange(90) % 3, "within one state of session 'demo'"),
        (torch.zeros(89, dtype=torch.long), "of each of 90 bins"),
    ):
        with pytest.raises(ValueError, match=message):
            state_blocks(dynamic, "cell_type", States(state, NAMES), permutations=2)
    with pytest.raises(ValueError, match="there are: cell_type"):
        state_blocks(dynamic, "layer", states_of(dynamic.session, NAMES), permutations=2)


def test_blocks_against_a_reference():
    reference = np.array([[0.11, -0.44, -0.16], [0.27, -0.47, -0.18], [0.10, -0.44, -0.19]])
    blocks = 0.3 * reference + np.random.default_rng(0).normal(0, 0.05, (3, 3))
    result = block_agreement(blocks, reference)
    assert result.pearson == pytest.approx(np.corrcoef(blocks.ravel(), reference.ravel())[0, 1])
    assert result.spearman == pytest.approx(spearmanr(blocks.ravel(), reference.ravel()).statistic)
    assert result.entries == 9
    blocks[0, 2] = np.nan
    known = np.isfinite(blocks)
    result = block_agreement(blocks, reference)
    assert result.entries == 8
    assert result.pearson == pytest.approx(np.corrcoef(blocks[known], reference[known])[0, 1])
    with pytest.raises(ValueError, match="two matrices"):
        block_agreement(blocks, reference[:2])
    with pytest.raises(ValueError, match=r"at least 3 .* .got 2"):
        block_agreement(np.eye(2) / np.eye(2).clip(1e-9), np.where(np.eye(2), 1, np.nan))


def test_a_table_as_a_matrix():
    session, connectivity = recorded(), torch.randn(7, 7)
    table = connectivity_blocks(session, connectivity, "cell_type", permutations=2).table
    matrix = block_matrix(table, ["Sst", "E", "Pv", "Vip"])
    assert matrix.shape == (4, 4)
    assert matrix[1, 0] == pytest.approx(connectivity[[0, 2, 4], 5].mean().item())  # Sst drives E
    assert np.isnan(matrix[3]).all()
    with pytest.raises(ValueError, match="rows of one state"):
        block_matrix(table.iloc[[0, 0]], ["E"])
