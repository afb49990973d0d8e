"""True response of a simulated population to one pulse."""

from dataclasses import dataclass

import numpy as np


@dataclass
class Response:
    """Mean over starts of the change of every neuron's activity after a pulse to each neuron.

    ``total`` and ``squares`` are sums over ``starts`` of the change and of its square :math:`(N, N, H)`,
    [receiver, sender, bins after the pulse].
    """

    total: np.ndarray
    squares: np.ndarray
    starts: int = 0

    @classmethod
    def empty(cls, neurons: int, horizon: int) -> "Response":
        """Returns a response without starts."""
        return cls(*np.zeros((2, neurons, neurons, horizon)))

    def add(self, change: np.ndarray) -> None:
        """Adds the changes of some starts :math:`(S, N, N, H)`, [start, sender, receiver, bins after the pulse]."""
        self.total += change.sum(0, dtype=np.float64).swapaxes(0, 1)
        self.squares += np.square(change, dtype=np.float64).sum(0).swapaxes(0, 1)
        self.starts += len(change)

    @property
    def mean(self) -> np.ndarray:
        """Mean change :math:`(N, N, H)`."""
        return self.total / self.starts

    @property
    def error(self) -> np.ndarray:
        """Standard error of the mean change :math:`(N, N, H)`."""
        variance = np.maximum(self.squares / self.starts - self.mean**2, 0)
        return np.sqrt(variance / max(self.starts - 1, 1))
