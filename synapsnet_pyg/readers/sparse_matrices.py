"""Sparse matrices of other programs with their zeros, after a look at their indices.

scipy writes wherever an index points: one out of range ends Python, or changes other numbers.
"""

from typing import Any

import numpy as np

from synapsnet_pyg.files import require_memory


def dense(matrix: Any, label: str) -> np.ndarray:
    """Returns a sparse matrix of scipy with its zeros; entries that come twice are added up.

    Args:
        matrix: Matrix of scipy that was read from a file.
        label: Description of the matrix in messages.

    Raises:
        ValueError: An index is out of range, or the matrix does not fit into memory.

    Example:
        >>> import scipy.sparse
        >>> dense(scipy.sparse.csr_array([[0, 2], [1, 0]]), "'A'")
        array([[0, 2],
               [1, 0]])
    """
    shape = tuple(int(length) for length in matrix.shape)
    require_memory(matrix.dtype.itemsize * int(np.prod(shape, dtype=object)), f"{label} of shape {list(shape)}")
    if hasattr(matrix, "indptr"):
        block = getattr(matrix, "blocksize", (1, 1))
        major, minor = (shape[0] // block[0], shape[1] // block[1]) if matrix.format != "csc" else shape[::-1]
        require_indices(matrix.indptr, matrix.indices, (major, minor), label)
    elif hasattr(matrix, "coords"):
        for axis, index in zip(shape, matrix.coords, strict=True):
            _require_range(index, axis, label)
    found: np.ndarray = matrix.toarray()
    return found


def require_indices(start: np.ndarray, minor: np.ndarray, shape: tuple[int, int], label: str) -> None:
    """Raises an error unless the indices of compressed rows, or columns, are those of a matrix.

    Args:
        start: Index of the first entry of each row (or column) and the number of entries (M + 1).
        minor: Index of the column (or row) of each entry.
        shape: Number of rows and columns (or columns and rows).
        label: Description of the matrix in messages.

    Raises:
        ValueError: They are not.
    """
    if len(start) != shape[0] + 1 or start[0] != 0 or start[-1] > len(minor) or (np.diff(start) < 0).any():
        raise ValueError(
            f"Expected {shape[0] + 1} starts of rows from 0 up to {len(minor)} in {label} (got {len(start)}, from "
            f"{start.min() if len(start) else 0} to {start.max() if len(start) else 0}, or not in order)."
        )
    _require_range(minor[: int(start[-1])], shape[1], label)


def _require_range(index: np.ndarray, length: int, label: str) -> None:
    """Raises an error if an index points out of an axis."""
    if len(index) and not 0 <= int(index.min()) <= int(index.max()) < length:
        raise ValueError(
            f"Expected indices from 0 to {length - 1} in {label} (got {int(index.min())} to {int(index.max())})."
        )
