"""Keys of the arrays of a recording, and names that tell what an array holds."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from itertools import permutations

TIME_NAMES = frozenset(
    {"time", "times", "t", "ts", "timestamp", "timestamps", "spike_time", "spike_times", "spiketime", "spiketimes"}
    | {"time_s", "times_s", "time_sec", "seconds", "spike_times_sec", "st"}
)
"""Names of arrays of times, in lower case."""

NEURON_NAMES = frozenset(
    {"neuron", "neurons", "unit", "units", "unit_index", "unit_id", "unit_ids", "cluster", "clusters", "cluster_id"}
    | {"cluster_ids", "spike_clusters", "spike_neuron", "spike_neurons", "spike_unit", "spike_units", "cell", "cells"}
    | {"cell_id", "neuron_id", "neuron_ids", "owner", "spike_neuron_id", "spike_cluster", "id", "ids", "clu"}
)
"""Names of arrays that hold the neuron of each spike, in lower case."""

ID_NAMES = (
    "neuron_id",
    "unit_id",
    "cluster_id",
    "cell_id",
    "roi_id",
    "id",
    "neuron",
    "unit",
    "cluster",
    "cell",
    "roi",
) + (
    "label",
    "name",
    "neuron_label",
    "neuron_ids",
    "unit_ids",
    "cluster_ids",
    "cell_ids",
    "ids",
    "names",
)
"""Names of arrays that identify neurons, in lower case, the usual ones first."""

START_NAMES, STOP_NAMES = (
    ("start_time", "start", "starts", "onset", "on"),
    ("stop_time", "stop", "end", "ends", "offset", "off"),
)
"""Names of the starts and stops of intervals, in lower case."""

_UNIT_IN_NAME = re.compile(r"\s*[\[(](s|sec|seconds|ms|[u\u00b5]s|ns|min|h|id)[\])]$|_(sec|seconds|ms|us|ns)$")
"""Unit at the end of a name, in brackets or after ``_``."""

_AXES = [*permutations(("neuron", "bin")), *permutations(("trial", "neuron", "bin"))]


@dataclass(frozen=True)
class ArrayKeys:
    """Keys of the arrays of a recording in a file or folder that has no format of its own.

    Args:
        activity: Key of the activity: an array, a group with one array for each neuron, a table with a column for each,
            or cells with one array for each trial. None: the only array of the file.
        axes: Axes of the activity in order: neuron and bin, and trial where there are trials, which become segments.
        times: Key of the time of each bin; gaps end a segment.
        spike_times: Key of spike times: of all neurons, or ragged (cells, a group, names such as ``unit_*``).
        spike_index: Key of the index after the last spike of each neuron, as in NWB, for spikes sorted by neuron.
        spike_neuron: Key of the neuron of each spike, numbers or texts, such as ``spike_clusters`` of phy.
        behaviour_axes: Axes of each behaviour, among trial, bin and value. None: the only order that fits the lengths.
        behaviour_times: Key of the clock of the behaviours. None: there is a sample for each bin or each trial.
        neuron_ids: Key of the neurons' ids; the same id in two sessions is the same neuron.
        fields: Name of a field in the session -> key.
        truth: Key of the true weights :math:`(N, N)`, ``[i, j]`` the effect of j on i.
        neuron_table: Path of a table of the neurons (``.csv``, ``.tsv``, ``.parquet``), also beside the arrays.

    Raises:
        ValueError: The axes are no order of neuron, bin and trial, or keys exclude each other.
    """

    activity: str | None = None
    axes: Sequence[str] = ()
    _: KW_ONLY
    times: str | None = None
    spike_times: str | None = None
    spike_index: str | None = None
    spike_neuron: str | None = None
    behaviour_axes: Sequence[str] | None = None
    behaviour_times: str | None = None
    neuron_ids: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    truth: str | None = None
    neuron_table: str | None = None

    def __post_init__(self) -> None:
        if self.axes and tuple(self.axes) not in _AXES:
            known = "; ".join(",".join(axes) for axes in _AXES)
            raise ValueError(f"Expected axes among {known} (got {','.join(self.axes)}).")
        if self.spike_index is not None and self.spike_neuron is not None:
            raise ValueError(
                "Expected either the end of each neuron's spikes (--spike-index) or each spike's neuron "
                "(--spike-neuron); give one."
            )
        if self.spike_times is None and (self.spike_index or self.spike_neuron):
            raise ValueError(
                f"Expected --spike-times beside the neurons of spikes (got '{self.spike_index or self.spike_neuron}')."
            )
        if self.spike_times is not None and (self.activity is not None or self.axes):
            raise ValueError("Expected either --spike-times, or --activity with --axes; give one.")

    @property
    def names(self) -> frozenset[str]:
        """Keys that only arrays have; the activity counts where its axes are given."""
        own = (self.times, self.spike_times, self.spike_index, self.spike_neuron, self.behaviour_times, self.neuron_ids)
        activity = (self.activity or "activity",) if self.axes else ()
        return frozenset(key for key in (*own, self.truth, *self.fields.values(), *activity) if key is not None)


def last_name(key: str) -> str:
    """Returns the last part of a key in lower case, without a unit of time.

    Example:
        >>> last_name("units/Spike_Times"), last_name("time (s)"), last_name("t_ms")
        ('spike_times', 'time', 't')
    """
    name = key.strip("/").rsplit("/", 1)[-1].lower()
    name = _UNIT_IN_NAME.sub("", name) or name
    return name.replace(".", "/").rsplit("/", 1)[-1]


def unit_in_name(key: str) -> str:
    """Returns the unit of time at the end of a key, an empty text if there is none.

    Example:
        >>> unit_in_name("time [ms]"), unit_in_name("spikes/t_us"), unit_in_name("times")
        ('ms', 'us', '')
    """
    found = _UNIT_IN_NAME.search(key.lower())
    return found[1] or found[2] if found else ""
