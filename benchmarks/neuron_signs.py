"""Signs of neurons on simulations with Dale's law and on optotagged interneurons: share called, share wrong.

    python benchmarks/neuron_signs.py --seeds 3 --recordings ../shared/data --out examples/results

Rows of "common input" are networks of Poisson neurons in steps of 1 ms, counted in bins of 5 ms, in which strong common
input makes neurons fire together and most neurons are not recorded. Rows without synapses have no sign to find: every
call is false. "one bin ahead" calls the sign of the mean effect alone; "beyond coincidence" is the criterion of
``synapsnet signs``. The optotagged recordings are 22 interneurons in 11 sessions, one to four each (Siegle et al.
2021); sessions of one neuron have no pair.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from scipy.stats import norm

from synapsnet_pyg.analysis.false_discovery import benjamini_hochberg
from synapsnet_pyg.analysis.significance import edge_significance
from synapsnet_pyg.analysis.signs import neuron_signs
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.files import make_folder
from synapsnet_pyg.models.registry import build_model
from synapsnet_pyg.runs.tables import Table
from synapsnet_pyg.simulations.calcium import simulate_calcium
from synapsnet_pyg.simulations.neuropixels import simulate_neuropixels

INHIBITORY = "inhibitory"


@dataclass
class Count:
    """Calls of one row of the table, by criterion."""

    neurons: int = 0
    edges: list[int] = field(default_factory=lambda: [0, 0])
    called: dict[str, int] = field(default_factory=lambda: {"ahead": 0, "beyond": 0})
    wrong: dict[str, int] = field(default_factory=lambda: {"ahead": 0, "beyond": 0})

    def add(self, session: Session, truth: np.ndarray) -> None:
        """Fits and tests a session, and counts its calls; the truth is 1, -1 or 0 (no effect at all)."""
        session = session.standardise()
        split, model = session.split(), build_model("var1", [session])
        model.initialise({session.name: split.train}, {session.name: split.validation})
        edges = edge_significance(split.train, resamples=10)
        table = neuron_signs(model, split.train, edges).table
        ahead = benjamini_hochberg(2 * norm.sf(np.abs(table["effect"] / table["error"]))) <= 0.05
        sign = np.sign(table["effect"].to_numpy())
        for name, call in (("ahead", ahead), ("beyond", table["sign"].to_numpy() != "undecided")):
            self.called[name] += int(call.sum())
            self.wrong[name] += int((call & (sign != truth)).sum())
        found = edges.edges().numpy()
        self.edges[0] += int(found.sum())
        self.edges[1] += int((found & (np.sign(edges.effect.nan_to_num().numpy()) != truth)).sum())
        self.neurons += session.num_neurons

    def row(self, name: str) -> list[str]:
        """Returns the texts of a row."""
        texts = [name, str(self.neurons)]
        for key in ("ahead", "beyond"):
            called, wrong = self.called[key], self.wrong[key]
            texts += [str(called), str(wrong), f"{100 * wrong / called:.1f} %" if called else "-"]
        found, wrong = self.edges
        return [*texts, str(found), f"{100 * wrong / found:.0f} %" if found else "-"]


def common_input(seed: int, *, weight: float, shared: float, decay: float, bins: int) -> Session:
    """Simulates a network with common input that lasts ``decay`` ms: 160 neurons, 5 ms bins."""
    random = np.random.default_rng([seed, 7])
    neurons, steps = 160, 5 * bins
    inhibitory = np.arange(neurons) % 5 == 4
    size = np.where(inhibitory, -3 * weight, weight) * random.uniform(0.5, 1.5, (neurons, neurons))
    synapses = np.where(random.random((neurons, neurons)) < 0.1, size, 0.0)
    np.fill_diagonal(synapses, 0)
    rate = np.log(random.uniform(3, 15, neurons) / 1000) + 0.5 * inhibitory
    gain = shared * np.abs(random.standard_normal((neurons, 3))) * np.where(inhibitory, 1.5, 1)[:, None] / 3**0.5
    keep, memory = np.exp(-1 / decay), np.exp(-1 / 3)
    signal, trace, spikes = np.zeros(3), np.zeros(neurons), np.zeros(neurons, bool)
    counts = np.zeros((bins, neurons), np.float32)
    for step in range(steps):
        signal = keep * signal + (1 - keep**2) ** 0.5 * random.standard_normal(3)
        trace = memory * trace + synapses[:, spikes].sum(1)
        spikes = random.random(neurons) < np.exp(np.minimum(rate + trace + gain @ signal, -1.0))
        counts[step // 5] += spikes
    kinds = [INHIBITORY if kind else "excitatory" for kind in inhibitory]
    return Session.from_arrays(counts.T, None, bin_size=0.005, name="common", cell_type=kinds)


def part(session: Session, neurons: int, seed: int) -> Session:
    """Returns a session with some of the neurons, chosen at random."""
    rows = np.sort(np.random.default_rng(seed).permutation(session.num_neurons)[:neurons])
    kinds = [session.cell_type[row] for row in rows]
    return Session(session.activity[rows].clone(), bin_size=session.bin_size, name="part", cell_type=kinds)


def true_signs(session: Session) -> np.ndarray:
    """Returns the sign of each neuron by its type."""
    return np.array([-1 if kind == INHIBITORY else 1 for kind in session.cell_type])


def simulated_rows(seeds: int) -> Iterator[list[str]]:
    """Yields the rows of the simulations."""
    for name, simulate, bins in (
        ("neuropixels, 9,000 bins", simulate_neuropixels, 9_000),
        ("neuropixels, 27,000 bins", simulate_neuropixels, 27_000),
        ("calcium, 5,160 bins", simulate_calcium, 5_160),
        ("calcium, 15,000 bins", simulate_calcium, 15_000),
    ):
        count = Count()
        for seed in range(100, 100 + seeds):
            session = simulate(seed=seed, bins=bins)
            count.add(session, true_signs(session))
        yield count.row(name)
    for name, weight, shared, decay in (
        ("common input 10 ms", 0.4, 0.6, 10.0),
        ("strong common input 10 ms", 0.2, 1.2, 10.0),
        ("strong common input 30 ms", 0.2, 1.0, 30.0),
        ("no synapses, common input 10 ms", 0.0, 1.2, 10.0),
        ("no synapses, common input 30 ms", 0.0, 1.0, 30.0),
    ):
        counts = {recorded: Count() for recorded in (10, 25, 50, 100)}
        for seed in range(100, 100 + seeds):
            whole = common_input(seed, weight=weight, shared=shared, decay=decay, bins=60_000)
            for recorded, count in counts.items():
                for repeat in range(100 // recorded if recorded > 10 else 4):
                    session = part(whole, recorded, 1000 * seed + repeat)
                    truth = true_signs(session) * (weight > 0)
                    count.add(session, truth)
        for recorded, count in counts.items():
            yield count.row(f"{name}, {recorded} of 160 recorded")


def optotagged_rows(folder: Path) -> Iterator[list[str]]:
    """Yields a row for each kind of optotagged interneuron; a positive sign is wrong."""
    counts: dict[str, Count] = {}
    for path in sorted(folder.glob("session_*.npz")):
        with np.load(path, allow_pickle=False) as file:
            times = np.split(file["spike_times"], file["spike_times_index"][:-1].astype(int))
            laser = file["exclude_intervals"].reshape(-1, 2)
            kind = next(key.removeprefix("groundtruth_") for key in file.files if key.startswith("groundtruth_"))
        if len(times) < 2:
            continue
        last = min(max(float(spikes[-1]) for spikes in times), float(laser.min()) if laser.size else np.inf)
        edges = np.arange(0, last, 0.005)
        activity = np.stack([np.histogram(spikes, edges)[0] for spikes in times]).astype(np.float32)
        session = Session(torch.from_numpy(activity), bin_size=0.005, name=path.stem)
        counts.setdefault(kind, Count()).add(session, -np.ones(len(times)))
    for kind, count in counts.items():
        yield count.row(f"optotagged {kind}, sessions of 2 to 4 neurons")


def main() -> None:
    """Runs the benchmark and prints and writes its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3, help="number of populations of each kind")
    parser.add_argument("--recordings", type=Path, default=Path("../shared/data"), help="folder of the recordings")
    parser.add_argument("--out", type=Path, help="folder of neuron-signs.md; none is written if not given")
    given = parser.parse_args()
    folder = given.recordings / "allen-neuropixels-optotagged"
    rows = list(simulated_rows(given.seeds)) if given.seeds else []
    if folder.is_dir():
        rows += list(optotagged_rows(folder))
    else:
        print(f"skipped: there are no optotagged recordings in {folder}")
    header = ["population", "neurons", "one bin ahead", "wrong", "share", "beyond coincidence", "wrong", "share"]
    notes = [
        f"{given.seeds} seeds from 100 on; VAR(1), false discovery rate 5 %. wrong: the sign is not that of the cell "
        "type; without synapses every call is wrong. Last two columns: significant edges, and the share of them whose "
        "sign is not that of the sender's type.",
        f"Command: python benchmarks/neuron_signs.py --seeds {given.seeds}",
    ]
    table = Table("Signs of neurons", [*header, "edges", "wrong"], rows, notes)
    table.print()
    if given.out is not None:
        table.write(make_folder(given.out) / "neuron-signs")


if __name__ == "__main__":
    main()
