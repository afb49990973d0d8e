"""The recurrent network of CURBD and its learning, bin by bin."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from synapsnet_pyg.files import optional_import

blas = optional_import("scipy.linalg.blas", "analysis")


class RunScore(NamedTuple):
    """Agreement of states and activity in one run through the recording."""

    p_var: float
    """Share of the activity's variance that the states reproduce, at most 1."""
    chi2: float
    """Squared error, mean over neurons, summed over bins."""


def normalise(activity: np.ndarray) -> np.ndarray:
    """Divides activity by its largest value and clips it to the range of a state, +-0.999.

    Raises:
        ValueError: No value is above zero.
    """
    largest = float(activity.max())
    if not largest > 0:
        raise ValueError(f"Expected activity above 0 somewhere (its largest value is {largest:g}).")
    return np.clip(activity.astype(np.float64) / largest, -0.999, 0.999)


def correlated_noise(white: np.ndarray, time_constant: float) -> np.ndarray:
    r"""Returns noise that is correlated over some steps.

    .. math::
        w_t = \sqrt{\tau}\, n_t, \qquad y_t = w_t + (y_{t-1} - w_t)\, e^{-1 / \tau}, \qquad y_0 = 1

    Args:
        white: Standard normal noise :math:`n` :math:`(N, \text{steps})`.
        time_constant: Time constant :math:`\tau` in steps.
    """
    memory = np.exp(-1 / time_constant)
    noise = np.ones_like(white)
    for t in range(1, white.shape[1]):
        noise[:, t] = (1 - memory) * np.sqrt(time_constant) * white[:, t] + memory * noise[:, t - 1]
    return noise


class RecurrentNetwork:
    r"""Recurrent network with one state for each neuron, trained by recursive least squares.

    Recursive least squares changes J and P at every bin by multiples of the same vectors g. The newest changes are
    kept as vectors and applied together as one matrix product; until then they are subtracted from the products J r
    and P r. The results are equal, but a bin reads J and P once instead of reading each twice and writing it once.

    Args:
        activity: Normalised activity :math:`(N, T)`.
        noise: Noise :math:`(N, \text{steps})`.
        start: First weights J :math:`(N, N)`.
        plasticity: Factor of the identity in P at the start.
        steps_per_bin: Number of Euler steps in a bin.
        time_constant: Time constant of the states, in bins.
        resets: Steps at which the states restart from the activity.
        legacy_alignment: Whether state and activity are aligned as in the published program.
    """

    PENDING = 16
    """Largest number of changes that are kept as vectors."""

    def __init__(
        self,
        activity: np.ndarray,
        noise: np.ndarray,
        start: np.ndarray,
        *,
        plasticity: float,
        steps_per_bin: int,
        time_constant: float,
        resets: Iterable[int],
        legacy_alignment: bool,
    ) -> None:
        self.activity, self.noise = np.ascontiguousarray(activity.T), np.ascontiguousarray(noise.T)
        self.steps_per_bin, self.step = steps_per_bin, 1 / (time_constant * steps_per_bin)
        self.resets, self.lead = frozenset(resets), int(legacy_alignment)
        self.total_power = activity.size * activity.std() ** 2
        self.states = np.empty_like(self.noise)
        N = len(start)
        self.JP = np.concatenate([start, plasticity * np.eye(N)])
        self.J, self.P = self.JP[:N], self.JP[N:]
        self.pending, self.along = 0, np.empty((self.PENDING, N))
        self.changes = np.empty((self.PENDING, 2 * N))

    def run(self, learning: bool) -> RunScore:
        """Runs once through the recording, with or without learning."""
        N, q, chi2 = len(self.J), self.steps_per_bin, 0.0
        h = self.activity[0].copy()
        self.states[0] = np.tanh(h)
        # In the published program the state of step t has had t - 1 updates.
        for t in range(self.lead, len(self.states)):
            if t in self.resets:
                h = self.activity[t // q].copy()
            r = np.tanh(h, out=self.states[t])
            at_bin = t % q == 0
            sent = self._sent(r) if learning and at_bin else self._sent_by_connectivity(r)
            h += self.step * (sent[:N] + self.noise[t] - h)
            if at_bin:
                error = r - self.activity[t // q - self.lead]
                chi2 += error.dot(error) / N
                if learning:
                    self._learn(error, sent[N:], r)
        self._apply_changes()
        residual = self.states[::q] - self.activity
        return RunScore(1 - float(np.vdot(residual, residual)) / self.total_power, float(chi2))

    def _sent(self, r: np.ndarray) -> np.ndarray:
        """Returns J r and P r, one after the other."""
        k = self.pending
        sent = self.JP.dot(r)
        sent -= self.along[:k].dot(r).dot(self.changes[:k])
        return sent

    def _sent_by_connectivity(self, r: np.ndarray) -> np.ndarray:
        """Returns J r."""
        k = self.pending
        return self.J.dot(r) - self.along[:k].dot(r).dot(self.changes[:k, : len(r)])

    def _learn(self, error: np.ndarray, g: np.ndarray, r: np.ndarray) -> None:
        """Keeps the changes of J and P by one bin."""
        k, c = self.pending, 1 / (1 + r.dot(g))
        self.along[k] = g
        np.multiply(error, c, out=self.changes[k, : len(r)])
        np.multiply(g, c, out=self.changes[k, len(r) :])
        self.pending += 1
        if self.pending == self.PENDING:
            self._apply_changes()

    def _apply_changes(self) -> None:
        """Applies the kept changes to J and P."""
        if self.pending:
            # In place, and transposed because BLAS counts columns first: numpy would make another J and P.
            changes, along = self.changes[: self.pending].T, self.along[: self.pending].T
            blas.dgemm(-1.0, along, changes, trans_b=True, beta=1.0, c=self.JP.T, overwrite_c=True)
            self.pending = 0
