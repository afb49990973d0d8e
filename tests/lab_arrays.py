"""Readers of arrays that take the keys as plain arguments."""

from pathlib import Path

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.intake.recording import Selection
from synapsnet_pyg.readers.arrays import ArrayKeys, ArraysReader


def session_of(source, keys, name=None, **selection) -> Session:
    chosen = Selection(**selection)
    return Session.from_recording(ArraysReader().read(Path(source), name or Path(source).stem, chosen, keys), chosen)


def split(options) -> tuple[dict[str, object], dict[str, object]]:
    """Splits options into keys of arrays and choices."""
    keys = {key: options.pop(key) for key in list(options) if key in ArrayKeys.__dataclass_fields__}
    return keys, options


def read_arrays(source, activity, axes, bin_size=None, behaviour=(), behaviour_axes=None, name=None, **options):
    keys, selection = split(options)
    array_keys = ArrayKeys(activity, axes, behaviour_axes=behaviour_axes, **keys)
    return session_of(source, array_keys, name, bin_size=bin_size, behaviour=behaviour, **selection)


def read_spike_times(source, times, bin_size=None, spike_index=None, spike_neuron=None, name=None, **options):
    keys, selection = split(options)
    array_keys = ArrayKeys(spike_times=times, spike_index=spike_index, spike_neuron=spike_neuron, **keys)
    return session_of(source, array_keys, name, bin_size=bin_size, **selection)
