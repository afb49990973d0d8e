"""Duration of a training step of Graph WaveNet, GRU and LSTM, compared with plain implementations.

    python benchmarks/speed_rivals.py --neurons 200

The plain Graph WaveNet uses torch.nn.functional.conv2d on [window, channel, neuron, bin], one einsum for each order of
diffusion, and the skip connection of every layer in all its bins. The plain population network calls the recurrent
network and then the read-out. A check at the start shows that the forecasts are the same. The two run in turns, and
medians are compared.
"""

import argparse
import statistics
import time

import torch
from torch.nn.functional import conv2d, mse_loss

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.data.windows import Window, windows_of
from synapsnet_pyg.models.forecaster import Forecaster
from synapsnet_pyg.models.registry import build_model


def plain_gwnet(model: Forecaster, window: Window) -> torch.Tensor:
    """Forecasts as Graph WaveNet by its equations."""
    network = model.network
    behaviour = window.behaviour.transpose(1, 2)[:, :, None].expand(-1, -1, window.activity.shape[1], -1)
    x = torch.cat([window.activity[:, None], behaviour], 1)
    x = conv2d(x, network.start.weight[..., None, None], network.start.bias)
    S = network.adaptive()
    total = 0.0
    for layer in network.layers:
        weight = layer.gated.permute(2, 1, 0)[:, :, None]
        value, gate = conv2d(x, weight, layer.gated_bias, dilation=(1, layer.dilation)).chunk(2, dim=1)
        f = torch.tanh(value) * torch.sigmoid(gate)
        skipped = conv2d(f, layer.skip.weight[..., None, None], layer.skip.bias)
        total = skipped + (total[..., -skipped.shape[-1] :] if torch.is_tensor(total) else 0.0)
        if layer.mix is not None:
            once = torch.einsum("bcvt,vw->bcwt", f, S).contiguous()
            twice = torch.einsum("bcvt,vw->bcwt", once, S).contiguous()
            mixed = conv2d(torch.cat([f, once, twice], 1), layer.mix.weight[..., None, None], layer.mix.bias)
            mixed = layer.dropout(mixed) + x[..., -f.shape[-1] :]
            norm = layer.norm
            x = torch.nn.functional.batch_norm(mixed, None, None, norm.weight, norm.bias, training=True)
    hidden = torch.relu(conv2d(torch.relu(total), network.end.weight[..., None, None], network.end.bias))
    return conv2d(hidden, network.readout.weight[..., None, None], network.readout.bias)[:, 0]


def plain_population(model: Forecaster, window: Window) -> torch.Tensor:
    """Forecasts as a recurrent network of the whole population."""
    hidden, _ = model.dynamics(torch.cat([window.activity.transpose(1, 2), window.behaviour], dim=-1))
    return model.readout(model.dropout(hidden[:, -window.target.shape[-1] :])).transpose(1, 2)


def main() -> None:
    """Runs the benchmark and prints its results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--neurons", type=int, default=200, help="number of neurons N")
    parser.add_argument("--batch", type=int, default=32, help="number of windows B in a step")
    parser.add_argument("--targets", type=int, default=1, help="number of targets P")
    parser.add_argument("--rounds", type=int, default=9, help="number of turns")
    given = parser.parse_args()
    session = Session(torch.randn(given.neurons, 4000), torch.randn(4000, 2), bin_size=1 / 30)
    window = windows_of(session, 5, given.targets)[0].gather(torch.arange(given.batch))
    print(f"N = {given.neurons}, B = {given.batch}, P = {given.targets}, {torch.get_num_threads()} threads")
    for name, plain in (("gwnet", plain_gwnet), ("gru", plain_population), ("lstm", plain_population)):
        model = build_model(name, [session], {"dropout": 0.0})
        worst = float((model(window).activity - plain(model, window)).detach().abs().max())
        model = build_model(name, [session])
        optimiser = torch.optim.Adam(model.parameters(), fused=True)
        times: dict[str, list[float]] = {"ours": [], "plain": []}
        for turn in range(given.rounds + 1):
            for implementation in times:
                started = time.perf_counter()
                optimiser.zero_grad()
                forecast = model(window).activity if implementation == "ours" else plain(model, window)
                mse_loss(forecast, window.target).backward()
                optimiser.step()
                if turn:  # the first is a warm-up
                    times[implementation].append(time.perf_counter() - started)
        ours, theirs = (statistics.median(values) for values in times.values())
        print(
            f"{name:6s} same forecast to {worst:.1e}; a step {ours * 1e3:7.1f} ms, plain {theirs * 1e3:7.1f} ms: "
            f"{theirs / ours:.2f} times as fast"
        )


if __name__ == "__main__":
    main()
