"""Conversions between arrays of numpy and the fields of a session."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from synapsnet_pyg.files.texts import storable
from synapsnet_pyg.intake.plain import texts
from synapsnet_pyg.nn.current_conv import edges_of


def as_texts(values: ArrayLike | None) -> list[str] | None:
    """Returns the entries as a flat list of texts."""
    return None if values is None else [text(value) for value in np.asarray(values).ravel().tolist()]


def named_neurons(ids: ArrayLike, session: str) -> list[str]:
    """Returns a text for each id of a neuron; missing ids become the session's name with the row.

    Example:
        >>> named_neurons([101.0, float("nan"), -1], "m1")
        ['101', 'm1/1', 'm1/2']
    """
    return [entry if entry not in ("", "-1") else f"{session}/{row}" for row, entry in enumerate(texts(ids))]


def text(value: Any) -> str:
    """Returns a value as a text that files can hold; bytes are decoded as UTF-8."""
    return storable(value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value))


def true_edges(connectivity: ArrayLike) -> tuple[Tensor, Tensor]:
    """Returns the edges of a true connectivity: ``edge_index`` [2, E], sender before receiver, ``edge_weight`` [E].

    Args:
        connectivity: Weights [N, N], ``[i, j]`` the effect of j on i; zero: no edge.

    Raises:
        ValueError: The matrix is not square.

    Example:
        >>> true_edges([[0, 0], [0.5, 0]])
        (tensor([[0],
                [1]]), tensor([0.5000]))
    """
    weights = torch.from_numpy(np.array(connectivity, dtype=np.float32))
    if weights.dim() != 2 or weights.shape[0] != weights.shape[1]:
        raise ValueError(f"Expected true_connectivity of shape [N, N] (got {list(weights.shape)}).")
    return edges_of(weights)


def as_columns(fields: Mapping[str, Tensor | list[str]]) -> dict[str, list[Any]]:
    """Returns fields of the neurons as columns of numbers or texts; fields wider than three columns are left out.

    Example:
        >>> as_columns({"area": ["V1", "LM"], "position": torch.tensor([[0.0, 1.0], [2.0, 3.0]])})
        {'area': ['V1', 'LM'], 'position_x': [0.0, 2.0], 'position_y': [1.0, 3.0]}
    """
    columns: dict[str, list[Any]] = {}
    for key, value in fields.items():
        if not isinstance(value, Tensor):
            columns[key] = value
        elif value.dim() == 1:
            columns[key] = value.tolist()
        elif value.dim() == 2 and value.shape[1] <= 3:
            axes = zip(range(value.shape[1]), "xyz", strict=False)
            columns |= {f"{key}_{axis}": value[:, a].tolist() for a, axis in axes}
    return columns
