"""Estimates of the memory and time of a fit of SynapsNet, before anything large is built."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from inspect import signature
from typing import Any

import torch

from synapsnet_pyg.data.protocols import with_neurons
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.data.windows import Window, windows_of
from synapsnet_pyg.models.forecaster import Forecaster
from synapsnet_pyg.models.registry import build_model
from synapsnet_pyg.models.synapsnet import SynapsNet
from synapsnet_pyg.models.synapsnet_start import MOST_DENSE
from synapsnet_pyg.nn.gru import LARGEST
from synapsnet_pyg.nn.threads import threads
from synapsnet_pyg.runs.hardware import Hardware
from synapsnet_pyg.runs.recipe import PRESETS, Recipe

COMFORTABLE = 0.5
"""Largest share of the free memory that a complete graph may take when the graph is chosen automatically."""
SHORT = 3e6
"""Number of sequence steps of a fit, over all neurons, below which it takes seconds and is not timed."""

_ALWAYS = 6e7
"""Bytes of threads, buffers and optimiser that every fit takes beside the program, measured."""
_NUMBER, _DOUBLE = 4, 8
_MATRICES = 30
"""Matrices of all pairs in double precision that the start of a complete graph holds at once, measured."""
_SOLUTIONS = 500
"""Products of matrices of all pairs that the start of a complete graph costs, in double precision, measured."""
_TRIED = 128
"""Receivers whose sums of products the start of a sparse graph holds at once."""
_SUMS = 9
"""Copies of these sums, measured."""
_BLOCK = 2**23
"""Inputs of a block of receivers in the start of a sparse graph."""
_SECONDS_OF_WEIGHT = 2e-8
"""Time in which Adam and the penalty read and write one weight, measured."""
_SAMPLE, _SAMPLE_BINS = 256, 2000
"""Neurons and bins of the sample whose training steps are timed."""


@dataclass(frozen=True)
class FitCost:
    """Estimated cost of a fit of SynapsNet.

    Args:
        sessions: Recordings, as the recipe prepares them.
        recipe: Recipe of the fit.
        arguments: Arguments of the model.
        hardware: Device of the fit.

    Example:
        >>> session = Session(torch.randn(50, 1000), bin_size=0.1)
        >>> FitCost([session], Recipe(), {}).memory < 1e9
        True
    """

    sessions: Sequence[Session]
    recipe: Recipe
    arguments: Mapping[str, Any]
    hardware: Hardware = Hardware("cpu")  # noqa: RUF009 (frozen)

    def with_connectivity(self, connectivity: str) -> "FitCost":
        """Returns the cost of the same fit with another connectivity, as SynapsNet names it."""
        return replace(self, arguments={**self.arguments, "connectivity": connectivity})

    @property
    def memory(self) -> float:
        r"""Bytes that the fit takes at its peak beside the program, by the sizes of its tensors.

        Recordings (N x T) and parameters with their gradient and Adam's two moments are held throughout. To these
        comes the larger of the start of the largest session and of one training step:

        - Start of a complete graph: about 30 matrices of N x N numbers in double precision.
        - Start of a sparse graph: sums of products of the m inputs of at most 128 receivers (m x m each), and blocks
          of receivers with all of their inputs.
        - Step: states of N neurons in B windows of L bins, on a CPU at most half a gigabyte of them, and the weights a
          few times.
        """
        held = sum(self._recording(session) + self._parameters(session) for session in self.sessions)
        return _ALWAYS + held + max(max(self._start(session), self._step(session)) for session in self.sessions)

    @property
    def is_short(self) -> bool:
        """True if the fit takes seconds, so that measuring its steps would be noticed."""
        return self._sequence_steps() < SHORT

    def seconds(self) -> float | None:
        """Estimates the time of start and epochs from the speed of matrix products and of steps of a small sample.

        Returns:
            Seconds; None if a recording is too short for a window.
        """
        single, double = (_speed(dtype, self.hardware.torch_device) for dtype in (torch.float32, torch.float64))
        total = 0.0
        for session in self.sessions:
            step = self._seconds_of_step(session, single)
            if step is None:
                return None
            windows = session.num_bins * 0.8 / self.recipe.targets
            total += step * -(-windows // self.recipe.batch_size) * self.recipe.epochs
            total += self._seconds_of_start(session, single, double)
        return total

    def is_dense(self, session: Session) -> bool:
        """Returns True if the model has a complete graph of a session."""
        connectivity = self.argument("connectivity")
        return connectivity == "dense" or (connectivity == "auto" and session.num_neurons <= MOST_DENSE)

    def argument(self, name: str) -> Any:
        """Returns an argument of the model, or its default."""
        return self.arguments.get(name, signature(SynapsNet).parameters[name].default)

    def _length(self) -> int:
        """Returns the number of bins L of a window."""
        return int(self.argument("window")) + self.recipe.targets - 1

    def _sequence_steps(self) -> float:
        """Returns the number of steps of all neurons' sequences in the fit."""
        seen = sum(session.num_neurons * session.num_bins for session in self.sessions)
        return seen * self._length() / self.recipe.targets * self.recipe.epochs

    def _inputs(self, session: Session) -> int:
        """Returns the number of inputs m of a receiver in a sparse graph: senders, itself, latents, behaviours."""
        senders = min(int(self.argument("senders")), session.num_neurons - 1)
        return senders + 1 + int(self.argument("latents")) + session.num_behaviours

    def _weights(self, session: Session) -> int:
        """Returns the number of weights of the graph."""
        N = session.num_neurons
        return N * N if self.is_dense(session) else N * min(int(self.argument("senders")), N - 1)

    def _recording(self, session: Session) -> float:
        """Returns the bytes of a recording."""
        return _NUMBER * session.num_bins * (session.num_neurons + session.num_behaviours)

    def _parameters(self, session: Session) -> float:
        """Returns the bytes of the parameters with gradient, Adam's moments and factor of the penalty."""
        others = 5 * 32 + int(self.argument("embedding_dim")) + int(self.argument("state_size"))
        index = 0 if self.is_dense(session) else 4 * _DOUBLE * self._weights(session)  # both orders of the edges
        return 5 * _NUMBER * (self._weights(session) + session.num_neurons * others) + index

    def _start(self, session: Session) -> float:
        """Returns the bytes of the start from least squares."""
        N, T = session.num_neurons, session.num_bins
        windows = 20 * min(2**22, N * T * (int(self.argument("window")) + 1))
        if not self.argument("linear_path"):
            return 0.0
        if self.is_dense(session):
            return windows + _DOUBLE * (_MATRICES * N * N + 3 * N * min(T, 4096))
        m = self._inputs(session)
        tried = _SUMS * _DOUBLE * min(N, _TRIED) * m * m
        blocks = 4 * _NUMBER * min(max(_BLOCK, m * T), N * m * T) + 10 * _DOUBLE * N * m
        candidates = _NUMBER * (14 * min(N, 512) * T + 2 * N * T + 3 * min(N, 512) * N)
        return max(windows, candidates, tried, blocks)

    def _step(self, session: Session) -> float:
        """Returns the bytes of one training step."""
        sequences = self.recipe.batch_size * session.num_neurons * self._length()
        hidden = int(self.argument("hidden_size"))
        if self.hardware.torch_device.type == "cpu":
            kept = min(5 * hidden * sequences, LARGEST) + 12 * sequences
        else:
            inputs = 2 + session.num_behaviours + int(self.argument("embedding_dim"))
            kept = (2 * inputs + 8 * hidden) * sequences
        return _NUMBER * (kept + 4 * self._weights(session))

    def _seconds_of_step(self, session: Session, speed: float) -> float | None:
        """Estimates the time of one training step: of a sample's neurons, and of the weights that it lacks."""
        N, n = session.num_neurons, min(session.num_neurons, _SAMPLE)
        sample = session.slice(0, min(session.num_bins, _SAMPLE_BINS))
        chosen = torch.zeros(N, dtype=torch.bool)
        chosen[torch.randperm(N, generator=torch.Generator().manual_seed(0))[:n]] = True
        sample = with_neurons(sample, chosen)
        sample = sample if "activity_scale" in sample else sample.standardise(sample)
        sample = sample.to(self.hardware.torch_device)
        windows = windows_of(sample, int(self.argument("window")), self.recipe.targets)
        if not windows:
            return None
        arguments = {key: value for key, value in self.arguments.items() if key != "edge_index"}
        with torch.random.fork_rng():  # the model's own first weights do not depend on this sample
            model = build_model("synapsnet", [sample], {**arguments, "connectivity": "dense"})
            window = windows[0].gather(torch.arange(min(self.recipe.batch_size, len(windows[0]))))
            seconds = _seconds(model.to(self.hardware.torch_device), window)
        # A product along edges reaches about a fifth of the speed; Adam and penalty read each weight many times.
        slower = 1 if self.is_dense(session) else 5
        weight = 4 * slower * self.recipe.batch_size * self._length() / speed + _SECONDS_OF_WEIGHT
        return seconds * N / n + max(self._weights(session) - n * N, 0) * weight

    def _seconds_of_start(self, session: Session, single: float, double: float) -> float:
        """Estimates the time of the start from its products of matrices."""
        N, T = session.num_neurons, session.num_bins
        if not self.argument("linear_path"):
            return 0.0
        if self.is_dense(session):
            return (2 * _SOLUTIONS * N**3 / 2 + 24 * N * N * T) / double
        m = self._inputs(session)
        receivers = N + 6 * min(N, _TRIED)
        return receivers * (3 * 2 * m * m * T / single + 4 * m**3 / double) + 2 * N * N * T / single


def affordable(cost: FitCost) -> FitCost:
    """Returns the cost with the automatic choice of a connectivity made by memory.

    It stays automatic, dense for at most 2,500 neurons, if that takes at most half of the free memory. Else it becomes
    low-rank+sparse, unless the start of a sparse graph is larger, as for few neurons.

    Args:
        cost: Cost of a fit of any connectivity; one that was chosen by name stays.

    Raises:
        ValueError: The fit needs more memory than is free.
    """
    free = cost.hardware.free_memory
    automatic = cost.argument("connectivity") == "auto"
    sparse = cost.with_connectivity("low-rank+sparse")
    if automatic and cost.memory > COMFORTABLE * free and sparse.memory < cost.memory:
        cost = sparse
    if cost.memory > free:
        mend = (
            f"--connectivity sparse would take {gigabytes(sparse.memory)}"
            if sparse.memory <= free
            else "use fewer neurons or sessions, longer bins or a machine with more memory"
        )
        raise ValueError(
            f"Expected a fit of at most {gigabytes(free)}, the free memory (got about {gigabytes(cost.memory)} with "
            f"--connectivity {cost.argument('connectivity')}); {mend}."
        )
    return cost


def cost_sentence(cost: FitCost) -> str:
    """Returns the expected time and memory of a fit in one line; the time is not measured if it is seconds."""
    seconds = None if cost.is_short else cost.seconds()
    time_text = "seconds" if cost.is_short else "" if seconds is None else f"about {duration(seconds)}"
    graphs = {"dense" if cost.is_dense(session) else "sparse" for session in cost.sessions}
    graph = f"{' and '.join(sorted(graphs))} graph{'s' * (len(cost.sessions) > 1)}"
    memory = f"{gigabytes(cost.memory)} of {gigabytes(cost.hardware.free_memory)} free, {graph}"
    return f"{time_text} and {memory}" if time_text else memory


def cost_rows(session: Session, hardware: Hardware) -> list[tuple[str, str]]:
    """Describes the cost of a fit of SynapsNet with each preset, and the memory of each kind of graph.

    Args:
        session: Recording.
        hardware: Device of the fit.

    Returns:
        Label and text of each row; no row if a part is too short for a window of 5 bins.
    """
    bins_in_segments = int((session.segment[:, 1] - session.segment[:, 0]).sum())
    if bins_in_segments < 3 or not all(windows_of(part, 5) for part in session.split()):
        return []
    rows = []
    for name in PRESETS:
        cost = FitCost([session], Recipe.preset(name, session.num_bins), {}, hardware)
        kinds = {kind: cost.with_connectivity(kind).memory for kind in ("dense", "sparse")}
        if COMFORTABLE * hardware.free_memory < kinds["dense"] > kinds["sparse"]:
            cost = cost.with_connectivity("low-rank+sparse")
        rows.append((f"fit, {name}", f"{cost_sentence(cost)} ({cost.recipe.epochs} epochs)"))
    memory = ", ".join(f"{kind} {gigabytes(value)}" for kind, value in kinds.items())
    return [*rows, ("memory", f"{memory} by --connectivity, beside the program")]


def gigabytes(size: float) -> str:
    """Returns a number of bytes in GB as text.

    Example:
        >>> gigabytes(3.14e9), gigabytes(22e9)
        ('3.1 GB', '22 GB')
    """
    return f"{size / 1e9:.1f} GB" if size < 9.95e9 else f"{size / 1e9:.0f} GB"


def duration(seconds: float) -> str:
    """Returns a duration in seconds, minutes or hours as text.

    Example:
        >>> duration(42), duration(720), duration(9000)
        ('42 s', '12 min', '2.5 h')
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _speed(dtype: torch.dtype, device: torch.device, size: int = 512) -> float:
    """Returns the number of operations in a second in products of matrices."""
    matrix = torch.ones(size, size, dtype=dtype, device=device)

    def multiply() -> None:
        """Multiplies once; reading one number waits for a GPU."""
        float((matrix @ matrix)[0, 0])

    return 2 * size**3 / _shortest(multiply)


@threads()
def _seconds(model: Forecaster, window: Window) -> float:
    """Returns the time of a forward and a backward pass."""

    def step() -> None:
        """Computes one step."""
        forecast = model(window)
        model.loss(forecast, window).backward()
        if window.activity.is_cuda:
            torch.cuda.synchronize()

    return _shortest(step)


def _shortest(function: Callable[[], None], times: int = 3) -> float:
    """Returns the shortest time of a few calls."""
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    return min(seconds)
