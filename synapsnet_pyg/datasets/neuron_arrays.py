"""Ids, fields and true connectivity of neurons from a lab's own arrays."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from synapsnet_pyg.datasets.array_files import ArrayFile
from synapsnet_pyg.datasets.time_bins import warn
from synapsnet_pyg.files import shorten


class Neurons(NamedTuple):
    """Ids, fields and true connectivity of N neurons."""

    ids: list[str]
    """Text for each neuron."""
    fields: dict[str, np.ndarray]
    """Name of a field -> N entries."""
    truth: np.ndarray | None
    """True weights [N, N], or None."""

    def take(self, kept: np.ndarray) -> "Neurons":
        """Returns the neurons of a mask [N]."""
        return Neurons(
            [self.ids[i] for i in np.flatnonzero(kept)],
            {name: entries[kept] for name, entries in self.fields.items()},
            None if self.truth is None else self.truth[np.ix_(kept, kept)],
        )


@dataclass(frozen=True)
class NeuronKeys:
    """Keys in a file of the ids, the fields and the true connectivity of the neurons.

    Args:
        ids: Key of the neurons' ids; the same id in two sessions is the same neuron. A neuron with an empty or a
            repeated id is named after the session and its row. None: all neurons are.
        fields: Name of a field in the session -> key.
        true_connectivity: Key of the true weights :math:`(N, N)`, ``[i, j]`` the effect of j on i.
    """

    ids: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict)
    true_connectivity: str | None = None

    def read(self, file: ArrayFile, N: int, name: str, numbered: list[str] | None = None) -> Neurons:
        """Reads the fields of N neurons.

        Args:
            file: Opened file.
            N: Number of neurons.
            name: Name of the session.
            numbered: Ids of the neurons if there is no key of ids. None: name and row.

        Raises:
            ValueError: A key is missing, or its length does not fit.
        """
        truth = None if self.true_connectivity is None else file.numbers(self.true_connectivity)
        if truth is not None and truth.shape != (N, N):
            raise ValueError(
                f"Expected true weights of shape [{N}, {N}] in '{self.true_connectivity}' (got {list(truth.shape)})."
            )
        ids = numbered if self.ids is None else file.per_neuron(self.ids, N)
        fields = {label: file.per_neuron(key, N) for label, key in self.fields.items()}
        return Neurons(_unique(ids, name, N), fields, truth)


def warn_of_neurons(activity: np.ndarray, kept: np.ndarray) -> None:
    """Warns of neurons that hold NaN, are silent (zero in all bins) or constant.

    Args:
        activity: Activity [N, T].
        kept: Mask [N] of the neurons without NaN.
    """
    constant = np.zeros(len(activity), bool)
    constant[kept] = np.ptp(activity[kept], axis=1) == 0
    silent = constant & (activity[:, 0] == 0)
    for mask, finding in (
        (~kept, "hold NaN and are left out (--fill-nan keeps neurons with few)"),
        (silent, "are silent: no score will count them"),
        (constant & ~silent, "are constant: no score will count them"),
    ):
        rows = np.flatnonzero(mask).tolist()
        if rows:
            warn(f"{len(rows)} of {len(activity)} neurons (rows {shorten(rows, 8)}) {finding}.")


def _unique(ids: Iterable[object] | None, name: str, N: int) -> list[str]:
    """Returns a text for each neuron; neurons with an empty or repeated id are named after the session."""
    texts = [""] * N if ids is None else [str(entry).strip() for entry in ids]
    twice = sorted({text for text in texts if text and texts.count(text) > 1})
    if twice:
        warn(f"the ids {', '.join(map(repr, twice))} come more than once; their neurons are taken as new ones.")
        texts = ["" if text in twice else text for text in texts]
    return [text or f"{name}/{i}" for i, text in enumerate(texts)]
