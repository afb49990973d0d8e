"""Sessions from a lab's own spike times, counted in bins."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.datasets.array_files import ArrayFile
from synapsnet_pyg.datasets.behaviour_arrays import BehaviourSource
from synapsnet_pyg.datasets.neuron_arrays import NeuronKeys, warn_of_neurons
from synapsnet_pyg.datasets.time_bins import TimeBins


@dataclass(frozen=True)
class SpikeSource:
    """Keys of spike times in a file, and the bins to count them in.

    Args:
        times: Key of the times of all spikes.
        bin_size: Duration of one bin in seconds.
        index: Key of the index after the last spike of each neuron, as in NWB, for spikes sorted by neuron. Give either
            ``index`` or ``neuron``.
        neuron: Key of the number of each spike's neuron, as ``spike_clusters`` of phy. Neurons are sorted by number.
        sampling_rate: Number of samples a second, for spike times that count samples; 1 for times in seconds.
        start: Start of the first bin in seconds. None: time of the first spike.
        stop: End of the recording in seconds. None: time of the last spike.

    Raises:
        ValueError: Both of ``index`` and ``neuron`` are given, or neither.
    """

    times: str
    bin_size: float
    index: str | None = None
    neuron: str | None = None
    sampling_rate: float = 1.0
    start: float | None = None
    stop: float | None = None

    def __post_init__(self) -> None:
        if (self.index is None) == (self.neuron is None):
            raise ValueError(
                "Expected either the end of each neuron's spikes (spike index) or each spike's neuron; give one."
            )

    def read(self, file: ArrayFile) -> "_Spikes":
        """Reads the spike times of each neuron in seconds.

        Raises:
            ValueError: A key is missing, lengths do not fit, or there are no spikes.
        """
        times = file.numbers(self.times).ravel() * (1 / self.sampling_rate)
        spikes = self._by_index(file, times) if self.neuron is None else self._by_neuron(file, times)
        if not len(times) or not spikes.times:
            raise ValueError(f"Expected spikes in '{self.times}' of '{file.path}' (there are none).")
        return spikes

    def bins(self, times: list[np.ndarray]) -> TimeBins:
        """Returns the bins from start to stop."""
        all_times = np.concatenate(times)
        start = np.nanmin(all_times) if self.start is None else self.start
        stop = np.nanmax(all_times) if self.stop is None else self.stop
        return TimeBins([(float(start), float(stop))], self.bin_size)

    def _by_index(self, file: ArrayFile, times: np.ndarray) -> "_Spikes":
        """Returns the spikes of each neuron, from the index after the last spike of each."""
        end = file.numbers(self.index).ravel().astype(np.int64)
        if len(end) and (end[-1] != len(times) or (np.diff(end) < 0).any() or end[0] < 0):
            raise ValueError(
                f"Expected rising ends up to {len(times)} spikes in '{self.index}' of '{file.path}' "
                f"(got {end[:3].tolist()}..., {end[-1]})."
            )
        return _Spikes(np.split(times, end[:-1]) if len(end) else [], None)

    def _by_neuron(self, file: ArrayFile, times: np.ndarray) -> "_Spikes":
        """Returns the spikes of each neuron, from the neuron of each spike."""
        owner = file.numbers(self.neuron).ravel()
        if len(owner) != len(times):
            raise ValueError(
                f"Expected a neuron for each of the {len(times)} spikes in '{self.neuron}' (got {len(owner)})."
            )
        order = np.argsort(owner, kind="stable")
        numbers, first = np.unique(owner[order], return_index=True)
        return _Spikes(np.split(times[order], first[1:]), numbers)


class _Spikes(NamedTuple):
    """Spike times and numbers of the neurons."""

    times: list[np.ndarray]
    """Spike times of each neuron in seconds."""
    numbers: np.ndarray | None
    """Number of each neuron, or None if the file has no numbers."""


def read_spike_times(
    path: str | Path,
    spikes: SpikeSource,
    *,
    behaviour: BehaviourSource | None = None,
    neurons: NeuronKeys | None = None,
    name: str | None = None,
) -> Session:
    """Counts spikes of one file or folder in bins, and interpolates behaviour at the bins' centres.

    Args:
        path: File or folder of arrays, see :func:`~synapsnet_pyg.datasets.arrays.read_arrays`.
        spikes: Keys of the spikes, and the bins.
        behaviour: Keys of the behaviours and of their clock.
        neurons: Keys of the ids, the fields and the true connectivity of the neurons. Ids without a key are the
            session's name with the neuron's number or row.
        name: Name of the session. None: the file's stem.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A key is missing, or lengths do not fit.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     np.savez(f"{folder}/mouse.npz", times=[0.0, 0.3, 0.1, 0.9], end=[2, 4])
        ...     session = read_spike_times(f"{folder}/mouse.npz", SpikeSource("times", bin_size=0.3, index="end"))
        >>> session.activity.tolist()
        [[1.0, 1.0, 0.0], [1.0, 0.0, 0.0]]
    """
    path = Path(path)
    behaviour, neurons = behaviour or BehaviourSource(), neurons or NeuronKeys()
    name = path.stem if name is None else name
    if behaviour.keys and behaviour.times is None:
        raise ValueError("Expected the key of the behaviours' clock (got none); give --behaviour-times.")
    with ArrayFile(path) as file:
        recorded = spikes.read(file)
        bins = spikes.bins(recorded.times)
        counts = np.stack([bins.count(times) for times in recorded.times]).astype(np.float32)
        numbers = None if recorded.numbers is None else [f"{name}/{n:.17g}" for n in recorded.numbers]
        known = neurons.read(file, len(counts), name, numbers)
        shared = behaviour.on_clock(file, bins.centres)
    warn_of_neurons(counts, np.ones(len(counts), bool))
    return Session.from_arrays(
        counts,
        shared.values,
        bin_size=spikes.bin_size,
        name=name,
        neuron_id=known.ids,
        behaviour_name=shared.names,
        true_connectivity=known.truth,
        **known.fields,
    )
