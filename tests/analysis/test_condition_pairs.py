import pytest
import torch
from helpers import make_session

from synapsnet_pyg.analysis.condition_pairs import halves_pair, session_pair, state_pairs
from synapsnet_pyg.data.session import Session


def recorded() -> Session:
    state = torch.arange(12) % 4  # the fourth is no state
    behaviour = torch.cat([(state[:, None] == torch.arange(3)).float(), torch.arange(12.0)[:, None]], dim=1)
    known = torch.ones(12, 4, dtype=torch.bool)
    known[7, 0] = False
    return Session(
        torch.randn(3, 12),
        behaviour,
        bin_size=0.1,
        behaviour_name=["run", "still", "sleep", "speed"],
        behaviour_recorded=known,
    )


def test_each_two_states_are_a_pair():
    pairs = state_pairs(recorded(), ["run", "sleep", "still"])
    assert [pair.names for pair in pairs] == [("run", "sleep"), ("run", "still"), ("sleep", "still")]
    assert pairs[1].condition.tolist() == [0, 1, -1, -1] * 3
    assert all(pair.without == ("run", "sleep", "still") for pair in pairs)


def test_one_state_is_compared_with_the_rest_that_was_recorded():
    (pair,) = state_pairs(recorded(), ["run"])
    assert pair.names == ("run", "rest")
    assert pair.condition.tolist() == [0, 1, 1, 1, 0, 1, 1, -1, 0, 1, 1, 1]
    (pair,) = state_pairs(recorded().standardise(), ["speed>=6"])
    assert pair.condition.tolist() == [1] * 6 + [0] * 6
    assert pair.without == ("speed",)


def test_halves_have_the_same_number_of_bins_in_segments():
    segment = torch.tensor([[2, 8], [20, 34]])
    session = Session(torch.randn(3, 40), bin_size=0.1, segment=segment)
    condition = halves_pair(session).condition
    inside = torch.cat([torch.arange(2, 8), torch.arange(20, 34)])
    assert condition[inside].tolist() == [0] * 10 + [1] * 10


def test_halves_of_trials_lie_between_two_trials():
    segment = torch.stack([torch.arange(25), torch.arange(1, 26)], 1) * 7
    condition = halves_pair(Session(torch.randn(3, 175), bin_size=0.1, segment=segment)).condition
    assert condition.diff().nonzero().flatten().tolist() == [12 * 7 - 1]


def test_sessions_share_neurons_and_behaviours():
    first = make_session(7, 30, 2, "monday", neuron_id=list("abcdefg"), area=list("ABCDEFG"))
    second = make_session(6, 40, 3, "tuesday", neuron_id=list("gxcabd"))
    second.behaviour_name = ["lick", "behaviour 1", "behaviour 0"]
    joined, condition, names, without = session_pair(first, second)
    assert joined.neuron_id == list("abcdg")
    assert joined.area == list("ABCDG")
    assert torch.equal(joined.activity[:, :30], first.activity[[0, 1, 2, 3, 6]])
    assert torch.equal(joined.activity[:, 30:], second.activity[[3, 4, 2, 5, 0]])
    assert torch.equal(joined.behaviour[30:], second.behaviour[:, [2, 1]])
    assert joined.segment.tolist() == [[0, 30], [30, 70]]
    assert condition.tolist() == [0] * 30 + [1] * 40
    assert (names, without) == (("monday", "tuesday"), ())


def test_refuses_sessions_that_do_not_fit():
    first = make_session(7, 30, name="monday")
    with pytest.raises(ValueError, match=r"at least 5 neurons with the same id .*got 0, such as 'monday/0'"):
        session_pair(first, make_session(7, 40, name="tuesday"))
    slow = make_session(7, 40, name="tuesday", neuron_id=first.neuron_id)
    slow.bin_size = 0.2
    with pytest.raises(ValueError, match=r"got 0\.1 and 0\.2 s"):
        session_pair(first, slow)
