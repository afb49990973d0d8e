"""Duration of an epoch of NetFormer on its connectivity-constrained simulation, compared with a plain implementation.

    python benchmarks/speed_netformer.py                 # one epoch of each, as published: 200 neurons, 30,000 bins
    python benchmarks/speed_netformer.py --steps 40      # 40 steps of each

The plain implementation concatenates history and embedding in every window, and computes both projections and the
attention as in the equations. Both get the same batches and make the same optimiser steps; a check at the start
compares their forecasts. They run in turns, one step each, so that other programs slow both alike.
"""

import argparse
import time

import torch
from torch.nn.functional import mse_loss

from synapsnet_pyg.data.windows import EpochSampler, Window, windows_of
from synapsnet_pyg.models.netformer import NetFormer
from synapsnet_pyg.simulations.cell_types import simulate_cell_types


def plain(model: NetFormer, window: Window) -> torch.Tensor:
    """Forecasts by the equations."""
    layer, history = model.layer, window.activity
    embedding = model.embedding(0).expand(len(history), -1, -1)
    token = layer.norm_token(torch.cat([history, embedding], dim=-1))
    value = token[..., : layer.history]
    attention = layer.scale * layer.query(token) @ layer.key(token).transpose(1, 2)
    return layer.norm_output(attention @ value + value)[..., -1:]


def ours(model: NetFormer, window: Window) -> torch.Tensor:
    """Forecasts by the model's own implementation."""
    return model(window).activity


def main() -> None:
    """Runs the benchmark and prints its results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--neurons", type=int, default=200, help="number of neurons N")
    parser.add_argument("--bins", type=int, default=30_000, help="number of bins T")
    parser.add_argument(
        "--window", type=int, default=99, help="number of past bins W; the published 100 include the target"
    )
    parser.add_argument("--embedding", type=int, default=200, help="size of the embedding D")
    parser.add_argument("--batch", type=int, default=32, help="number of windows B in a step")
    parser.add_argument("--steps", type=int, help="number of steps; a whole epoch if not given")
    given = parser.parse_args()
    train = simulate_cell_types(given.bins, neurons=given.neurons).standardise().split().train
    windows = windows_of(train, given.window)
    torch.manual_seed(0)
    models = [NetFormer([train], given.window, embedding_dim=given.embedding) for _ in range(2)]
    models[1].load_state_dict(models[0].state_dict())
    forecasts = {"ours": ours, "plain": plain}
    first = windows[0].gather(torch.arange(min(given.batch, len(windows[0]))))
    worst = float((ours(models[0], first) - plain(models[1], first)).detach().abs().max())
    optimisers = [torch.optim.Adam(model.parameters(), fused=True) for model in models]
    seconds = dict.fromkeys(forecasts, 0.0)
    batches = [positions for _, positions in EpochSampler(windows, given.batch)][: given.steps]
    for step, positions in enumerate([batches[0], *batches]):  # the first batch twice: a warm-up
        for (name, forecast), model, optimiser in zip(forecasts.items(), models, optimisers, strict=True):
            started = time.perf_counter()
            window = windows[0].gather(positions)
            optimiser.zero_grad()
            mse_loss(forecast(model, window), window.target).backward()
            optimiser.step()
            seconds[name] += (time.perf_counter() - started) * (step > 0)
    print(
        f"N = {given.neurons}, W = {given.window}, D = {given.embedding}, B = {given.batch}, "
        f"{torch.get_num_threads()} threads; same forecast to {worst:.1e}"
    )
    print(
        f"{len(batches)} steps: ours {seconds['ours']:.1f} s, plain {seconds['plain']:.1f} s: "
        f"{seconds['plain'] / seconds['ours']:.2f} times as fast"
    )


if __name__ == "__main__":
    main()
