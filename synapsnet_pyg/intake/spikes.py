"""Spike times of a population, read in pieces, and questions about their clock."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from synapsnet_pyg.intake.plain import numbers
from synapsnet_pyg.intake.time_bins import TimeBins

_PIECE = 1 << 20
"""Number of spikes that are read at once."""

_SLOWEST, _FASTEST = 0.05, 1000.0
"""Rates in Hz: if even the fastest neuron is below, or one is above, the clock is not in seconds."""


class Piece(NamedTuple):
    """Spikes that are in memory at once."""

    times: np.ndarray
    """Times in seconds, finite."""
    neuron: np.ndarray
    """Row of each spike's neuron."""
    rounding: float
    """Rounding error of the stored times in seconds."""
    lost: int
    """Number of spikes of these neurons without a time (NaN or infinity)."""


class Spikes:
    """Spike times of N neurons. They may lie in a file, and are read in pieces in any order.

    Args:
        times: Time of each spike: array or data set of a file.
        neuron: Function of first and end spike that returns the row of each spike's neuron; -1 for no neuron.
        count: Number of neurons N.
        rate: Number of ticks of the times a second, such as the sampling rate; 1 for seconds. None: seconds, unless
            the times look like something else, which raises an error.
        label: Name of the times in messages.

    Example:
        >>> spikes = Spikes.from_trains([[0.5, 0.25], [], [2.0]])
        >>> spikes.survey().counts.tolist()
        [2, 0, 1]
    """

    def __init__(
        self,
        times: Any,
        neuron: Callable[[int, int], np.ndarray],
        *,
        count: int,
        rate: float | None = None,
        label: str = "the spike times",
    ) -> None:
        if rate is not None and not (np.isfinite(rate) and rate > 0):
            raise ValueError(f"Expected a sampling rate, ticks of {label} a second, above 0 (got {rate:g}).")
        self._times, self._neuron, self.count, self.rate, self.label = times, neuron, count, rate, label

    @classmethod
    def from_trains(cls, trains: Sequence[Any], rate: float | None = None, label: str = "the spike times") -> "Spikes":
        """Makes spikes of one array of times for each neuron."""
        arrays = [numbers(train, f"{label} of neuron {i}").ravel() for i, train in enumerate(trains)]
        ends = np.cumsum([len(array) for array in arrays], dtype=np.int64)
        return cls.from_ends(np.concatenate(arrays) if arrays else np.zeros(0), ends, rate, label)

    @classmethod
    def from_ends(
        cls, times: Any, ends: np.ndarray, rate: float | None = None, label: str = "the spike times"
    ) -> "Spikes":
        """Makes spikes of times sorted by neuron, and the end of each neuron's times, as in NWB.

        Raises:
            ValueError: The ends do not rise up to the number of times.
        """
        ends = numbers(ends, f"the ends of {label}", missing=False).ravel()
        whole = ends.astype(np.int64)
        rising = (np.diff(whole) >= 0).all() and (whole == ends).all()
        if len(whole) and (not rising or whole[0] < 0 or whole[-1] != len(times)):
            raise ValueError(
                f"Expected rising ends up to the {len(times)} entries of {label} (got {whole[:3].tolist()}..., "
                f"{whole[-1]})."
            )
        return cls(
            times,
            lambda a, b: np.searchsorted(whole, np.arange(a, b), side="right"),
            count=len(whole),
            rate=rate,
            label=label,
        )

    @classmethod
    def from_neurons(
        cls, times: Any, neuron: np.ndarray, count: int, rate: float | None = None, label: str = "the spike times"
    ) -> "Spikes":
        """Makes spikes of times, and the row of each one's neuron.

        Raises:
            ValueError: There are not as many times as rows.
        """
        if len(times) != len(neuron):
            raise ValueError(f"Expected a neuron for each of the {len(times)} entries of {label} (got {len(neuron)}).")
        return cls(times, lambda a, b: neuron[a:b], count=count, rate=rate, label=label)

    def take(self, rows: np.ndarray) -> "Spikes":
        """Returns the spikes of some neurons, in the order of their rows."""
        place = np.full(self.count + 1, -1, dtype=np.int64)  # the last entry is for spikes of no neuron
        place[rows] = np.arange(len(rows))
        return Spikes(
            self._times, lambda a, b: place[self._neuron(a, b)], count=len(rows), rate=self.rate, label=self.label
        )

    def pieces(self) -> Iterator[Piece]:
        """Yields all spikes of neurons at finite times."""
        rate = 1.0 if self.rate is None else self.rate
        for start in range(0, len(self._times), _PIECE):
            stop = min(start + _PIECE, len(self._times))
            stored = np.asarray(self._times[start:stop]).ravel()
            if stored.dtype.kind not in "fiub":
                stored = numbers(stored, self.label)
            neuron = np.asarray(self._neuron(start, stop)).astype(np.int64, copy=False)
            times = stored.astype(np.float64) / rate
            finite = np.isfinite(times)
            good = finite & (neuron >= 0)
            lost = int((~finite & (neuron >= 0)).sum())
            if not good.all():
                times, neuron = times[good], neuron[good]
            coarse = stored.dtype.kind == "f" and stored.dtype.itemsize < 8 and len(times)
            largest = stored.dtype.type(np.abs(times).max() * rate) if coarse else 0
            # A number is stored as the nearest one, at most half a step off.
            yield Piece(times, neuron, 0.5 * float(np.spacing(largest)) / rate if coarse else 0.0, lost)

    def survey(self, start: float | None = None, stop: float | None = None) -> "SpikeSurvey":
        """Reads all spikes once, and returns their numbers and the span of their times.

        Args:
            start: Time in seconds before which spikes do not count. None: all count.
            stop: Time in seconds after which spikes do not count. None: all count.
        """
        low, high = -np.inf if start is None else start, np.inf if stop is None else stop
        counts, outside, lost = np.zeros(self.count, dtype=np.int64), 0, 0
        first, last, whole, coarse = np.inf, -np.inf, self.rate is None, 0.0
        for times, neuron, rounding, missing in self.pieces():
            lost += missing
            whole = whole and bool((times == np.floor(times)).all())
            inside = (times >= low - rounding) & (times <= high + rounding)
            if not inside.all():
                outside += len(times) - int(inside.sum())
                times, neuron = times[inside], neuron[inside]
            if len(times):
                counts += np.bincount(neuron, minlength=self.count)
                first, last = min(first, float(times.min())), max(last, float(times.max()))
                coarse = max(coarse, rounding)
        whole = whole and counts.sum() + outside > 0
        return SpikeSurvey(self, counts, first, last, whole=bool(whole), rounding=coarse, outside=outside, lost=lost)

    def counts(self, bins: TimeBins) -> np.ndarray:
        """Counts the spikes of each neuron in each bin, float32 [N, T]."""
        counted = np.zeros((self.count, len(bins)), dtype=np.float32)
        flat = counted.reshape(-1)
        for times, neuron, rounding, _ in self.pieces():
            slot = bins.slots(times, rounding)
            inside = slot >= 0
            np.add.at(flat, neuron[inside] * len(bins) + slot[inside], np.float32(1))
        return counted


@dataclass(frozen=True)
class SpikeSurvey:
    """Numbers of spikes and span of their times.

    Args:
        spikes: Spikes that were read.
        counts: Number of spikes of each neuron :math:`(N)`.
        first: Time of the first spike in seconds; infinity without spikes.
        last: Time of the last spike in seconds; minus infinity without spikes.
        whole: Whether all times are whole numbers whose ticks a second are not known.
        rounding: Rounding error of the stored times in seconds.
        outside: Number of spikes outside the chosen time.
        lost: Number of spikes without a time (NaN or infinity).
    """

    spikes: Spikes
    counts: np.ndarray
    first: float
    last: float
    whole: bool
    rounding: float
    outside: int = 0
    lost: int = 0

    @property
    def total(self) -> int:
        """Number of all spikes."""
        return int(self.counts.sum())

    @property
    def rates(self) -> np.ndarray:
        """Rate of each neuron between the first and the last spike of all, in Hz [N]."""
        span = self.last - self.first
        rates: np.ndarray = self.counts / span if np.isfinite(span) and span > 0 else np.zeros(len(self.counts))
        return rates

    def doubt(self) -> str:
        """Returns why the times cannot be in seconds, as one sentence with the way out; an empty text if they can."""
        if self.spikes.rate is not None:
            return ""
        rates, label = self.rates, self.spikes.label
        ask = "give --sampling-rate: 1000 for milliseconds, the sampling rate in Hz for samples, 1 for seconds"
        every = self.total + self.outside
        if self.whole and (every >= 20 or self.last >= 100):
            last = f", up to {self.last:.0f}" if self.total else ""
            return (
                f"Expected {label} in seconds (all {every} are whole numbers{last}: milliseconds, or samples?); {ask}."
            )
        if not self.total:
            return ""
        far = self.far_off()
        if far:
            return far
        if self.total >= 20 and self.last - self.first > 3600 and rates.max() < _SLOWEST:
            return (
                f"Expected {label} in seconds (they span {_long(self.last - self.first)} at {rates.max():.2g} Hz at "
                f"most: milliseconds?); {ask}."
            )
        if self.total >= 20 and (rates.max() > _FASTEST):
            return (
                f"Expected {label} in seconds (they span {self.last - self.first:.3g} s at up to {rates.max():.3g} Hz "
                f"a neuron: minutes, hours or days?); {ask}, 0.0166667 for minutes, 1.15741e-05 for days."
            )
        return ""

    def far_off(self) -> str:
        """Returns a sentence on single times that lie far from all others; an empty text if there are none."""
        if self.last - self.first < 1e5:
            return ""
        sample = np.sort(np.concatenate([piece.times for piece in self.spikes.pieces()]))
        sample = sample[(sample >= self.first) & (sample <= self.last)]
        low, high = np.quantile(sample, [0.02, 0.98])
        margin = 10 * (high - low) + 60
        near = sample[(sample >= low - margin) & (sample <= high + margin)]
        if len(near) == len(sample) or len(near) < 0.95 * len(sample):
            return ""
        return (
            f"Expected all times of one recording in {self.spikes.label} ({len(sample) - len(near)} of {len(sample)} "
            f"lie far off, between {sample[0]:g} and {sample[-1]:g} s, the others between {near[0]:g} and "
            f"{near[-1]:g} s); --start {np.floor(near[0]):g} --stop {np.ceil(near[-1]):g} leaves them out."
        )


def _long(seconds: float) -> str:
    """Returns a duration in hours or days."""
    return f"{seconds / 86400:.1f} days" if seconds > 86400 else f"{seconds / 3600:.1f} hours"
