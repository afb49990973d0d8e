"""Sessions made of arrays, of recordings that readers found, and of other packages' objects."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch_geometric.data import Data

from synapsnet_pyg.data.conversions import as_texts, named_neurons, true_edges
from synapsnet_pyg.data.session_checks import RESERVED, as_float
from synapsnet_pyg.intake.behaviours import Behaviour, OnFrames
from synapsnet_pyg.intake.binning import bin_recording
from synapsnet_pyg.intake.objects import SpikeSource, TraceSource, behaviours_of, intervals_of, spikes_of, traces_of
from synapsnet_pyg.intake.plain import numbers
from synapsnet_pyg.intake.recording import DEFAULT_BIN_SIZE, Recording, Selection


class SessionSources(Data):
    """Ways to make a session, as class methods."""

    @classmethod
    def from_arrays(
        cls,
        activity: ArrayLike,
        behaviour: ArrayLike | None = None,
        *,
        bin_size: float,
        name: str = "session",
        segment: ArrayLike | None = None,
        segment_part: Sequence[str] | None = None,
        neuron_id: ArrayLike | None = None,
        behaviour_name: ArrayLike | None = None,
        true_connectivity: ArrayLike | None = None,
        **neuron_fields: Any,
    ) -> Self:
        r"""Makes a session from numpy arrays, or from lists and other values that numpy converts to arrays.

        Args:
            activity: Activity :math:`(N, T)`, neurons first; integers become float32.
            behaviour: Behaviour :math:`(T, K)`, or :math:`(T)` for a single one.
            bin_size: Duration of one bin in seconds.
            name: Name of the recording in tables.
            segment: First bin and end (exclusive) of each block of consecutive bins, :math:`(S, 2)`.
            segment_part: Part of each segment: ``train``, ``validation``, ``test`` or ``""`` (unused).
            neuron_id: Text or number for each neuron; a missing one (NaN, ``None``, -1) gets a name of its own.
            behaviour_name: Text for each behaviour.
            true_connectivity: Weights :math:`(N, N)` with ``[i, j]`` the effect of neuron j on neuron i; zero: no edge.
            **neuron_fields: Fields of the neurons, N entries each.

        Raises:
            ValueError: A shape, range or value is wrong.
            WrongTypeError: Activity or behaviour do not hold real numbers.

        Example:
            >>> from synapsnet_pyg import Session
            >>> Session.from_arrays(np.random.poisson(1.0, (4, 60)), np.zeros(60), bin_size=0.05, name="probe")
            Session('probe', 4 neurons x 60 bins of 0.05 s, 1 behaviour, 1 segment)
        """
        edge_index, edge_weight = (None, None) if true_connectivity is None else true_edges(true_connectivity)
        if behaviour is not None:
            behaviour = as_float(behaviour, "behaviour")
            behaviour = behaviour[:, None] if behaviour.dim() == 1 else behaviour
        return cls(
            as_float(activity, "activity"),
            behaviour,
            bin_size=bin_size,
            segment=None if segment is None else torch.from_numpy(np.array(numbers(segment, "segment"))),
            segment_part=as_texts(segment_part),
            neuron_id=None if neuron_id is None else named_neurons(neuron_id, name),
            behaviour_name=as_texts(behaviour_name),
            name=name,
            edge_index=edge_index,
            edge_weight=edge_weight,
            **neuron_fields,
        )

    @classmethod
    def from_recording(cls, recording: Recording, selection: Selection | None = None) -> Self:
        """Makes a session of what a reader found: chooses neurons and time, counts spikes, brings behaviour along.

        Args:
            recording: Recording as found in a file.
            selection: Choices of the user. None: the usual ones.

        Raises:
            ValueError: A clock is not in seconds, or nothing is left; the message gives the reason.

        Example:
            >>> from synapsnet_pyg import Session
            >>> from synapsnet_pyg.intake.neuron_table import NeuronTable
            >>> from synapsnet_pyg.intake.spikes import Spikes
            >>> spikes = Spikes.from_trains([[0.1, 0.5], [0.3, 0.95]])
            >>> Session.from_recording(Recording("demo", spikes, NeuronTable(2)), Selection(bin_size=0.1)).activity
            tensor([[1., 0., 0., 0., 1., 0., 0., 0.],
                    [0., 0., 1., 0., 0., 0., 0., 0.]])
        """
        binned = bin_recording(recording, selection or Selection())
        reserved = frozenset(dir(cls)) | RESERVED
        truth = binned.neurons.truth
        edge_index, edge_weight = (None, None) if truth is None else true_edges(truth)
        return cls(
            torch.from_numpy(binned.activity),
            torch.from_numpy(binned.behaviour),
            bin_size=binned.bin_size,
            segment=torch.from_numpy(binned.segment),
            neuron_id=binned.neurons.names(binned.name),
            behaviour_name=binned.behaviour_name,
            name=binned.name,
            edge_index=edge_index,
            edge_weight=edge_weight,
            behaviour_recorded=torch.from_numpy(binned.recorded),
            notes=binned.notes,
            position_unit=binned.neurons.position_unit if "position" in binned.neurons.columns else None,
            **binned.neurons.fields(reserved),
        )

    @classmethod
    def from_spikes(
        cls,
        spikes: Any,
        behaviour: Mapping[str, Any] | None = None,
        *,
        bin_size: float = DEFAULT_BIN_SIZE,
        name: str = "session",
        neuron_id: ArrayLike | None = None,
        intervals: Any = None,
        exclude: Any = None,
        selection: Selection | None = None,
        **neuron_fields: Any,
    ) -> Self:
        """Counts the spikes of another package's object in bins; none of the packages need be installed.

        Args:
            spikes: SpikeInterface ``Sorting``, pynapple ``TsGroup``, neo ``SpikeTrain`` objects, a frame of pandas with
                the columns ``time`` and ``neuron``, a mapping of neuron to times, or a sequence of times of each
                neuron; times in seconds.
            behaviour: Name -> behaviour: pynapple ``Tsd``, ``Ts`` or ``IntervalSet``, series of pandas with the time as
                index, neo ``AnalogSignal``, ``Event`` or ``Epoch``, xarray ``DataArray``, or a pair of times and
                values.
            bin_size: Duration of one bin in seconds.
            name: Name of the recording in tables.
            neuron_id: Text or number for each neuron, the same in every session. None: the session's name with the
                neuron's number in the object.
            intervals: Blocks of time that become segments, such as trials: ``IntervalSet``, ``Epoch`` or (n, 2).
            exclude: Blocks of time that are left out, such as light pulses.
            selection: Further choices, such as ``Selection(where="group==good", start=10.0)``.
            **neuron_fields: Fields of the neurons beside those of the object, N entries each.

        Raises:
            ValueError: The object is of no such kind, the times are not in seconds, or nothing is left.

        Example:
            >>> from synapsnet_pyg import Session
            >>> Session.from_spikes({"a": [0.0, 0.31, 0.9], "b": [0.05]}, bin_size=0.3, name="demo").activity.tolist()
            [[1.0, 1.0, 0.0], [1.0, 0.0, 0.0]]
        """
        chosen = replace(selection or Selection(), bin_size=bin_size)
        found, own = spikes_of(spikes), behaviours_of(behaviour, chosen.circular)
        recording = _recording(name, found, own, neuron_id, neuron_fields, intervals=intervals, exclude=exclude)
        return cls.from_recording(recording, chosen)

    @classmethod
    def from_traces(
        cls,
        traces: Any,
        behaviour: Mapping[str, Any] | None = None,
        *,
        bin_size: float | None = None,
        name: str = "session",
        neuron_id: ArrayLike | None = None,
        intervals: Any = None,
        exclude: Any = None,
        selection: Selection | None = None,
        **neuron_fields: Any,
    ) -> Self:
        """Makes a session of traces in another package's object; none of the packages need be installed.

        Args:
            traces: pynapple ``TsdFrame``, xarray ``DataArray`` of neurons and time, neo ``AnalogSignal``, a frame of
                pandas (a row a frame, its index the time in seconds), a mapping of neuron to trace, or an array (N, T).
            behaviour: Name -> behaviour with its own clock, as of :meth:`from_spikes`, or an array with a sample for
                each frame.
            bin_size: Duration of a frame in seconds. None: from the object's clock.
            name: Name of the recording in tables.
            neuron_id: Text or number for each neuron, the same in every session. None: the session's name with the
                neuron's number in the object.
            intervals: Blocks of time that become segments, such as trials: ``IntervalSet``, ``Epoch`` or (n, 2).
            exclude: Blocks of time that are left out.
            selection: Further choices, such as ``Selection(rebin=3, fill_nan=0.01)``.
            **neuron_fields: Fields of the neurons beside those of the object, N entries each.

        Raises:
            ValueError: The object is of no such kind or has no clock, or nothing is left.

        Example:
            >>> from synapsnet_pyg import Session
            >>> Session.from_traces({"a": [0.5] * 8, "b": list(range(8))}, bin_size=0.1, name="demo")  # doctest: +SKIP
            Session('demo', 2 neurons x 8 bins of 0.1 s, 0 behaviours, 1 segment)
        """
        chosen = selection or Selection()
        found, own = traces_of(traces, bin_size), behaviours_of(behaviour, chosen.circular)
        recording = _recording(name, found, own, neuron_id, neuron_fields, intervals=intervals, exclude=exclude)
        return cls.from_recording(recording, chosen)


def _recording(
    name: str,
    found: SpikeSource | TraceSource,
    behaviours: Sequence[Behaviour | OnFrames],
    neuron_id: ArrayLike | None,
    fields: Mapping[str, Any],
    *,
    intervals: Any,
    exclude: Any,
) -> Recording:
    """Returns the recording of an object, with the caller's behaviours, ids, fields and intervals."""
    activity, neurons, observed = found
    if neuron_id is not None:
        neurons.ids = neuron_id
    neurons.columns |= {key: value for key, value in fields.items() if value is not None}
    return Recording(
        name,
        activity,
        neurons,
        behaviours,
        observed=observed,
        intervals=None if intervals is None else intervals_of(intervals, "intervals"),
        excluded=[] if exclude is None else intervals_of(exclude, "exclude"),
    )
