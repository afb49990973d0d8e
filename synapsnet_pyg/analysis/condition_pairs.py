"""Two conditions to compare: two states, a state and the rest, halves of a session, two sessions."""

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import torch
from torch import Tensor

from synapsnet_pyg.analysis.conditions import condition_of
from synapsnet_pyg.analysis.states import state_and_rest, states_of
from synapsnet_pyg.data.session import Session

FEWEST_COMMON = 5
"""Smallest number of neurons that two sessions must share."""


class ConditionPair(NamedTuple):
    """Two conditions of a session."""

    session: Session
    """Session, standardised."""
    condition: Tensor
    """0 or 1 for the condition of each bin, -1 for a bin of neither: [T]."""
    names: tuple[str, str]
    """Names of the two conditions."""
    without: tuple[str, ...] = ()
    """Names of the behaviours that define the conditions."""


def state_pairs(session: Session, names: Sequence[str]) -> list[ConditionPair]:
    """Returns each two states of a session; a single state is compared with the rest.

    Args:
        session: Session, standardised.
        names: States as in :func:`~synapsnet_pyg.analysis.states.states_of`, such as ``running>2``.

    Raises:
        ValueError: There is no such behaviour, it is neither 0 nor 1 without a comparison, or two states are on in one
            bin.

    Example:
        >>> running = torch.tensor([[0.0], [1.5], [4.0]])
        >>> session = Session(torch.zeros(2, 3), running, bin_size=0.1, behaviour_name=["running"])
        >>> (pair,) = state_pairs(session, ["running>2", "running<1"])
        >>> pair.names, pair.condition.tolist()
        (('running>2', 'running<1'), [1, -1, 0])
    """
    states = state_and_rest(session, names[0]) if len(names) == 1 else states_of(session, names)
    without = tuple(condition_of(session, name).behaviour for name in names)
    pairs = []
    for a, b in combinations(range(len(states.names)), 2):
        first, second = (states.state == s for s in (a, b))
        condition = torch.where(first, 0, torch.where(second, 1, -1))
        pairs.append(ConditionPair(session, condition, (states.names[a], states.names[b]), without))
    return pairs


def halves_pair(session: Session) -> ConditionPair:
    """Returns the two halves of a session; with 20 segments or more the border lies between two of them.

    Args:
        session: Session, standardised.

    Example:
        >>> halves_pair(Session(torch.zeros(2, 6), bin_size=0.1)).condition.tolist()
        [0, 0, 0, 1, 1, 1]
    """
    length = session.segment[:, 1] - session.segment[:, 0]
    before = length.cumsum(0) - length
    middle = int(length.sum()) // 2
    s = int((before <= middle).sum()) - 1
    border = int(session.segment[s, 0]) + (0 if len(length) >= 20 else middle - int(before[s]))
    condition = (torch.arange(session.num_bins) >= border).long()
    return ConditionPair(session, condition, ("first half", "second half"))


def session_pair(first: Session, second: Session) -> ConditionPair:
    """Returns two sessions as conditions, joined in time, with the neurons and behaviours that both have.

    Args:
        first: Session, standardised.
        second: Session, standardised. A neuron with the id of one in the first session is the same neuron.

    Returns:
        Conditions with the names of the sessions. Fields of the neurons are those of the first session.

    Raises:
        ValueError: Fewer than 5 neurons have the same id, or the bins have different durations.

    Example:
        >>> days = [Session(torch.zeros(n, 9), bin_size=0.1, neuron_id=list("abcdefg"[:n])) for n in (6, 7)]
        >>> session_pair(*days).session
        Session('session', 6 neurons x 18 bins of 0.1 s, 0 behaviours, 2 segments)
    """
    rows = {id: i for i, id in enumerate(second.neuron_id)}
    common = [(i, rows[id]) for i, id in enumerate(first.neuron_id) if id in rows]
    if len(common) < FEWEST_COMMON:
        raise ValueError(
            f"Expected at least {FEWEST_COMMON} neurons with the same id in sessions '{first.name}' and "
            f"'{second.name}' (got {len(common)}, such as '{first.neuron_id[0]}' and '{second.neuron_id[0]}'); give "
            "the ids of neurons when sessions are converted, or compare states within a session."
        )
    if abs(first.bin_size - second.bin_size) > 0.01 * first.bin_size:
        raise ValueError(
            f"Expected bins of the same duration in both sessions (got {first.bin_size:g} and {second.bin_size:g} s); "
            "convert one of them with other bins."
        )
    here, there = (list(column) for column in zip(*common, strict=True))
    names = [name for name in first.behaviour_name if name in second.behaviour_name]
    columns = [[session.behaviour_name.index(name) for name in names] for session in (first, second)]
    joined = Session(
        torch.cat([first.activity[here], second.activity[there]], dim=1),
        torch.cat([first.behaviour[:, columns[0]], second.behaviour[:, columns[1]]]),
        bin_size=first.bin_size,
        segment=torch.cat([first.segment, second.segment + first.num_bins]),
        neuron_id=[first.neuron_id[i] for i in here],
        behaviour_name=names,
        name=first.name,
    )
    for field, values in first.neuron_fields.items():
        setattr(joined, field, [values[i] for i in here] if isinstance(values, list) else values[here])
    condition = (torch.arange(joined.num_bins) >= first.num_bins).long()
    return ConditionPair(joined, condition, (first.name, second.name))
