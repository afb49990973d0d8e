"""Recording as a reader finds it, and the choices with which it becomes a session."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from synapsnet_pyg.intake.behaviours import Behaviour, OnFrames
from synapsnet_pyg.intake.blocks import Blocks
from synapsnet_pyg.intake.neuron_table import NeuronTable, conditions_of
from synapsnet_pyg.intake.plain import is_positive
from synapsnet_pyg.intake.spikes import Spikes

DEFAULT_BIN_SIZE = 1 / 30
"""Duration of a bin in seconds in which spikes are counted if none is given; that of SynapsNet's paper."""


@dataclass
class Traces:
    """Activity that was sampled in frames.

    Args:
        values: Activity :math:`(N, T)`; NaN where nothing was recorded.
        times: Time of each frame :math:`(T)` in ticks. None: frames follow each other every ``bin_size`` from zero.
        bin_size: Duration of a frame in seconds. None: from ``times``.
        rate: Number of ticks of ``times`` a second. None: seconds, unless the steps look like something else.
        counts: Whether joined frames are added up (counts) or averaged (traces).
        border: First frame and end of each trial :math:`(S, 2)`, which become segments. None: one.
        label: Name of the clock in messages.
    """

    values: np.ndarray
    times: np.ndarray | None = None
    bin_size: float | None = None
    rate: float | None = None
    counts: bool = False
    border: np.ndarray | None = None
    label: str = "the activity"


@dataclass
class Recording:
    """Recording as found in a file: raw spikes or traces with their clocks, neurons, behaviours and intervals.

    Args:
        name: Name of the session.
        activity: Spike times, or traces.
        neurons: Ids and fields of the neurons.
        behaviours: Behaviours, each with its own clock or with a sample a frame.
        observed: Blocks of time that were recorded. None: from the first to the last spike or frame.
        observed_by: Blocks in which each neuron was observed, N lists. None: all in all of ``observed``.
        intervals: Blocks that become segments, such as trials. None: all that was observed.
        excluded: Blocks that are left out, such as light pulses and times marked as invalid.
        notes: Sentences on what the reader found and chose.
    """

    name: str
    activity: Spikes | Traces
    neurons: NeuronTable
    behaviours: Sequence[Behaviour | OnFrames] = ()
    observed: Blocks | None = None
    observed_by: Sequence[Blocks] | None = None
    intervals: Blocks | None = None
    excluded: Blocks = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Selection:
    """Choices with which a recording becomes a session, the same for every format.

    Args:
        activity: Name of the activity among those of the file. None: the only one, or the format's usual one.
        bin_size: Duration of a bin in seconds in which spikes are counted. None: 1/30 s.
        behaviour: Names of behaviours in the file.
        circular: Name of a behaviour that is an angle -> length of its full circle.
        events: Names of event times (their number in each bin) or of intervals (share of each bin) in the file, which
            become behaviours.
        intervals: Name of a table of intervals in the file, whose rows become segments.
        exclude: Names of intervals in the file, or ``"START:STOP"`` in seconds, that are left out.
        where: Conditions on fields of the neurons, such as ``"group==good, depth<500"``, or a mapping.
        min_rate: Smallest mean rate of a kept neuron in Hz, or mean of its trace.
        start: Time in seconds at which to begin. None: the first spike or frame.
        stop: Time in seconds at which to end. None: the last spike or frame.
        sampling_rate: Number of ticks of the activity's clock a second. None: from the file, or seconds.
        behaviour_rate: Number of ticks of the behaviours' clocks a second. None: seconds.
        frame_rate: Number of frames a second, where a file has no clock.
        rebin: Number of frames to join into one bin.
        rebin_by: ``"sum"`` or ``"mean"``. None: counts are added up, traces averaged.
        fill_nan: Largest share of NaN in a kept neuron; gaps are filled linearly within segments.
        advance: Number of bins by which behaviour is moved to earlier bins.

    Raises:
        ValueError: A number is out of range, or a condition cannot be understood.
    """

    activity: str | None = None
    bin_size: float | None = None
    behaviour: Sequence[str] = ()
    circular: Mapping[str, float] = field(default_factory=dict)
    events: Sequence[str] = ()
    intervals: str | None = None
    exclude: Sequence[str] = ()
    where: str | Mapping[str, Any] | None = None
    min_rate: float = 0.0
    start: float | None = None
    stop: float | None = None
    sampling_rate: float | None = None
    behaviour_rate: float | None = None
    frame_rate: float | None = None
    rebin: int = 1
    rebin_by: str | None = None
    fill_nan: float = 0.0
    advance: int = 0

    def __post_init__(self) -> None:
        for option, value in (
            ("--sampling-rate", self.sampling_rate),
            ("--behaviour-rate", self.behaviour_rate),
            ("--frame-rate", self.frame_rate),
        ):
            if value is not None and not is_positive(value):
                raise ValueError(f"Expected {option} above 0 (got {value}).")
        if self.bin_size is not None and not is_positive(self.bin_size):
            raise ValueError(f"Expected bin_size, the duration of one bin in seconds, above 0 (got {self.bin_size}).")
        if self.rebin < 1:
            raise ValueError(f"Expected to join at least 1 bin (got rebin {self.rebin}).")
        if self.rebin_by not in (None, "sum", "mean"):
            raise ValueError(f"Expected joined bins by sum or mean (got '{self.rebin_by}').")
        if self.advance < 0:
            raise ValueError(f"Expected behaviour to be advanced by 0 bins or more (got {self.advance}).")
        if not 0 <= self.fill_nan <= 1:
            raise ValueError(f"Expected a share of NaN from 0 to 1 (got fill_nan {self.fill_nan}).")
        if self.start is not None and self.stop is not None and not self.start < self.stop:
            raise ValueError(f"Expected a start before the stop (got {self.start:g} and {self.stop:g}).")
        for name, period in self.circular.items():
            if not is_positive(period):
                raise ValueError(f"Expected the full circle of '{name}' above 0 (got {period}).")
        conditions_of(self.where)

    def changed(self, **given: Any) -> "Selection":
        """Returns the selection with other values; values that are None are ignored."""
        return replace(self, **{key: value for key, value in given.items() if value is not None})

    def chooses(self, *columns: str) -> bool:
        """Returns True if ``where`` names one of some fields, so that a format's own choice by them does not apply."""
        return any(condition.column.lower() in columns for condition in conditions_of(self.where))

    def period(self, name: str) -> float | None:
        """Returns the full circle of a behaviour, by its whole name or the last part of it; None for no angle."""
        return self.circular.get(name, self.circular.get(name.rsplit("/", 1)[-1]))

    def excluded(self, named: Callable[[str], Blocks]) -> Blocks:
        """Returns the blocks that are left out: those of ``"START:STOP"``, and those of names.

        Args:
            named: Function that returns the blocks of a name in the file, or raises an error.
        """
        blocks, names = literal_blocks(self.exclude)
        return [*blocks, *(block for name in names for block in named(name))]


def literal_blocks(names: Sequence[str]) -> tuple[Blocks, list[str]]:
    """Splits names of intervals into blocks of ``"START:STOP"`` and other names.

    Example:
        >>> literal_blocks(["10:12.5", "laser"])
        ([(10.0, 12.5)], ['laser'])
    """
    blocks: Blocks = []
    others: list[str] = []
    for name in names:
        start, colon, stop = name.partition(":")
        try:
            block = (float(start), float(stop)) if colon else None
        except ValueError:
            block = None
        if block is None:
            others.append(name)
        elif block[0] < block[1]:
            blocks.append(block)
        else:
            raise ValueError(f"Expected a start before the stop in an excluded interval (got '{name}').")
    return blocks, others
