"""Cells and colours of the picture of a large matrix."""

from typing import NamedTuple

import numpy as np

STATIC_CELLS = 600
"""Largest number of cells along a side of a matrix in a figure that does not zoom."""


class Cells(NamedTuple):
    """Pairs of neurons that the cells of a drawn matrix show."""

    receiver: np.ndarray
    """Index of the receiver of each cell [M, M]."""
    sender: np.ndarray
    """Index of the sender of each cell [M, M]."""
    first: np.ndarray
    """Index of the first neuron of each row and column [M]."""


def pooled(matrix: np.ndarray, order: np.ndarray, most: int = 300) -> Cells:
    """Returns the pair of each cell of a drawn matrix; a cell of a large matrix shows the strongest of several pairs.

    Args:
        matrix: Weights [N, N].
        order: Indices of the neurons in the order of rows and columns [N].
        most: Largest number of cells along each side, so that the image of a large population stays small.

    Example:
        >>> matrix = np.array([[0, 1, 0, -2], [0, 0, 0, 0], [0, 5, 0, 0], [0, 0, 3, 0]])
        >>> cells = pooled(matrix, np.arange(4), most=2)
        >>> matrix[cells.receiver, cells.sender].tolist()
        [[1, -2], [5, 3]]
    """
    step = -(-len(order) // most)
    size = -(-len(order) // step)
    places = np.pad(order, (0, size * step - len(order)), mode="edge")
    squares = np.abs(matrix[np.ix_(places, places)]).reshape(size, step, size, step).swapaxes(1, 2)
    row, column = np.divmod(squares.reshape(size, size, -1).argmax(2), step)
    first = step * np.arange(size)
    return Cells(places[first[:, None] + row], places[first[None, :] + column], places[first])


def colour_limit(values: np.ndarray, quantile: float = 0.995) -> float:
    """Returns the value of full colour: a quantile of the absolute values, which a few extreme values do not change.

    Args:
        values: Numbers of the image, of any shape; NaN is ignored.
        quantile: Quantile of the absolute values, 0 to 1.

    Example:
        >>> colour_limit(np.array([-3.0, 1.0, np.nan]), quantile=1.0)
        3.0
    """
    size = np.abs(values[np.isfinite(values)])
    return (float(np.quantile(size, quantile)) or float(size.max())) if size.size and size.any() else 1.0


def drawn_values(matrix: np.ndarray, order: np.ndarray, most: int = 300) -> np.ndarray:
    """Returns the values that the image of a matrix shows, for the limit of its colours; without the diagonal.

    Args:
        matrix: Weights [N, N].
        order: Indices of the neurons in the order of rows and columns [N].
        most: Largest number of cells along each side; of more neurons a cell shows the strongest of several pairs.

    Example:
        >>> drawn_values(np.array([[7.0, 1], [2, 7]]), np.arange(2)).tolist()
        [1.0, 2.0]
    """
    if len(matrix) <= most:
        return matrix[~np.eye(len(matrix), dtype=bool)]
    matrix = matrix.copy()
    np.fill_diagonal(matrix, 0)
    cells = pooled(matrix, order, most)
    return matrix[cells.receiver, cells.sender].ravel()


def block_limit(weight: np.ndarray) -> float:
    """Returns the value of full colour of means from group to group, which a few small groups do not change.

    Args:
        weight: Mean weights [G, G]; NaN is ignored. The largest is the limit, or the 95th percentile of 20 and more.

    Example:
        >>> block_limit(np.array([[0.5, -2.0], [np.nan, 1.0]]))
        2.0
    """
    return colour_limit(weight, 0.95 if np.isfinite(weight).sum() >= 20 else 1.0)


def weight_limit(values: np.ndarray) -> float:
    """Returns the value of full colour of learned weights, at least 0.001: a matrix of nothing should look empty.

    Args:
        values: Weights between standardised activities, of any shape, in SD of the receiver per SD of the sender.

    Example:
        >>> weight_limit(np.array([-2e-6, 1e-6])), weight_limit(np.array([0.5]))
        (0.001, 0.5)
    """
    return max(colour_limit(values), 0.001)
