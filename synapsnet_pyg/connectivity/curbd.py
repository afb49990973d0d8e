"""CURBD: connectivity as the weights of a recurrent network that is trained to reproduce the recording."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch

from synapsnet_pyg.connectivity.curbd_network import RecurrentNetwork, RunScore, correlated_noise, normalise
from synapsnet_pyg.connectivity.estimator import Estimator
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.files import optional_import

threadpoolctl = optional_import("threadpoolctl", "analysis")


@dataclass(frozen=True)
class TrainedNetwork:
    """Network trained on a recording, and its agreement with the recording."""

    connectivity: np.ndarray
    """Weights J [N, N], ``[i, j]`` the effect of j on i."""
    inverse_correlation: np.ndarray
    """Inverse correlation P of the states [N, N]."""
    states: np.ndarray
    """States r of the last run [N, steps], from -1 to 1."""
    p_var: np.ndarray
    """Share of the activity's variance that each run reproduces [runs], at most 1."""
    chi2: np.ndarray
    """Squared error of each run, mean over neurons, summed over bins [runs]."""
    training_runs: int
    """Number of runs with learning, before the runs without."""
    converged: bool
    """True if learning ended because ``p_var`` no longer rose."""


@dataclass(eq=False, kw_only=True)
class CURBD(Estimator):
    r"""Weights of a recurrent network, trained to reproduce the activity (current-based decomposition).

    .. math::
        \tau \dot h = -h + J r + \xi, \qquad r = \tanh(h)

    by Euler steps. At every bin :math:`k` recursive least squares (FORCE) acts on :math:`e = r - d_k`:

    .. math::
        g = P r, \qquad c = \frac{1}{1 + r \cdot g}, \qquad P \leftarrow P - c\, g g^\top, \qquad
        J \leftarrow J - c\, e g^\top

    with :math:`d` the activity divided by its largest value and clipped to :math:`\pm 0.999`. Each run starts from
    :math:`h = d_0`; :math:`J` and :math:`P` are kept from run to run. All numbers are in double precision, since
    :math:`P` decays over many runs. At the first bin of each segment the states restart from the activity. Behaviour
    and validation part are not used.

    The connectivity is :math:`J`: effect of the sender's state on the drive of the receiver. It has no unit, and its
    scale differs from that of the regressions. A network without input reproduces only activity that follows from its
    own past. The counts of the simulated population are mostly noise: ``details_["p_var"]`` is below 0.01 there, and
    the weights are unrelated to the true ones. Read ``p_var`` before the weights.

    Args:
        steps_per_bin: Number of Euler steps in a bin.
        time_constant: Time constant :math:`\tau` in bins, at least one step. Below about four steps the states can end
            up jumping between -1 and 1 (``p_var`` far below 0), from which learning does not recover.
        gain: Deviation of :math:`\sqrt N J` at the start; above 1 the network is chaotic before it learns.
        noise_amplitude: Amplitude of :math:`\xi`.
        noise_time_constant: Time constant of :math:`\xi` in bins.
        plasticity: Factor of the identity in :math:`P` at the start.
        training_runs: Largest number of runs with learning.
        free_runs: Number of runs without learning at the end. They are equal, since they have equal noise.
        patience: Number of runs without a rise of ``p_var`` by 1e-4 after which learning ends. None: learning ends
            after ``training_runs``.
        seed: Seed of the noise and of the first weights.
        legacy_alignment: Whether to align state and activity as the published program does. With :math:`q` steps in a
            bin, learning then compares times that differ by :math:`1 - 1/q` bins, ``p_var`` times that differ by
            :math:`1/q`, and the last bin is never learned.

    Raises:
        ValueError: A parameter is out of its range. From ``fit``: no activity is above 0.

    References:
        Perich et al., "Inferring brain-wide interactions using data-constrained recurrent neural network models", 2021.
        Sussillo and Abbott, "Generating coherent patterns of activity from chaotic neural networks", 2009.

    Example:
        >>> time = np.arange(60)
        >>> activity = np.stack([np.sin(time / 4 + phase) for phase in range(5)])
        >>> fitted = CURBD(time_constant=4.0, training_runs=20).fit(Session.from_arrays(activity, bin_size=0.1))
        >>> fitted.connectivity_.shape, fitted.details_["p_var"] > 0.9
        (torch.Size([5, 5]), True)
    """

    steps_per_bin: int = 2
    time_constant: float = 2.0
    gain: float = 1.5
    noise_amplitude: float = 0.01
    noise_time_constant: float = 0.1
    plasticity: float = 1.0
    training_runs: int = 500
    free_runs: int = 1
    patience: int | None = 20
    seed: int = 0
    legacy_alignment: bool = False

    def __post_init__(self) -> None:
        if min(self.steps_per_bin, self.training_runs) < 1 or self.free_runs < 0:
            raise ValueError(
                "Expected at least one step a bin and one training run (got "
                f"{self.steps_per_bin} and {self.training_runs}, with {self.free_runs} free runs)."
            )
        if self.time_constant * self.steps_per_bin < 1:
            raise ValueError(
                f"Expected a time constant of at least a step, {1 / self.steps_per_bin:g} bins "
                f"(got {self.time_constant:g}); take a longer one or more steps a bin."
            )

    def _fit(self, train: Session, validation: Session | None) -> None:
        activity, first_bins = join_segments(train)
        network = self.train_network(activity, resets=[bin * self.steps_per_bin for bin in first_bins])
        self.connectivity_ = torch.from_numpy(network.connectivity).float()
        self.details_ = {
            "p_var": float(network.p_var[-1]),
            "training_runs": float(network.training_runs),
            "converged": float(network.converged),
        }

    def train_network(
        self,
        activity: np.ndarray,
        *,
        resets: Iterable[int] = (),
        noise: np.ndarray | None = None,
        start: np.ndarray | None = None,
    ) -> TrainedNetwork:
        r"""Trains the network on an array of activity.

        Args:
            activity: Activity :math:`(N, T)`, for instance standardised.
            resets: Steps at which the states restart from the activity, for instance the first of each trial.
            noise: Noise :math:`\xi` :math:`(N, \text{steps})`, of :math:`(T - 1)` times ``steps_per_bin`` plus 1 steps.
                None: random noise, equal in every run.
            start: First weights :math:`J` :math:`(N, N)`. None: random weights.

        Returns:
            Trained network; the states at ``[:, ::steps_per_bin]`` reproduce the activity.

        Raises:
            ValueError: An array has another shape, or no activity is above 0.
        """
        N, T = activity.shape
        steps = (T - 1) * self.steps_per_bin + 1
        random = np.random.default_rng(self.seed)
        if start is None:
            start = self.gain * random.standard_normal((N, N)) / np.sqrt(N)
        if noise is None:
            white = random.standard_normal((N, max(steps, 0)))
            noise = self.noise_amplitude * correlated_noise(white, self.noise_time_constant * self.steps_per_bin)
        if T < 1 or start.shape != (N, N) or noise.shape != (N, steps):
            raise ValueError(
                f"Expected at least one bin, a start of shape {[N, N]} and noise of shape {[N, steps]} "
                f"(got {T} bins, {list(start.shape)} and {list(noise.shape)})."
            )
        network = RecurrentNetwork(
            normalise(activity),
            noise,
            start,
            plasticity=self.plasticity,
            steps_per_bin=self.steps_per_bin,
            time_constant=self.time_constant,
            resets=resets,
            legacy_alignment=self.legacy_alignment,
        )
        # Products this small take less time than starting other threads.
        with threadpoolctl.threadpool_limits(1, "blas"):
            scores, converged = self._train(network)
            trained = len(scores)
            scores += [network.run(learning=False) for _ in range(self.free_runs)]
        p_var, chi2 = np.array(scores).T
        return TrainedNetwork(
            connectivity=network.J.copy(),
            inverse_correlation=network.P.copy(),
            states=network.states.T,
            p_var=p_var,
            chi2=chi2,
            training_runs=trained,
            converged=converged,
        )

    def _train(self, network: RecurrentNetwork) -> tuple[list[RunScore], bool]:
        """Runs with learning; returns the score of each run, and True if the last runs brought no gain."""
        scores: list[RunScore] = []
        best, best_run = -np.inf, 0
        for run in range(self.training_runs):
            scores.append(network.run(learning=True))
            if scores[-1].p_var > best + 1e-4:
                best, best_run = scores[-1].p_var, run
            if self.patience is not None and run - best_run >= self.patience:
                return scores, True
        return scores, False


def join_segments(part: Session) -> tuple[np.ndarray, list[int]]:
    """Returns the joined activity of all segments [N, T], and the first bin of each segment in it."""
    segments = part.segment.tolist()
    activity = torch.cat([part.activity[:, start:stop] for start, stop in segments], dim=1)
    lengths = [stop - start for start, stop in segments]
    return activity.cpu().numpy(), np.cumsum([0, *lengths[:-1]]).tolist()
