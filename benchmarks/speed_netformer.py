"""Time of an epoch of NetFormer on its connectivity-constrained simulation, ours against a plain implementation.

    python examples/speed_netformer.py                 # one epoch of each, as published: 200 neurons, 30,000 bins
    python examples/speed_netformer.py --steps 40      # a look

Plain: the embedding is written beside every window's history, both projections and the attention are computed as the
equations have them. Both see the same batches from the same loader and make the same optimiser steps; the forecasts
are compared first. They take turns, a step each, so that what else the machine does meets both.
"""

import argparse
import time

import torch
from torch.nn.functional import mse_loss

from synapsnet_pyg.data.windows import EpochSampler, Window, windows_of
from synapsnet_pyg.models.netformer import NetFormer
from synapsnet_pyg.simulations.cell_types import simulate_cell_types


def plain(model: NetFormer, window: Window) -> torch.Tensor:
    layer, history = model.layer, window.activity
    embedding = model.embedding(0).expand(len(history), -1, -1)
    token = layer.norm_token(torch.cat([history, embedding], dim=-1))
    value = token[..., : layer.history]
    attention = layer.scale * layer.query(token) @ layer.key(token).transpose(1, 2)
    return layer.norm_output(attention @ value + value)[..., -1:]


def ours(model: NetFormer, window: Window) -> torch.Tensor:
    return model(window).activity


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--neurons", type=int, default=200)
    parser.add_argument("--bins", type=int, default=30_000)
    parser.add_argument("--window", type=int, default=99, help="past bins; the published 100 count the target")
    parser.add_argument("--embedding", type=int, default=200)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--steps", type=int, help="of the epoch; all if not given")
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
    batches = [which for _, which in EpochSampler(windows, given.batch)][: given.steps]
    for step, which in enumerate([batches[0], *batches]):  # the first once more, as a warm-up
        for (name, forecast), model, optimiser in zip(forecasts.items(), models, optimisers, strict=True):
            started = time.perf_counter()
            window = windows[0].gather(which)
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
