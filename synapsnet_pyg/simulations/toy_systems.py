"""Toy systems of five variables that drive each other with known weights, constant or changing in time."""

from typing import NamedTuple

import numpy as np
import torch

from synapsnet_pyg.data.session import Session

STEP = 0.01
"""Time step delta in seconds."""

START = np.array([0.02842224, 0.54671299, -0.73645409, -0.16290995, -0.48211931])
"""State at t = 0."""

_LINEAR = np.array(
    [
        [0.59884621, 0.03972211, -0.29245675, -0.78190846, -0.25719224],
        [0.00814218, -0.27560291, 1.29406381, 1.00672432, -2.71116248],
        [-1.88901325, -0.17477209, -0.42219041, 0.213643, 0.21732193],
        [2.11783876, -1.11202076, -0.37760501, 2.04277161, 0.646703],
        [0.66306337, -0.51400637, -1.64807517, 0.16746474, 0.10901409],
    ]
)


class System(NamedTuple):
    """Parameters of a toy system, by the symbols of :func:`simulate_toy_system`."""

    weights: np.ndarray
    """Weights W, [receiver, sender]."""
    feedback: np.ndarray | None = None
    """Change a of each sender's weights by the state, or None for constant weights."""
    saturates: bool = False
    """True if f is tanh, False if f is the identity."""

    def weights_at(self, state: np.ndarray) -> np.ndarray:
        """Returns the weights W_t from a state to the next."""
        return self.weights if self.feedback is None else self.weights + np.outer(state, self.feedback)

    def step(self, state: np.ndarray) -> np.ndarray:
        """Returns the next state."""
        change = self.weights_at(state) @ state
        return state + STEP * (np.tanh(change) if self.saturates else change)

    def flow(self, bins: int) -> np.ndarray:
        """Returns the states from t = 0 on [bins, 5], exact for a linear static system, else by Euler's method."""
        if self.feedback is None and not self.saturates:
            values, vectors = np.linalg.eig(self.weights)
            growth = np.exp(STEP * np.outer(np.arange(bins), values))
            exact: np.ndarray = ((growth * np.linalg.solve(vectors, START)) @ vectors.T).real
            return exact
        states = np.empty((bins, len(START)))
        states[0] = START
        for t in range(1, bins):
            states[t] = self.step(states[t - 1])
        return states


def _tamed(base: np.ndarray, raised: float, times: float) -> np.ndarray:
    """Returns a matrix with the same eigenvectors, whose fastest oscillation neither grows nor decays.

    Args:
        base: Matrix with one real eigenvalue.
        raised: Number added to the real eigenvalue.
        times: Factor of the raised eigenvalue.
    """
    values, vectors = np.linalg.eig(base)
    speed = np.abs(values.imag)
    tamed = np.where(speed > 0.999 * speed.max(), 1j * values.imag, values)
    tamed = np.where(speed == 0, times * (values + raised), tamed)
    matrix: np.ndarray = (vectors @ np.diag(tamed) @ np.linalg.inv(vectors)).real
    return matrix


_LINEAR_WEIGHTS = _tamed(_LINEAR, raised=1.2, times=1)
_TANH_WEIGHTS = _tamed(np.random.default_rng(2).standard_normal((5, 5)), raised=0, times=-1)

SYSTEMS = {
    "linear-static": System(_LINEAR_WEIGHTS),
    "tanh-static": System(_TANH_WEIGHTS, saturates=True),
    "linear-dynamic": System(_LINEAR_WEIGHTS, feedback=np.array([-1.0, 1, -1, 2, -1])),
    "tanh-dynamic": System(_TANH_WEIGHTS, feedback=np.array([-1.0, -1, 1, 1, 1]), saturates=True),
}
"""Name -> parameters of the system."""


def simulate_toy_system(
    system: str = "linear-static", bins: int = 3_001, *, seed: int = 0, skip: int = 7, name: str | None = None
) -> Session:
    r"""Simulates a small system with easy forecasts and weights that are hard to estimate (NetFormer, toy systems).

    .. math::
        x(t + \delta) = x(t) + \delta\, f\big(W_t\, x(t)\big), \qquad
        W_t = W \;\text{(static)} \quad\text{or}\quad W + x(t)\, a^\top \;\text{(dynamic)}

    with :math:`\delta` = 0.01 s and f the identity or tanh. The linear static system is solved exactly,
    :math:`x(t) = e^{Wt} x(0)`. One pair of eigenvalues of W lies on the imaginary axis, so that the system keeps
    oscillating. Nothing is random: the only trajectory starts from :data:`START`. W is hard to estimate since the
    trajectory is smooth.

    Args:
        system: Key of :data:`SYSTEMS`: ``"linear-static"``, ``"tanh-static"``, ``"linear-dynamic"`` or
            ``"tanh-dynamic"``.
        bins: Number of bins T; 3,001 give the 3,000 published pairs of consecutive bins.
        seed: Unused, since nothing is random; all simulations have this argument.
        skip: Number of states before the first bin.
        name: Name of the session. None: ``"toy-systems-<system>"``.

    Returns:
        Session in float64, with all 25 entries of W as its edges. Weights that change in time are in
        ``edge_weight_series``. Off the diagonal, the effect of one bin on the next is about :math:`\delta W`.

    Raises:
        ValueError: There is no such system, or a number is out of range.

    References:
        Lu et al., "NetFormer: An interpretable model for recovering dynamical connectivity in neuronal population
        dynamics", ICLR 2025.

    Example:
        >>> simulate_toy_system("tanh-dynamic", bins=100)
        Session('toy-systems-tanh-dynamic', 5 neurons x 100 bins of 0.01 s, 0 behaviours, 1 segment,
        true graph of 25 edges)
    """
    if system not in SYSTEMS:
        raise ValueError(f"Expected a system among {', '.join(SYSTEMS)} (got '{system}').")
    if bins < 1 or skip < 0:
        raise ValueError(f"Expected bins >= 1 and skip >= 0 (got {bins} and {skip}).")
    parameters = SYSTEMS[system]
    states = parameters.flow(skip + bins)[skip:]
    receiver, sender = np.indices(parameters.weights.shape).reshape(2, -1)
    series = None
    if parameters.feedback is not None:
        series = torch.from_numpy(np.stack([parameters.weights_at(state).ravel() for state in states], axis=1))
    return Session(
        torch.from_numpy(states.T.copy()),
        bin_size=STEP,
        name=f"toy-systems-{system}" if name is None else name,
        edge_index=torch.from_numpy(np.stack([sender, receiver])),
        edge_weight=torch.from_numpy(parameters.weights.flatten()) if series is None else None,
        edge_weight_series=series,
    )
