"""Protocols: division, choice and standardisation of recordings in published comparisons, by name."""

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise

import torch
from torch import Tensor

from synapsnet_pyg.data.division import LONGEST_CONTEXT, Fold, Piece, divided, each_segment, in_time
from synapsnet_pyg.data.session import Session

ZAPBENCH_OFFSETS = (0, 649, 2422, 3078, 3735, 5047, 5638, 6623, 7279, 7879)
"""First frame of each condition of ZAPBench, and the number of frames (zapbench/constants.py)."""
ZAPBENCH_HELD_OUT = 3
"""Position of the condition taxis, which ZAPBench holds out of all parts."""


@dataclass(frozen=True)
class Protocol:
    """Division, choice and standardisation of recordings in a published comparison.

    Attributes:
        description: Division, context, horizon and score in words, with the source.
        context: Number of past bins C that each forecast sees.
        horizon: Number of bins ahead H.
        divide: Function that gives a session its parts; None: the session's own, or 80/10/10 in time.
        whole: Whether statistics are of the whole recording; else of the training part.
        behaviour: Whether models see behaviour.
        smallest_rate: Smallest mean rate of a neuron in Hz; None: all neurons.
        bin_size: Duration of a bin in seconds that is required; None: any.
    """

    description: str
    context: int = 5
    horizon: int = 1
    divide: Callable[[Session], Session] | None = None
    whole: bool = False
    behaviour: bool = True
    smallest_rate: float | None = None
    bin_size: float | None = None


def _poco_patches(begin: int, end: int) -> list[Piece]:
    """Returns 60/20/20 of each patch of 1,000 bins; the last patch holds the remainder too."""
    patches, pieces = max(1, (end - begin) // 1000), []
    for p in range(patches):
        start, stop = begin + 1000 * p, end if p == patches - 1 else begin + 1000 * (p + 1)
        first, second = start + int((stop - start) * 0.6), start + int((stop - start) * (0.6 + 0.2))
        pieces += [Piece(start, first, "train"), Piece(first, second, "validation"), Piece(second, stop, "test")]
    return pieces


def _zapbench_condition(begin: int, end: int) -> list[Piece]:
    """Returns the last 20 % of a condition for testing and the 10 % before for validation, each rounded down."""
    test, validation = int((end - begin) * 0.2), int((end - begin) * 0.1)
    first, second = end - test - validation, end - test
    return [
        Piece(begin, first, "train"),
        Piece(first, second, "validation", min(LONGEST_CONTEXT, first - begin)),
        Piece(second, end, "test", min(LONGEST_CONTEXT, second - begin)),
    ]


def _zapbench(session: Session) -> Session:
    """Divides each segment; in the recording of ZAPBench without the outer frames of conditions, and without taxis."""
    if session.num_bins != ZAPBENCH_OFFSETS[-1] or len(session.segment) not in (1, len(ZAPBENCH_OFFSETS) - 1):
        return each_segment(session, _zapbench_condition)
    pieces = []
    for c, (begin, end) in enumerate(pairwise(ZAPBENCH_OFFSETS)):
        held_out = [Piece(begin + 1, end - 1, "")]  # zapbench/data_utils.py: one frame of padding at each end
        pieces += held_out if c == ZAPBENCH_HELD_OUT else _zapbench_condition(begin + 1, end - 1)
    return divided(session, pieces)


_ZAPBENCH = Protocol(
    "each condition (segment) in time: 70 % training, 10 % validation, 20 % test, whose forecasts may see the bins "
    "before them; taxis is held out; context 4, horizon 32, mean absolute error (ZAPBench, ICLR 2025)",
    context=4,
    horizon=32,
    divide=_zapbench,
)

PROTOCOLS: dict[str, Protocol] = {
    "paper": Protocol(
        "80/10/10 in time, at borders of segments where there are three or more, or the parts that the session file "
        "names; context 5, horizon 1 (SynapsNet, Appendix A.1)"
    ),
    "poco": Protocol(
        "60/20/20 in each patch of 1,000 bins, z-scored over the whole recording, no behaviour; context 48, horizon "
        "16, score 1 - MSE / MSE of copy, mean over sessions (POCO, NeurIPS 2025)",
        context=48,
        horizon=16,
        divide=partial(each_segment, pieces=_poco_patches),
        whole=True,
        behaviour=False,
    ),
    "zapbench": _ZAPBENCH,
    "zapbench-long": replace(
        _ZAPBENCH, context=256, description=_ZAPBENCH.description.replace("context 4", "context 256")
    ),
    "spikeprophecy": Protocol(
        "70/15/15 in time, whose forecasts may see the bins before them; bins of 50 ms, neurons of at least 1 Hz, no "
        "behaviour; context 10, horizon 1 (SpikeProphecy, arXiv 2605.12992)",
        context=10,
        divide=partial(in_time, train=0.7, validation=0.15, context=LONGEST_CONTEXT),
        behaviour=False,
        smallest_rate=1.0,
        bin_size=0.05,
    ),
}
"""Name of a protocol -> protocol."""


def protocol_named(name: str) -> Protocol:
    """Returns a protocol by its name.

    Raises:
        ValueError: There is no such protocol.
    """
    if name not in PROTOCOLS:
        raise ValueError(f"Expected a protocol among {', '.join(PROTOCOLS)} (got '{name}').")
    return PROTOCOLS[name]


def prepare(session: Session, protocol: str = "paper", fold: str | None = None) -> Session:
    """Returns a session with the neurons, behaviour and parts of a protocol, not yet standardised.

    Args:
        session: Session as recorded.
        protocol: Name of the protocol, a key of :data:`PROTOCOLS`.
        fold: Fold in place of the protocol's parts, such as ``2/5``; see :class:`~synapsnet_pyg.data.division.Fold`.

    Raises:
        ValueError: There is no such protocol or fold, or the session does not suit it.

    Example:
        >>> parts = prepare(Session(torch.randn(3, 2300), bin_size=0.6), "poco").split()
        >>> [part.num_bins for part in parts]
        [1380, 460, 460]
    """
    chosen = protocol_named(protocol)
    if chosen.bin_size is not None and abs(session.bin_size - chosen.bin_size) > 1e-6 * chosen.bin_size:
        raise ValueError(
            f"Expected bins of {chosen.bin_size:g} s for protocol '{protocol}' (session '{session.name}' has bins of "
            f"{session.bin_size:g} s); convert the recording with --bin-size {chosen.bin_size:g}."
        )
    if chosen.smallest_rate is not None:
        session = with_neurons(session, _is_active(session, chosen.smallest_rate))
    if not chosen.behaviour and session.num_behaviours:
        session = copy(session)
        session.behaviour, session.behaviour_name = session.behaviour[:, :0], []
        session.update({"behaviour_recorded": None})
    if fold is not None:
        return Fold.of(fold).divide(session, chosen.context)
    return session if chosen.divide is None else chosen.divide(session)


def standardised(session: Session, protocol: str = "paper", inplace: bool = False) -> Session:
    """Returns a prepared session, standardised as the protocol does it.

    Args:
        session: Session of :func:`prepare`.
        protocol: Name of the protocol.
        inplace: Overwrite this session's memory instead of copying it.

    Raises:
        ValueError: There is no such protocol.
    """
    return session.standardise(session if protocol_named(protocol).whole else None, inplace)


def _is_active(session: Session, rate: float) -> Tensor:
    """Returns True for neurons of at least a mean rate in Hz [N]; the activity must be counts.

    Raises:
        ValueError: The activity is not counts, or no neuron is active enough.
    """
    if any(bool((row < 0).any()) or bool((row != row.round()).any()) for row in session.activity):
        raise ValueError(f"Expected counts of spikes in session '{session.name}' (got other numbers).")
    bins = torch.cat([torch.arange(a, b) for a, b in session.segment.tolist()])
    mean = torch.stack([row[bins].double().mean() for row in session.activity])
    active = mean / session.bin_size >= rate
    if not bool(active.any()):
        raise ValueError(f"Expected a neuron of at least {rate:g} Hz in session '{session.name}' (got none).")
    return active


def with_neurons(session: Session, kept: Tensor) -> Session:
    """Returns a session with some of its neurons and the true edges between them.

    Args:
        session: Session; its memory is shared only if all neurons are kept.
        kept: True for the neurons to keep :math:`(N)`.
    """
    if bool(kept.all()):
        return session
    rows = kept.nonzero().flatten()
    part = copy(session)
    part.num_nodes, part.activity = len(rows), session.activity[rows]
    for key in ("neuron_id", *session.neuron_fields):
        part[key] = session[key][rows] if isinstance(session[key], Tensor) else [session[key][i] for i in rows.tolist()]
    if "edge_index" in session:
        between = kept[session.edge_index].all(0)
        part.edge_index = (kept.long().cumsum(0) - 1)[session.edge_index[:, between]]
        for key in ("edge_weight", "edge_weight_series"):
            if key in session:
                part[key] = session[key][between]
    for key in ("true_response", "true_response_error"):
        if key in session:
            part[key] = session[key][rows][:, rows]
    return part
