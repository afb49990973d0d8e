"""Duration of a training step of SynapsNet, compared with a plain implementation.

    python benchmarks/speed.py

The plain implementation follows the definition: all inputs are concatenated for every neuron and bin and passed to
torch.nn.GRU. A check at the start shows that loss and gradients are the same. The two run in turns, and medians are
compared. In the same turns run the matrix products of a step alone, on memory in the cache of a core: a step cannot
take less time.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.data.windows import Window, windows_of
from synapsnet_pyg.models.synapsnet import SynapsNet
from synapsnet_pyg.nn.threads import threads


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


def products(neurons: int, batch: int, length: int, inputs: int, hidden: int = 40) -> Callable[[], None]:
    """Returns a function that computes the matrix products of a step: of the GRU and the input current, and gradients.

    The first bin of a window needs none with states, which are zero there.

    Args:
        neurons: Number of neurons N.
        batch: Number of windows B.
        length: Number of bins L of a window.
        inputs: Number of inputs of a neuron that change with time.
        hidden: Number of units of the GRU.
    """
    sequences = 2400 // neurons * neurons or neurons
    weight, states = torch.randn(3 * hidden, hidden + inputs), torch.randn(hidden + inputs, sequences)
    gates, grad_states, grad_weight = weight @ states, torch.empty_like(states), torch.empty_like(weight)
    connectivity, activity = torch.randn(neurons, neurons), torch.randn(neurons, batch * length)
    current, grad_connectivity = connectivity @ activity, torch.empty_like(connectivity)

    seen, weight_seen, grad_seen = states[hidden:], weight[:, hidden:].contiguous(), grad_states[hidden:]
    grad_weight_seen, blocks = torch.empty_like(weight_seen), batch * neurons / sequences

    def run() -> None:
        for _ in range(round((length - 1) * blocks)):
            torch.mm(weight, states, out=gates)
            torch.mm(weight.t(), gates, out=grad_states)
            torch.mm(gates, states.t(), out=grad_weight)
        for _ in range(round(blocks)):
            torch.mm(weight_seen, seen, out=gates)
            torch.mm(weight_seen.t(), gates, out=grad_seen)
            torch.mm(gates, seen.t(), out=grad_weight_seen)
        torch.mm(connectivity, activity, out=current)
        torch.mm(current, activity.t(), out=grad_connectivity)

    return run


def main() -> None:
    """Runs the benchmark and prints its results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--neurons", type=int, default=600, help="number of neurons N")
    parser.add_argument("--batch", type=int, default=32, help="number of windows B in a step")
    parser.add_argument("--window", type=int, default=5, help="number of past bins W")
    parser.add_argument("--targets", type=int, nargs="*", default=[16, 32], help="numbers of targets P")
    parser.add_argument("--rounds", type=int, default=9, help="number of turns")
    parser.add_argument("--threads", type=int, default=1, help="number of threads")
    given = parser.parse_args()
    with threads(given.threads):
        compare(given)


def compare(given: argparse.Namespace) -> None:
    """Compares numbers, then durations."""
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
    worst = max(float((a - b).abs().max() / a.abs().max().clamp_min(1e-9)) for a, b in zip(*gradients, strict=True))
    print(f"same loss to {float((losses[0] - losses[1]).abs()):.1e}, same gradients to {worst:.1e} of their largest")

    contenders: dict[str, Callable[[], object]] = {}
    for targets, plain in [(1, True), (1, False), *((p, False) for p in given.targets)]:
        model = SynapsNet([session], given.window)
        if plain:
            make_plain(model)
        else:
            length = given.window + targets - 1
            contenders[f"products, P = {targets}"] = products(
                given.neurons, given.batch, length, inputs=2 + session.behaviour.shape[1]
            )
        optimiser = torch.optim.Adam(model.parameters(), fused=True)
        contenders[f"{'plain' if plain else 'ours'}, P = {targets}"] = lambda m=model, o=optimiser, p=targets: (
            train_step(m, o, lambda: draw(p))
        )
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(given.rounds + 2):
        for name, run in contenders.items():
            seconds = timed(run)
            if turn > 1:  # the first ones are warm-ups
                times[name].append(seconds)
    median = {name: statistics.median(values) for name, values in times.items()}
    print(f"N = {given.neurons}, B = {given.batch}, W = {given.window}, {given.threads} threads")
    plain = median["plain, P = 1"]
    print(f"plain, P = 1    {plain * 1e3:7.1f} ms a step")
    for targets in (1, *given.targets):
        ours, alone = median[f"ours, P = {targets}"], median[f"products, P = {targets}"]
        gathering = statistics.median(timed(lambda p=targets: draw(p)) for _ in range(5))
        print(
            f"ours, P = {targets:<5d} {ours * 1e3:7.1f} ms a step, {plain / ours * targets:5.2f} x plain per target, "
            f"products alone {alone * 1e3:.1f} ms, {ours / alone:.2f} x as long, loading "
            f"{gathering / ours:.2%} of the step"
        )


def timed(action: Callable[[], object]) -> float:
    """Returns the duration of an action in seconds."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
