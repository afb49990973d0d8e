"""Time, memory, forecast and recovery of fits of growing populations.

    python benchmarks/scale.py --neurons 200 600 2000 --models synapsnet dense nlinear

Each population is simulated with known wiring (30 senders for each neuron, cell types, unseen drives;
``synapsnet_pyg.simulations.large_population``), and each fit runs in a process of its own, which says its peak memory.
"synapsnet" takes its own choice of connectivity (candidates beyond 2,500 neurons), "dense" and "low-rank+sparse" that
one. Recovery is the correlation of connectivity and true weights over all pairs of different neurons. Finished fits are
kept: the same command goes on where it was. ``--extrapolate`` adds rows for larger populations from the growth between
the last two sizes, marked by a tilde: seconds by a power, memory by a line in the number of pairs of a complete graph,
and in the number of neurons of other models.
"""

import argparse
import csv
import json
import math
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch

import synapsnet_pyg.runs.training  # noqa: F401 (imported late otherwise, within the first fit)
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.files import atomic_path, make_folder
from synapsnet_pyg.models.forecasting import forecast_session
from synapsnet_pyg.models.synapsnet import SynapsNet
from synapsnet_pyg.plots.canvas import Figure, despine, make_figure
from synapsnet_pyg.plots.image_files import save_figure
from synapsnet_pyg.plots.style import COLOURS
from synapsnet_pyg.runs.recipe import Preset
from synapsnet_pyg.runs.run import Run
from synapsnet_pyg.runs.scores import score_forecast
from synapsnet_pyg.runs.tables import Table, number_text
from synapsnet_pyg.simulations.large_population import simulate_large_population

GRAPHS = ("dense", "sparse", "low-rank+sparse")


def recovery(model: SynapsNet, session: Session) -> float:
    """Returns the correlation of connectivity and true weights over all pairs, without a matrix of all pairs."""
    graph, N = model.graph(session.name).functional_connectivity, session.num_neurons
    weight, edges = graph.edge_weight().detach().double(), graph.edges
    if edges is None:
        receiver, sender = (~torch.eye(N, dtype=torch.bool)).nonzero(as_tuple=True)
        edges, weight = torch.stack([sender, receiver]), weight[receiver, sender]
    found = weight * model.gain(session.split().train, max_windows=256)[edges[1]].double()
    sender, receiver = session.edge_index
    scale = session.activity_scale.double()
    truth = session.edge_weight.double() * scale[sender] / scale[receiver]
    pairs, wanted = receiver * N + sender, edges[1] * N + edges[0]
    place = torch.searchsorted(pairs, wanted).clamp_max(len(truth) - 1)
    both = float((found * truth[place] * (pairs[place] == wanted)).sum())
    count = N * (N - 1)
    covariance = both / count - float(found.sum()) / count * float(truth.sum()) / count
    deviations = [float(v.square().sum()) / count - (float(v.sum()) / count) ** 2 for v in (found, truth)]
    return covariance / math.sqrt(deviations[0] * deviations[1])


def measure(path: Path, model: str, out: Path, epochs: int) -> dict[str, float]:
    """Fits a model and returns its costs and scores."""
    start = time.monotonic()
    kind, arguments = ("synapsnet", {"connectivity": model}) if model in GRAPHS else (model, {})
    recipe = Preset("fast", {"epochs": epochs})
    run = Run.fit([str(path)], out, kind, arguments=arguments, recipe=recipe, resume=out.exists())
    taken, memory = time.monotonic() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    (session,) = run.sessions.values()
    result = {"seconds": taken, "epoch": 0.0, "memory": memory}
    if (out / "history.csv").exists():
        with (out / "history.csv").open(newline="") as file:
            seconds = [float(row["seconds"]) for row in csv.DictReader(file) if row["epoch"] != "0"]
        result["epoch"] = statistics.mean(seconds)
    test = session.split().test
    result["correlation"] = score_forecast(test, forecast_session(run.model, test, run.targets)).correlation
    if isinstance(run.model, SynapsNet):
        result["recovery"] = recovery(run.model, session)
    return result


def extrapolated(larger: int, sizes: list[int], values: list[float]) -> float:
    """Returns a value at a larger size by the power of the growth between the last two sizes."""
    if min(values[-2:]) <= 0:  # no epochs
        return values[-1]
    power = math.log(values[-1] / values[-2]) / math.log(sizes[-1] / sizes[-2])
    return values[-1] * (larger / sizes[-1]) ** power


def on_a_line(larger: int, sizes: list[int], values: list[float], *, power: int) -> float:
    """Returns a value at a larger size on the line through the last two values over a power of the size."""
    before, last = (size**power for size in sizes[-2:])
    return values[-1] + (values[-1] - values[-2]) / (last - before) * (larger**power - last)


def main() -> None:
    """Runs the fits and writes the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--neurons", type=int, nargs="+", default=[200, 600, 2000, 10000], help="numbers of neurons N")
    parser.add_argument("--extrapolate", type=int, nargs="*", default=[], help="larger numbers of neurons")
    parser.add_argument("--models", nargs="+", default=["synapsnet", "dense", "nlinear"], help="models or graphs")
    parser.add_argument("--bins", type=int, default=8000, help="number of bins T")
    parser.add_argument("--senders", type=int, default=30, help="senders of each neuron in the simulation")
    parser.add_argument("--epochs", type=int, default=3, help="number of epochs of the fast recipe")
    parser.add_argument(
        "--largest", nargs="*", default=["dense=2000"], metavar="MODEL=N", help="largest N of models that grow steeply"
    )
    parser.add_argument("--out", type=Path, default=Path("scale"), help="folder of sessions, runs and table")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        path, model = Path(given.measure[0]), given.measure[1]
        print(json.dumps(measure(path, model, path.with_name(f"{path.stem}-{model}"), given.epochs)))
        return
    out, rows = make_folder(given.out), []
    largest = {model: int(number) for model, number in (text.split("=") for text in given.largest)}
    for model in given.models:
        done: list[tuple[int, dict[str, float]]] = []
        for neurons in [n for n in given.neurons if n <= largest.get(model, n)]:
            path = out / f"large-{neurons}.h5"
            if not path.exists():
                simulate_large_population(given.bins, neurons=neurons, senders=given.senders).save(path)
            kept = path.with_name(f"{path.stem}-{model}.json")
            if not kept.exists():
                command = [sys.executable, __file__, "--epochs", str(given.epochs), "--measure", str(path), model]
                measured = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
                with atomic_path(kept) as temporary:
                    temporary.write_text(measured.splitlines()[-1])
            done.append((neurons, json.loads(kept.read_text())))
            rows.append(row_of(model, *done[-1]))
            print(*rows[-1], flush=True)
        for larger in given.extrapolate if len(done) > 1 else []:
            sizes, results = [n for n, _ in done], [result for _, result in done]
            costs = {name: extrapolated(larger, sizes, [result[name] for result in results])
                     for name in ("seconds", "epoch")}  # fmt: skip
            costs["memory"] = on_a_line(
                larger, sizes, [result["memory"] for result in results], power=2 if model == "dense" else 1
            )
            rows.append(row_of(model, larger, costs, "~"))
    header = ["model", "neurons", "fit, s", "epoch, s", "peak, GB", "test corr", "recovery"]
    notes = [f"{given.bins} bins, {given.epochs} epochs of the fast recipe; ~: extrapolated from the last two sizes."]
    table = Table("Fits of growing populations", header, rows, notes)
    table.print()
    table.write(out / "scale")
    save_figure(draw_scale(rows), out / "scale", formats=["png"], dpi=120)


def draw_scale(rows: list[list[str]]) -> Figure:
    """Draws seconds of an epoch, peak memory and test correlation against the number of neurons, a line a model."""
    figure, axes = make_figure(10, 3.2, columns=3)
    for place, (ax, name) in enumerate(zip(axes, ("epoch (s)", "peak (GB)", "test correlation"), strict=True), start=3):
        for model, colour in zip(dict.fromkeys(row[0] for row in rows), COLOURS, strict=False):
            own = [(int(row[1]), row[place]) for row in rows if row[0] == model and row[place] != "-"]
            for extrapolated, look in ((False, "o-"), (True, "o:")):
                chosen = [(n, float(value.lstrip("~"))) for n, value in own if value.startswith("~") == extrapolated]
                chosen = [(n, value) for n, value in chosen if value > 0]  # no epochs
                if chosen:
                    ax.plot(*zip(*chosen, strict=True), look, color=colour, ms=4, label=None if extrapolated else model)
        ax.set(xscale="log", xlabel="neurons", ylabel=name)
        if place < 5:
            ax.set_yscale("log")
        despine(ax)
    axes[1].legend(frameon=False, fontsize="small")
    return figure


def row_of(model: str, neurons: int, result: dict[str, float], mark: str = "") -> list[str]:
    """Returns the cells of a fit."""
    scores = [number_text(result[name]) if name in result else "-" for name in ("correlation", "recovery")]
    costs = [f"{mark}{result['seconds']:.0f}", f"{mark}{result['epoch']:.1f}", f"{mark}{result['memory']:.1f}"]
    return [model, str(neurons), *costs, *scores]


if __name__ == "__main__":
    main()
