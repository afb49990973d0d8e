"""Connectivity files of MATLAB."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from torch import Tensor

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.data.session_checks import check_connectivity
from synapsnet_pyg.files import optional_import
from synapsnet_pyg.nn.current_conv import edges_of, values_at
from synapsnet_pyg.results.graphs import check_edge_fields, connectivity_from_edges, connectivity_from_matrix

ORIENTATION = "[receiver, sender]: connectivity(i, j) is the effect of neuron j on neuron i"
"""Text of the variable ``orientation``."""


def write_matlab(path: Path, session: Session, connectivity: Tensor, edge_fields: Mapping[str, Tensor]) -> None:
    """Writes a connectivity as a file of MATLAB (version 5), which R and Octave read too.

    Variables: ``connectivity`` [N, N], ``neuron_id`` (an N x 1 cell of texts), the session's fields of each neuron as
    ``neuron_<field>`` (numbers, or a cell of texts), ``session``, ``orientation`` (a text) and the edge fields [N, N].
    In place of a sparse matrix there are the lists ``sender``, ``receiver`` (rows of ``neuron_id``, from 1 as MATLAB
    counts) and ``weight`` of its entries, and the edge fields of these.

    Args:
        path: Path of the file.
        session: Session of the N neurons.
        connectivity: Weights :math:`(N, N)`, ``[i, j]`` the effect of j on i.
        edge_fields: Name -> further values of each pair :math:`(N, N)`.

    Raises:
        ImportError: scipy is not installed.
        ValueError: A matrix does not fit the session.
    """
    check_connectivity(session.num_neurons, connectivity)
    check_edge_fields(session, edge_fields)
    variables = {"neuron_id": _cell(session.neuron_id), "session": session.name, "orientation": ORIENTATION}
    for key, column in session.neuron_columns.items():
        name = f"neuron_{key}"
        if name.isidentifier() and len(name) < 64 and name not in variables:  # what MATLAB takes for a name
            texts = any(isinstance(value, str) for value in column)
            variables[name] = _cell(column) if texts else np.array(column)
    if connectivity.is_sparse:
        edge_index, weight = edges_of(connectivity.detach().cpu())
        fields = {name: values_at(matrix.cpu(), edge_index).numpy() for name, matrix in edge_fields.items()}
        sender, receiver = edge_index.numpy() + 1
        variables |= {"sender": sender, "receiver": receiver, "weight": weight.numpy(), **fields}
    else:
        matrices = {"connectivity": connectivity, **edge_fields}
        variables |= {name: matrix.detach().cpu().numpy() for name, matrix in matrices.items()}
    with path.open("wb") as file:
        optional_import("scipy.io", "analysis").savemat(
            file, variables, long_field_names=True, do_compression=True, oned_as="column"
        )


def _cell(values: Sequence[object]) -> np.ndarray:
    """Returns values as an N x 1 cell."""
    cell = np.empty((len(values), 1), dtype=object)
    cell[:, 0] = values
    return cell


def read_matlab(path: Path, session: Session) -> Tensor:
    """Reads a file of :func:`write_matlab`, in the order of the session's neurons.

    Args:
        path: Path of the file.
        session: Session of the N neurons.

    Raises:
        ImportError: scipy is not installed.
        ValueError: The file is damaged, holds no connectivity, or has other neurons.
    """
    loadmat = optional_import("scipy.io", "analysis").loadmat
    wanted = ["connectivity", "neuron_id", "sender", "receiver", "weight"]
    try:
        with path.open("rb") as file:
            variables = loadmat(file, variable_names=wanted)
        ids = ["".join(cell.tolist()) for cell in variables["neuron_id"].ravel()]
    except Exception as error:  # scipy raises many kinds of errors for a damaged file
        raise ValueError(f"Expected a connectivity of MATLAB (got: {error!r}).") from None
    if "sender" in variables:
        sender, receiver, weight = (variables[key].ravel().tolist() for key in ("sender", "receiver", "weight"))
        if not all(1 <= end <= len(ids) for end in (*sender, *receiver)):
            raise ValueError(f"Expected senders and receivers from 1 to {len(ids)} (got others).")
        ends = ([ids[int(end) - 1] for end in each] for each in (sender, receiver))
        return connectivity_from_edges(session, zip(*ends, weight, strict=True))
    return connectivity_from_matrix(session, variables["connectivity"], ids)
