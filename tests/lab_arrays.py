"""Readers of arrays that take the keys as plain arguments."""

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.datasets import arrays, spike_times
from synapsnet_pyg.datasets.arrays import ActivitySource
from synapsnet_pyg.datasets.behaviour_arrays import BehaviourSource
from synapsnet_pyg.datasets.neuron_arrays import NeuronKeys
from synapsnet_pyg.datasets.spike_times import SpikeSource


def sources(
    behaviour=(), behaviour_axes=None, behaviour_times=None, neuron_ids=None, fields=None, true_connectivity=None
) -> dict[str, object]:
    return {
        "behaviour": BehaviourSource(behaviour, behaviour_axes, behaviour_times),
        "neurons": NeuronKeys(neuron_ids, fields or {}, true_connectivity),
    }


def read_arrays(
    source, activity, axes, bin_size=None, behaviour=(), behaviour_axes=None, name=None, **options
) -> Session:
    bins = {key: options.pop(key) for key in ("times", "rebin", "rebin_mean", "fill_nan") if key in options}
    keys = sources(behaviour, behaviour_axes, **options)
    return arrays.read_arrays(source, ActivitySource(activity, axes, bin_size, **bins), name=name, **keys)


def read_spike_times(source, times, bin_size, spike_index=None, spike_neuron=None, **options) -> Session:
    bins = {key: options.pop(key) for key in ("sampling_rate", "start", "stop") if key in options}
    spikes = SpikeSource(times, bin_size, spike_index, spike_neuron, **bins)
    return spike_times.read_spike_times(source, spikes, **sources(**options))
