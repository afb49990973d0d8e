"""Checks and times everything that a GPU does differently, in at most ten minutes on one H100.

    python benchmarks/gpu_check.py

Every model of the registry is compared with the CPU: its start, forecasts, loss and gradients. The kernels of the GRU
are compared with the plain computation, captured steps with plain ones, and scores in bfloat16 with those in float32.
Training steps, fits of a session of the paper's size (600 neurons, 4,100 bins) and one epoch of 71,721 neurons in
7,900 bins are timed.
``--quick`` leaves the large population out; with ``--device cpu`` it makes all sizes tiny, to try the script. The exit
status is 1 if a check failed, 2 without a GPU.
"""

import argparse
import copy
import csv
import statistics
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.data.shares import Share
from synapsnet_pyg.data.windows import windows_of
from synapsnet_pyg.models.forecasting import forecast_session
from synapsnet_pyg.models.registry import MODELS, build_model
from synapsnet_pyg.models.synapsnet import SynapsNet
from synapsnet_pyg.nn.dynamics import Dynamics
from synapsnet_pyg.nn.threads import threads
from synapsnet_pyg.runs.hardware import PRECISIONS, Hardware
from synapsnet_pyg.runs.recipe import Recipe
from synapsnet_pyg.runs.steps import Steps, steps_of
from synapsnet_pyg.runs.tables import Table
from synapsnet_pyg.runs.training import fit
from synapsnet_pyg.simulations.population import simulate_population

VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    **{
        name: (name, {"plrnn": {"hidden_size": 128}, "lds": {"steps": 5, "latents": 2}}.get(name, {}))
        for name in MODELS
    },
    "synapsnet, sparse": ("synapsnet", {"connectivity": "sparse", "senders": 5}),
    "synapsnet, low-rank+sparse": ("synapsnet", {"connectivity": "low-rank+sparse", "senders": 5}),
    "synapsnet, horizon 3": ("synapsnet", {"horizon": 3, "modulation": True, "deconvolve": True}),
    "synapsnet, likelihood": ("synapsnet", {"loss": "negative_binomial"}),
}
"""Name -> model and arguments that are compared with the CPU."""
TOLERANCE = 2e-3
"""Largest difference to the CPU, relative to the largest value; sums of other order differ by about 1e-5."""
CLOSE = 0.02
"""Largest difference of correlations between precisions."""


class Check(NamedTuple):
    """Row of the table."""

    name: str
    value: str
    limit: str = ""
    failed: bool = False


def distance(one: Tensor, other: Tensor) -> float:
    """Returns the largest difference of two tensors, relative to the largest value."""
    one, other = one.detach().cpu().double(), other.detach().cpu().double()
    return float((one - other).abs().max() / one.abs().max().clamp_min(1e-6)) if one.numel() else 0.0


def within(name: str, distances: Iterable[float]) -> Check:
    """Returns the row of some differences, of which the largest counts."""
    largest = max(distances)
    return Check(name, f"{largest:.1e}", f"{TOLERANCE:g}", not largest <= TOLERANCE)


def wait(device: torch.device) -> None:
    """Waits until the device has computed everything."""
    if device.type == "cuda":
        torch.cuda.synchronize()


def compared_models(device: torch.device, bins: int) -> Iterator[Check]:
    """Yields the largest difference between device and CPU for each model, or the error that it raises."""
    for name, (kind, arguments) in VARIANTS.items():
        session = simulate_population(bins, neurons=20, recorded=12).standardise()
        try:
            yield within(f"{name}: start, forecast, loss, gradients", model_distances(kind, arguments, session, device))
        except Exception as error:
            yield failed(name, error)


def failed(name: str, error: Exception) -> Check:
    """Returns the row of a check that ended with an error, and prints where it was raised."""
    traceback.print_exception(error)
    return Check(name, f"{type(error).__name__}: {[*str(error).splitlines(), ''][0][:90]}", "no error", failed=True)


def model_distances(kind: str, arguments: dict[str, Any], session: Session, device: torch.device) -> list[float]:
    """Returns the differences of a model's start, forecast, loss and gradients between CPU and device."""
    models, parts = [], []
    for place in (torch.device("cpu"), device):
        torch.manual_seed(0)
        model, split = build_model(kind, [session], arguments).to(place), copy.copy(session).to(place).split()
        model.initialise({session.name: split.train}, {session.name: split.validation})
        models.append(model)
        parts.append(split)
    distances = [distance(*(forecast_session(m, p.validation, 3).forecast for m, p in zip(models, parts, strict=True)))]
    models[1].load_state_dict(models[0].state_dict())  # from here on the same numbers
    results = []
    for model, split in zip(models, parts, strict=True):
        windows = windows_of(split.train, model.window, 3, horizon=model.horizon)[0]
        window = windows.gather(torch.arange(16))
        # In evaluation mode nothing is drawn at random; cuDNN would refuse gradients there.
        with torch.backends.cudnn.flags(enabled=False):
            forecast = model.eval()(window)
            loss = model.loss(forecast, window)
            learned = [parameter for parameter in model.parameters() if parameter.requires_grad]
            grads = torch.autograd.grad(loss, learned, allow_unused=True) if learned else ()
        results.append([forecast.activity, loss, *(grad for grad in grads if grad is not None)])
    return distances + [distance(one, other) for one, other in zip(*results, strict=True)]


def compared_kernels(device: torch.device, neurons: int) -> Iterator[Check]:
    """Yields the difference of the fused GRU to the plain one, values and gradients, with and without dropout."""
    for targets, dropped in ((1, False), (16, True)):
        torch.manual_seed(0)
        B, L, K = 4, 4 + targets, 3
        dynamics = Dynamics(2, K, 32, dropout=0.0).to(device)
        series = [torch.randn(B, neurons, L, device=device, requires_grad=True) for _ in range(2)]
        behaviour, embedding = torch.randn(B, L, K, device=device), torch.randn(neurons, 32, device=device)
        mask = (torch.rand(40, B * neurons, device=device) < 0.5).float() * 2 if dropped else None
        results, leaves = [], [*series, *dynamics.parameters()]
        for fast, factors in ((False, None if mask is None else mask.t()[:, None]), (True, mask)):
            dynamics.fast = fast
            dynamics._dropout_mask = lambda _, factors=factors: factors
            forecast = dynamics(series, behaviour, embedding, targets)
            results.append([forecast, *torch.autograd.grad(forecast.square().mean(), leaves)])
        used = "kernels" if dynamics._has_kernel(device, embedding) else "CPU blocks"
        yield within(f"GRU, {targets} targets: {used} against plain", map(distance, *results))


def compared_steps(device: torch.device, bins: int) -> Iterator[Check]:
    """Yields the largest difference of a fit's steps, captured on a GPU, to plain ones, dropout included."""
    for name, (kind, arguments) in VARIANTS.items():
        session = copy.copy(simulate_population(bins, neurons=20, recorded=12).standardise()).to(device)
        torch.manual_seed(0)
        models = [build_model(kind, [session], arguments).to(device).train() for _ in range(2)]
        learned = [[p for p in model.parameters() if p.requires_grad] for model in models]
        if not learned[0]:
            continue
        models[1].load_state_dict(models[0].state_dict())
        windows = windows_of(session.split().train, models[0].window, 3, horizon=models[0].horizon)[:1]
        results: list[list[Tensor]] = [[], []]
        try:
            ways = (Steps(models[0], windows), steps_of(models[1], windows))
            for steps, parameters, values in zip(ways, learned, results, strict=True):
                for step in range(3):
                    torch.manual_seed(step)
                    loss, error = steps.loss(Share(0, torch.arange(8) + 5 * step, 1.0))
                    for parameter in parameters:
                        parameter.grad = None
                    steps.backward(loss)
                    grads = [parameter.grad.clone() for parameter in parameters if parameter.grad is not None]
                    values += [loss.detach().clone(), error.clone(), *grads]
            yield within(f"{name}: captured steps against plain ones", map(distance, *results))
        except Exception as error:
            yield failed(f"{name}: captured steps", error)


def timed_steps(device: torch.device, neurons: int, bins: int, rounds: int) -> Iterator[Check]:
    """Yields the median duration and the memory of training steps, ten at a time, in turns."""
    session = Session(torch.randn(neurons, bins), torch.randn(bins, 2), bin_size=1 / 30).to(device)
    for targets in (1, 16):
        windows = windows_of(session, 5, targets)[:1]
        shares = [Share(0, rows, 1.0) for rows in torch.randint(len(windows[0]), (10, 32))]
        ways: dict[str, Callable[[], None]] = {}
        for way, fast, made, precision in (
            ("plain", False, Steps, PRECISIONS[0]), ("fused", True, Steps, PRECISIONS[0]),
            ("fused, captured", True, steps_of, PRECISIONS[0]),
            ("fused, captured, bf16", True, steps_of, PRECISIONS[1]),
        ):  # fmt: skip
            model = SynapsNet([session]).to(device).train()
            model.dynamics.fast = fast
            ways[way] = partial(train, made(model, windows), torch.optim.Adam(model.parameters(), fused=True), shares,
                                half=precision != PRECISIONS[0])  # fmt: skip
        seconds: dict[str, list[float]] = {way: [] for way in ways}
        memory = dict.fromkeys(ways, 0.0)
        for _ in range(rounds):
            for way, steps in ways.items():
                wait(device)
                if device.type == "cuda":
                    torch.cuda.reset_peak_memory_stats()
                began = time.perf_counter()
                steps()
                wait(device)
                seconds[way].append((time.perf_counter() - began) / len(shares))
                memory[way] = torch.cuda.max_memory_allocated() / 1e9 if device.type == "cuda" else 0.0
        for way, taken in seconds.items():
            value = (
                f"{1e3 * statistics.median(taken[1:]):.2f} ms, peak {memory[way]:.2f} GB"  # the first compile kernels
            )
            yield Check(f"step, {neurons} neurons, {targets} targets: {way}", value)


def train(steps: Steps, optimiser: torch.optim.Optimizer, shares: Iterable[Share], *, half: bool) -> None:
    """Makes some steps of training."""
    for share in shares:
        with torch.autocast("cuda", dtype=torch.bfloat16) if half and torch.cuda.is_available() else nullcontext():
            loss, _ = steps.loss(share)
        optimiser.zero_grad()
        steps.backward(loss)
        optimiser.step()


def fitted(session: Session, recipe: Recipe, hardware: Hardware, model: SynapsNet | None = None) -> dict[str, float]:
    """Fits a SynapsNet; returns seconds in all and of an epoch, peak memory and the last validation score."""
    torch.manual_seed(0)
    device = hardware.torch_device
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    with tempfile.TemporaryDirectory() as folder:
        model, began = model or SynapsNet([session]), time.perf_counter()
        fit(model, [session], Path(folder) / "fit", recipe, hardware=hardware, progress=False)
        seconds = time.perf_counter() - began
        with (Path(folder) / "fit" / "history.csv").open(newline="") as file:
            history = list(csv.DictReader(file))
    epochs = [float(row["seconds"]) for row in history if row["epoch"] != "0"]
    return {
        "seconds": seconds,
        "epoch": statistics.median(epochs),
        "start": seconds - sum(epochs),
        "memory": torch.cuda.max_memory_allocated() / 1e9 if device.type == "cuda" else 0.0,
        "correlation": float(history[-1]["validation_correlation"]),
    }


def compared_precisions(device: str, neurons: int, bins: int, epochs: int) -> Iterator[Check]:
    """Yields validation scores in float32 and bfloat16."""
    session = simulate_population(bins, neurons=neurons, recorded=neurons // 2).standardise()
    recipe, scores = Recipe.fast(bins).changed(epochs=epochs), []
    for precision in PRECISIONS:
        scores.append(fitted(session, recipe, Hardware(device, precision))["correlation"])
        far = abs(scores[-1] - scores[0]) > CLOSE
        yield Check(f"validation correlation, {precision}", f"{scores[-1]:.4f}", f"+-{CLOSE}", far)


def timed_fits(device: str, neurons: int, bins: int, *, whole: int, part: int) -> Iterator[Check]:
    """Yields the duration of a fit by each preset; the paper's is extrapolated from some of its epochs."""
    session = simulate_population(bins, neurons=neurons, recorded=neurons).standardise()
    for preset, measured in (("fast", whole), ("paper", part)):
        recipe = Recipe.preset(preset, bins)
        epochs = min(measured, recipe.epochs)
        taken = fitted(session, recipe.changed(epochs=epochs), Hardware(device))
        total = taken["start"] + recipe.epochs * taken["epoch"]
        value = f"{'' if epochs == recipe.epochs else '~'}{total:.1f} s, start {taken['start']:.1f} s"
        yield Check(f"fit, {neurons} x {bins}, preset {preset}, {recipe.epochs} epochs",
                    f"{value}, epoch {taken['epoch']:.2f} s, peak {taken['memory']:.1f} GB")  # fmt: skip


def large_fit(device: torch.device, neurons: int, bins: int) -> Iterator[Check]:
    """Yields the costs of candidates, start and one epoch of a large population of random numbers."""
    session = Session(torch.randn(neurons, bins), torch.randn(bins, 2), bin_size=0.5, name="large").standardise()
    began = time.perf_counter()
    model = SynapsNet([copy.copy(session).to(device)], connectivity="low-rank+sparse")
    wait(device)
    size = f"{neurons} x {bins}"
    yield Check(f"candidate edges, {size}", f"{time.perf_counter() - began:.1f} s")
    recipe = Recipe.fast(bins)
    taken = fitted(session, recipe.changed(epochs=1), Hardware(device.type), model)
    total = taken["start"] + recipe.epochs * taken["epoch"]
    yield Check(f"fit, {size}, one epoch", f"start {taken['start']:.1f} s, epoch {taken['epoch']:.1f} s, "
                                           f"peak {taken['memory']:.1f} GB")  # fmt: skip
    yield Check(f"fit, {size}, preset fast, {recipe.epochs} epochs", f"~{total:.0f} s")


def all_checks(device: str, *, quick: bool) -> Iterator[Check]:
    """Yields all checks, in the order of their importance. An error ends the checks of its kind."""
    place, tiny = torch.device(device), device == "cpu" and quick
    bins, session = 150 if tiny else 600, (12, 300) if tiny else (600, 4100)
    kinds = [
        compared_models(place, bins),
        compared_kernels(place, 7 if tiny else 600),
        timed_steps(place, *session, rounds=2 if tiny else 11),
        timed_fits(device, *session, whole=1 if tiny else 1000, part=1 if tiny else 1000),
        compared_steps(place, bins),
        compared_precisions(device, 20 if tiny else 200, 400 if tiny else 4100, epochs=1 if tiny else 12),
    ]
    if tiny or not quick:
        kinds.append(large_fit(place, 40 if tiny else 71_721, 300 if tiny else 7_900))
    for checks in kinds:
        try:
            yield from checks
        except Exception as error:
            yield failed("a check of this kind", error)


def main() -> None:
    """Runs all checks and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="device to check")
    parser.add_argument("--quick", action="store_true", help="without the large population; tiny sizes on the CPU")
    parser.add_argument("--out", type=Path, default=Path("gpu-check"), help="path of the table, without its ending")
    given = parser.parse_args()
    if given.device == "cuda" and not torch.cuda.is_available():
        print("Expected a GPU (torch finds none here); choose --device cpu --quick to try the script.", file=sys.stderr)
        sys.exit(2)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    began, checks = time.perf_counter(), []
    with threads():
        for check in all_checks(given.device, quick=given.quick):
            print(f"{time.perf_counter() - began:6.0f} s  {check.name}: {check.value}", flush=True)
            checks.append(check)
    card = torch.cuda.get_device_name() if given.device == "cuda" else "CPU"
    rows = [[c.name, c.value, c.limit, "FAILED" if c.failed else "ok" if c.limit else ""] for c in checks]
    notes = [f"torch {torch.__version__}; differences relative to the largest value; ~: extrapolated."]
    table = Table(f"Checks of {card}", ["check", "result", "limit", ""], rows, notes)
    table.print()
    table.write(given.out)
    sys.exit(1 if any(check.failed for check in checks) else 0)


if __name__ == "__main__":
    main()
