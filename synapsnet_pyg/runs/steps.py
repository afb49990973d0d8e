"""Training steps: the loss of a batch and its gradients, on a GPU with a single launch."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor

from synapsnet_pyg.data.shares import Share
from synapsnet_pyg.data.windows import Windows
from synapsnet_pyg.models.forecaster import Forecaster
from synapsnet_pyg.models.registry import is_of_package

ResultT = TypeVar("ResultT")

LARGEST = 2**21
"""Largest number of values of activity in a batch for which steps are captured; larger ones keep a GPU busy anyway."""
_TRIALS = 3
"""Number of steps before a capture, in which libraries and kernels are prepared."""


class Steps:
    """Loss of a batch and its gradients.

    Args:
        model: Forecaster.
        windows: Windows of the training parts.
    """

    def __init__(self, model: Forecaster, windows: Sequence[Windows]) -> None:
        self.model, self.windows = model, windows

    def loss(self, share: Share) -> tuple[Tensor, Tensor]:
        """Returns the loss of some windows and their mean squared error, times their weight in the step."""
        windows = self.windows[share.group]
        return self._loss(windows, windows.begins(share.rows), share.weight)

    def backward(self, loss: Tensor) -> None:
        """Sets the gradients of the parameters, which have none yet, to those of the newest loss."""
        loss.backward()

    def _loss(self, windows: Windows, start: Tensor, weight: Tensor | float) -> tuple[Tensor, Tensor]:
        """Returns loss and squared error, times the weight, of the windows that start at some bins."""
        window = windows.starting(start)
        forecast = self.model(window)
        error = torch.nn.functional.mse_loss(forecast.activity.detach(), window.target)
        return weight * self.model.loss(forecast, window), weight * error


class _Captured(NamedTuple):
    """Captured step and the memory that it reads and writes."""

    replay: Callable[[], None]
    start: Tensor
    weight: Tensor
    loss: Tensor
    error: Tensor
    grads: list[Tensor | None]


class CapturedSteps(Steps):
    """Loss of a batch and its gradients on a GPU, as graphs of CUDA.

    A step of a small model consists of hundreds of kernels, each over before the processor has launched the next. A
    graph launches all of them at once. The first batch of each size of each group of windows is captured; later ones
    are copied into its memory and replayed. Numbers, also random ones, are those of :class:`Steps`. No model of this
    package reads a value of the device in a step, which a graph could not do. Should a capture fail, a warning tells it
    and steps are computed as they come.

    Args:
        model: Forecaster of this package, on a GPU and in training mode.
        windows: Windows of the training parts, on the same GPU.
    """

    def __init__(self, model: Forecaster, windows: Sequence[Windows]) -> None:
        super().__init__(model, windows)
        self._learned = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self._captured: dict[tuple[int, int], _Captured] = {}
        self._newest: _Captured | None = None
        self._refused = False
        self._pool = torch.cuda.graph_pool_handle()  # one memory for all graphs, of which one runs at a time

    def loss(self, share: Share) -> tuple[Tensor, Tensor]:
        """Returns the loss of some windows and their mean squared error, times their weight in the step."""
        windows, size = self.windows[share.group], len(share.rows)
        large = size * windows.session.num_neurons * (windows.window + windows.targets) > LARGEST
        self._newest = newest = None if large or self._refused else self._of_size(share)
        if newest is None:
            return super().loss(share)
        newest.start.copy_(windows.begins(share.rows))
        newest.weight.fill_(share.weight)
        newest.replay()
        return newest.loss, newest.error

    def backward(self, loss: Tensor) -> None:
        """Sets the gradients of the parameters, which have none yet, to those of the newest loss."""
        if self._newest is None:
            super().backward(loss)
            return
        for parameter, grad in zip(self._learned, self._newest.grads, strict=True):
            parameter.grad = grad

    def _of_size(self, share: Share) -> _Captured | None:
        """Returns the captured step of as many windows; None if torch or a library cannot capture it."""
        key = share.group, len(share.rows)
        if key not in self._captured:
            try:
                self._captured[key] = self._capture(share)
            except RuntimeError as error:
                self._refused = True
                reason = (str(error).splitlines() or [type(error).__name__])[0]
                warnings.warn(f"Steps cannot be captured here, and take longer: {reason}", stacklevel=2)
        return self._captured.get(key)

    def _capture(self, share: Share) -> _Captured:
        """Returns the step of as many windows; its trials change neither buffers nor random numbers."""
        windows, buffers = self.windows[share.group], list(self.model.buffers())
        start, counts = windows.begins(share.rows).clone(), [buffer.clone() for buffer in buffers]  # of steps in some
        weight = torch.ones((), device=start.device)

        def step() -> tuple[Tensor, Tensor, list[Tensor | None]]:
            """Returns loss, error and gradients; None of parameters that the step does not use."""
            self._forget()
            loss, error = self._loss(windows, start, weight)
            super(CapturedSteps, self).backward(loss)
            return loss.detach(), error, [parameter.grad for parameter in self._learned]

        def restore() -> None:
            """Undoes what trials have counted."""
            for buffer, before in zip(buffers, counts, strict=True):
                buffer.copy_(before)

        (loss, error, grads), replay = captured(step, restore=restore, pool=self._pool)
        self._forget()
        return _Captured(replay, start, weight, loss=loss, error=error, grads=grads)

    def _forget(self) -> None:
        """Leaves the parameters without gradients, which the next backward pass then makes anew."""
        for parameter in self._learned:
            parameter.grad = None


def captured(
    function: Callable[[], ResultT], restore: Callable[[], None], pool: Any
) -> tuple[ResultT, Callable[[], None]]:
    """Captures the kernels that a function launches on a GPU.

    Args:
        function: Computes tensors without reading any value of the device.
        restore: Undoes what the trials before the capture have changed, but for random numbers.
        pool: Handle of the memory that the function takes.

    Returns:
        Result of the function, and what computes its tensors anew in the same memory.
    """
    main, beside, graph = torch.cuda.current_stream(), torch.cuda.Stream(), torch.cuda.CUDAGraph()
    beside.wait_stream(main)
    with torch.random.fork_rng([torch.cuda.current_device()]), torch.cuda.stream(beside):
        for _ in range(_TRIALS):
            function()
    main.wait_stream(beside)
    restore()
    torch.clear_autocast_cache()  # weights in 16 bits must be computed anew in each replay
    try:
        with torch.cuda.graph(graph, pool=pool):
            results = function()
    except RuntimeError:
        with torch.cuda.graph(torch.cuda.CUDAGraph()):  # else random numbers would wait for the end of the first
            torch.rand((), device="cuda")
        raise
    return results, graph.replay


def steps_of(model: Forecaster, windows: Sequence[Windows]) -> Steps:
    """Returns the steps of a model on the device of its windows: captured on a GPU if the model is of this package.

    Dropout between layers of a recurrent network cannot be captured, since NVIDIA's library draws it by itself.
    """
    on_gpu = windows[0].session.activity.device.type == "cuda"
    networks = [part for part in model.modules() if isinstance(part, torch.nn.RNNBase)]
    drawn_elsewhere = any(network.dropout > 0 and network.num_layers > 1 for network in networks)
    captured = on_gpu and is_of_package(model.kind) and not drawn_elsewhere
    return CapturedSteps(model, windows) if captured else Steps(model, windows)
