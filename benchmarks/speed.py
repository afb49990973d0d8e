"""Duration of a training step of SynapsNet, compared with a plain implementation.

    python benchmarks/speed.py

The plain implementation follows the definition: all inputs are concatenated for every neuron and bin and passed to
torch.nn.GRU. A check at the start shows that loss and gradients are the same. The two run in turns, and medians are
compared.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.data.windows import Window, windows_of
from synapsnet_pyg.models.synapsnet import SynapsNet


def make_plain(model: SynapsNet) -> None:
    """Replaces the fast path of the dynamics by the plain one."""
    model.dynamics._fast_forward = lambda gru, *inputs: model.dynamics._plain_forward(*inputs)


def train_step(model: SynapsNet, optimiser: torch.optim.Optimizer, draw: Callable[[], Window]) -> torch.Tensor:
    """Makes one step and returns the loss."""
    window = draw()
    optimiser.zero_grad()
    forecast = model(window)
    loss = torch.nn.functional.mse_loss(forecast.activity, window.target) + forecast.penalty
    loss.backward()
    optimiser.step()
    return loss.detach()


def main() -> None:
    """Runs the benchmark and prints its results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--neurons", type=int, default=600, help="number of neurons N")
    parser.add_argument("--batch", type=int, default=32, help="number of windows B in a step")
    parser.add_argument("--window", type=int, default=5, help="number of past bins W")
    parser.add_argument("--targets", type=int, nargs="*", default=[16, 32], help="numbers of targets P")
    parser.add_argument("--rounds", type=int, default=9, help="number of turns")
    given = parser.parse_args()
    session = Session(torch.randn(given.neurons, 4000), torch.randn(4000, 2), bin_size=1 / 30)

    def draw(targets: int) -> Window:
        (windows, *_) = windows_of(session, given.window, targets)
        return windows.gather(torch.arange(given.batch) * (len(windows) // given.batch))

    # Compare the numbers first, without dropout: the two draw in another order.
    losses, gradients = [], []
    for plain in (True, False):
        torch.manual_seed(0)
        model = SynapsNet([session], given.window, dropout=0.0)
        if plain:
            make_plain(model)
        losses.append(train_step(model, torch.optim.SGD(model.parameters(), 0.0), lambda: draw(1)))
        gradients.append([p.grad.clone() for p in model.parameters()])
    worst = max(float((a - b).abs().max() / a.abs().max()) for a, b in zip(*gradients, strict=True))
    print(f"same loss to {float((losses[0] - losses[1]).abs()):.1e}, same gradients to {worst:.1e} of their largest")

    contenders: dict[str, tuple[int, Callable[[], torch.Tensor]]] = {}
    choices = [("plain", 1, True), ("ours", 1, False), *((f"ours, P = {p}", p, False) for p in given.targets)]
    for name, targets, plain in choices:
        model = SynapsNet([session], given.window)
        if plain:
            make_plain(model)
        optimiser = torch.optim.Adam(model.parameters(), fused=True)
        contenders[name] = targets, lambda m=model, o=optimiser, p=targets: train_step(m, o, lambda: draw(p))
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(given.rounds + 1):
        for name, (_, run) in contenders.items():
            started = time.perf_counter()
            run()
            if turn:  # the first is a warm-up
                times[name].append(time.perf_counter() - started)
    print(f"N = {given.neurons}, B = {given.batch}, W = {given.window}, {torch.get_num_threads()} threads")
    plain_time = statistics.median(times["plain"])
    for name, (targets, _) in contenders.items():
        median = statistics.median(times[name])
        gathering = statistics.median(timed(lambda p=targets: draw(p)) for _ in range(5))
        print(
            f"{name:14s} {median * 1e3:7.1f} ms a step, {plain_time / median * targets:5.2f} x plain per target, "
            f"loading {gathering / median:.2%} of the step"
        )


def timed(action: Callable[[], object]) -> float:
    """Returns the duration of an action in seconds."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
