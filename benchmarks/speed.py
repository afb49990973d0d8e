"""Time of a training step, ours against the plain implementation, in one run.

    python examples/speed.py

Plain: the same model by its definition, all inputs concatenated for every neuron and bin and run through
torch.nn.GRU. Both compute the same loss and gradients, which is checked first. The two take turns, and the medians are
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
    """Takes the fast path away."""
    model.dynamics._fast_forward = lambda gru, *inputs: model.dynamics._plain_forward(*inputs)


def step(model: SynapsNet, optimiser: torch.optim.Optimizer, draw: Callable[[], Window]) -> torch.Tensor:
    window = draw()
    optimiser.zero_grad()
    forecast = model(window)
    loss = torch.nn.functional.mse_loss(forecast.activity, window.target) + forecast.penalty
    loss.backward()
    optimiser.step()
    return loss.detach()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--neurons", type=int, default=600)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--window", type=int, default=5)
    parser.add_argument("--targets", type=int, nargs="*", default=[16, 32])
    parser.add_argument("--rounds", type=int, default=9)
    given = parser.parse_args()
    session = Session(torch.randn(given.neurons, 4000), torch.randn(4000, 2), bin_size=1 / 30)

    def draw(targets: int) -> Window:
        (windows, *_) = windows_of(session, given.window, targets)
        return windows.gather(torch.arange(given.batch) * (len(windows) // given.batch))

    # The same numbers first, without dropout, which draws in another order.
    losses, gradients = [], []
    for plain in (True, False):
        torch.manual_seed(0)
        model = SynapsNet([session], given.window, dropout=0.0)
        if plain:
            make_plain(model)
        losses.append(step(model, torch.optim.SGD(model.parameters(), 0.0), lambda: draw(1)))
        gradients.append([p.grad.clone() for p in model.parameters()])
    worst = max(float((a - b).abs().max() / a.abs().max()) for a, b in zip(*gradients, strict=True))
    print(f"same loss to {float((losses[0] - losses[1]).abs()):.1e}, same gradients to {worst:.1e} of their largest")

    contenders: dict[str, tuple[int, Callable[[], torch.Tensor]]] = {}
    for name, targets, plain in (
        ("plain", 1, True),
        ("ours", 1, False),
        *((f"ours, P = {p}", p, False) for p in given.targets),
    ):
        model = SynapsNet([session], given.window)
        if plain:
            make_plain(model)
        optimiser = torch.optim.Adam(model.parameters(), fused=True)
        contenders[name] = targets, lambda m=model, o=optimiser, p=targets: step(m, o, lambda: draw(p))
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
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
