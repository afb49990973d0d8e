import pytest
import torch

from synapsnet_pyg.analysis.conditions import condition_of
from synapsnet_pyg.data.session import Session

RUNNING = [0.0, 0.5, 1.5, 2.0, 2.5, 4.0, 9.0, 3.0, 1.0, 0.2]


def recorded(**fields) -> Session:
    behaviour = torch.tensor([RUNNING, [0.0, 1.0] * 5, [0.0] * 10]).t()
    names = ["running", "correct", "a>b"]
    return Session(torch.randn(3, 10), behaviour, bin_size=0.1, behaviour_name=names, **fields)


@pytest.mark.parametrize("standardised", [False, True])
@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("running>2", lambda value: value > 2),
        ("running >= 2", lambda value: value >= 2),
        ("running<0.5", lambda value: value < 0.5),
        ("running<=.5", lambda value: value <= 0.5),
        ("running=2", lambda value: value == 2),
        ("running==2", lambda value: value == 2),
        ("running!=2e0", lambda value: value != 2),
        ("running>-1", lambda value: value > -1),
    ],
)
def test_comparisons_are_in_the_unit_of_the_recording(text, holds, standardised):
    session = recorded().standardise() if standardised else recorded()
    condition = condition_of(session, text)
    assert condition.on.tolist() == [holds(value) for value in RUNNING]
    assert condition.recorded.all()
    assert condition.behaviour == "running"


def test_a_behaviour_of_0_and_1_needs_no_number():
    assert condition_of(recorded().standardise(), "correct").on.tolist() == [False, True] * 5


def test_a_name_may_hold_a_sign():
    assert not condition_of(recorded(), "a>b").on.any()


def test_what_was_not_recorded_is_neither_on_nor_known():
    known = torch.ones(10, 3, dtype=torch.bool)
    known[5:7] = False
    condition = condition_of(recorded(behaviour_recorded=known).standardise(), "running>2")
    assert condition.on.nonzero().flatten().tolist() == [4, 7]
    assert (~condition.recorded).nonzero().flatten().tolist() == [5, 6]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("walking", "among the behaviours running, correct, a>b .got walking"),
        ("walking>2", "among the behaviours running, correct, a>b .got walking>2"),
        ("running", "'running' of 0 and 1 .got 0.5 in bin 1.; compare it with a number, as in 'running>1.5'"),
        ("running>fast", "a number behind '>', as in 'running>2' .got 'running>fast'"),
        ("running>", "a number behind '>'"),
        ("running>2 cm/s", "without a unit"),
        ("running>20", "'running' goes from 0 to 9 there"),
    ],
)
def test_refuses_what_is_no_condition(text, message):
    with pytest.raises(ValueError, match=message):
        condition_of(recorded(), text)
