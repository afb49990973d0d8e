"""Sessions made of arrays, of recordings that readers found, and of other packages' objects."""

from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch_geometric.data import Data

from synapsnet_pyg.data.conversions import as_texts, true_edges
from synapsnet_pyg.data.session_checks import RESERVED, as_float
from synapsnet_pyg.intake.binning import bin_recording
from synapsnet_pyg.intake.plain import numbers
from synapsnet_pyg.intake.recording import Recording, Selection


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
            neuron_id: Text or number for each neuron.
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
            neuron_id=as_texts(neuron_id),
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
            **binned.neurons.fields(reserved),
        )
