from functools import partial

import pytest
import torch
from helpers import make_session

from synapsnet_pyg.analysis import candidate_effects as module
from synapsnet_pyg.analysis import edge_evidence as edge_evidence_module
from synapsnet_pyg.analysis.candidate_effects import candidate_effects
from synapsnet_pyg.analysis.lagged_effects import lagged_effects
from synapsnet_pyg.analysis.significance import edge_significance
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.regression.pairs import SomePairs

N = 23
PAIRS = (~torch.eye(N, dtype=torch.bool)).nonzero().t()


@pytest.fixture(scope="module", params=[90, 400])
def session(request: pytest.FixtureRequest) -> Session:
    """Returns a recording with fewer bins than signals at two lags, or with more, in two segments, with behaviour."""
    T = request.param
    recording = make_session(N=N, T=T, K=2, segment=torch.tensor([[0, T // 3], [T // 3 + 3, T]]))
    recording.activity[5, 1:] += 2 * recording.activity[3, :-1]
    return recording.standardise()


def test_effects_of_candidates_are_those_of_all_pairs(session):
    some, every = candidate_effects(session, PAIRS.flip(0)), lagged_effects(session)
    assert every.lags == 1
    receiver, sender = some.pairs.edge_index[1], some.pairs.edge_index[0]
    vectors = torch.randn(N, 3)
    for name in ("past", "present", "reverse", "reverse_present"):
        one, other = (getattr(effects, name).at_lag(1, effects.bins) for effects in (some, every))
        torch.testing.assert_close(one.effect.values, other.effect.values[receiver, sender], atol=2e-5, rtol=0)
        torch.testing.assert_close(one.error, other.error[receiver, sender], atol=0, rtol=1e-4)
        for transposed in (False, True):
            torch.testing.assert_close(
                one.z.times(vectors, transposed=transposed).double(),
                other.z.times(vectors.double(), transposed=transposed),
                atol=1e-2,
                rtol=1e-3,
            )
    torch.testing.assert_close(some.same_bin.values, every.same_bin.values[receiver, sender], atol=2e-5, rtol=0)
    torch.testing.assert_close(some.errors, every.errors, atol=1e-3, rtol=0)
    torch.testing.assert_close(some.unique, every.unique, atol=2e-3, rtol=1e-3)


def test_significance_of_candidates_is_that_of_all_pairs(session):
    every = edge_significance(session)
    learned = torch.sparse_coo_tensor(PAIRS, torch.ones(PAIRS.shape[1]), (N, N), check_invariants=True)
    some = edge_significance(session, learned=learned)
    assert some.tested == every.tested
    for name in ("effect", "error", "p_value", "q_value", "same_bin_q", "reverse_p"):
        found = some.matrix(getattr(some, name).float()).to_dense().fill_diagonal_(torch.nan)
        torch.testing.assert_close(found, getattr(every, name).float(), atol=0.02, rtol=0.02, equal_nan=True)


def test_pairs_that_are_no_candidates_count_as_tested(session, monkeypatch):
    monkeypatch.setattr(module, "SomePairs", partial(SomePairs, others=120))  # stand for the rest, and are not tested
    few = torch.sparse_coo_tensor(torch.tensor([[5, 7], [3, 1]]), torch.ones(2), (N, N), check_invariants=True)
    some = edge_significance(session, learned=few)
    every = edge_significance(session)
    assert some.tested == every.tested
    kept = some.p_value.isfinite()
    testable = every.p_value[[5, 3, 7, 1], [3, 5, 1, 7]].isfinite()  # each candidate in both directions
    assert int(kept.sum()) == int(testable.sum()) >= 2
    smallest = float(some.p_value[kept].min())
    assert float(some.q_value[kept].min()) == pytest.approx(min(1.0, smallest * some.tested), rel=1e-3)


def test_a_full_connectivity_of_many_neurons_is_tested_whole(session, monkeypatch):
    monkeypatch.setattr(edge_evidence_module, "MOST_DENSE", N - 1)
    assert edge_significance(session, learned=torch.ones(N, N)).edge_index is None
    assert edge_significance(session).edge_index is not None
