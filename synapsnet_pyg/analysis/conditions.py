"""Conditions of a recording, read from texts such as ``running`` and ``running>2``."""

import operator
import re
from collections.abc import Callable
from difflib import get_close_matches
from typing import NamedTuple

import torch
from torch import Tensor

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.data.standardisation import in_recorded_units

COMPARISONS: dict[str, Callable[[Tensor, float], Tensor]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "!=": operator.ne,
    "==": operator.eq,
    ">": operator.gt,
    "<": operator.lt,
    "=": operator.eq,
}
"""Sign of a comparison -> function of values and threshold; a longer sign stands before its beginning."""


class Condition(NamedTuple):
    """Bins in which a condition holds."""

    on: Tensor
    """True where the condition holds: [T]."""
    recorded: Tensor
    """True where its behaviour was recorded: [T]."""
    behaviour: str
    """Name of the behaviour that the condition is about."""


def condition_of(session: Session, text: str) -> Condition:
    """Reads a condition from a behaviour.

    Args:
        session: Session, as recorded or standardised.
        text: Name of a behaviour that is 1 where the condition holds and 0 elsewhere, or a comparison of a behaviour
            with a number, such as ``running>2``, in the unit of the recording. Signs are >, >=, <, <=, = and !=.

    Raises:
        ValueError: There is no such behaviour, its values are neither 0 nor 1 although no number is given, the number
            cannot be read, or the comparison holds in no bin.

    Example:
        >>> running = torch.tensor([[0.0], [1.5], [4.0]])
        >>> session = Session(torch.zeros(2, 3), running, bin_size=0.1, behaviour_name=["running"])
        >>> condition_of(session, "running > 1").on
        tensor([False,  True,  True])
    """
    name, sign, number = _parts(session, text)
    if name not in session.behaviour_name:
        close = get_close_matches(name, session.behaviour_name, 1)
        raise ValueError(
            f"Expected different states among the behaviours {', '.join(session.behaviour_name) or 'none'} (got {text})"
            + (f"; did you mean '{close[0]}'?" if close else "; read the states of the recording as behaviours.")
        )
    k = session.behaviour_name.index(name)
    values = in_recorded_units(session, session.behaviour)[:, k]
    recorded = torch.ones(len(values), dtype=torch.bool)
    if "behaviour_recorded" in session:
        recorded = session.behaviour_recorded[:, k].cpu()
    if sign:
        # A standardised value is rounded: it counts as equal to a number within a millionth of its scale.
        tolerance = 1e-6 * max(1.0, abs(number), float(values.abs().max()))
        values = torch.where((values - number).abs() < tolerance, number, values)
        on = COMPARISONS[sign](values, number) & recorded
        if not on.any():
            known = values[recorded] if recorded.any() else values
            raise ValueError(
                f"Expected '{text}' to hold in a bin of session '{session.name}' ('{name}' goes from "
                f"{float(known.min()):.3g} to {float(known.max()):.3g} there); choose another number."
            )
        return Condition(on, recorded, name)
    on = values > 0.5
    far = ((values - on.double()).abs() > 1e-3) & recorded
    if far.any():
        t = int(far.nonzero()[0])
        raise ValueError(
            f"Expected behaviour '{name}' of 0 and 1 (got {float(values[t]):.3g} in bin {t}); compare it with a "
            f"number, as in '{name}>{float(values[recorded].median()):.2g}'."
        )
    return Condition(on & recorded, recorded, name)


class _Parts(NamedTuple):
    """Parts of a condition's text."""

    name: str
    sign: str
    number: float


def _parts(session: Session, text: str) -> _Parts:
    """Returns name, sign and number of a condition; a behaviour's own name may hold a sign."""
    if text in session.behaviour_name:
        return _Parts(text, "", 0.0)
    found = re.fullmatch(rf"(.*?)({'|'.join(COMPARISONS)})([^<>=!]*)", text, re.DOTALL)
    if found is None:
        return _Parts(text, "", 0.0)
    try:
        return _Parts(found[1].strip(), found[2], float(found[3]))
    except ValueError:
        raise ValueError(
            f"Expected a number behind '{found[2]}', as in 'running>2' (got '{text}'); write one comparison for each "
            "state, without a unit."
        ) from None
