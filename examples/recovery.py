"""How well SynapsNet recovers known wiring, beside the linear estimate, on the simulated population.

    python examples/recovery.py --seeds 3 --epochs 30 --preset paper

A run for each seed is kept in the folder given by --out; called again, finished ones are not repeated and interrupted
ones go on.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from synapsnet_pyg.datasets.simulated import simulate
from synapsnet_pyg.evaluation import score
from synapsnet_pyg.fitting import fit_files
from synapsnet_pyg.metrics import connectivity_score
from synapsnet_pyg.models.linear import VectorAutoregression
from synapsnet_pyg.run import Run


def soft_threshold(connectivity: torch.Tensor, amount: float) -> torch.Tensor:
    return connectivity.sign() * (connectivity.abs() - amount).clamp_min(0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--bins", type=int, default=30_000)
    parser.add_argument("--neurons", type=int, default=600)
    parser.add_argument("--recorded", type=int, default=200)
    parser.add_argument("--preset", default="fast")
    parser.add_argument("--epochs", type=int)
    parser.add_argument("--penalty-weight", type=float, help="absolute; the model's default if not given")
    parser.add_argument("--out", type=Path, default=Path("recovery"))
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)

    arguments = {} if given.penalty_weight is None else {"penalty_weight": given.penalty_weight}
    rows = []
    print("seed  SynapsNet: corr    MSE  conn r  AUROC | VAR(1): corr    MSE  conn r  AUROC  soft-thresholded conn r")
    for seed in range(given.seeds):
        path, out = given.out / f"population-{seed}.h5", given.out / f"run-{seed}"
        if not path.exists():
            simulate(given.bins, seed, given.neurons, given.recorded, name=f"population-{seed}").save(path)
        begun = (out / "run.json").exists()
        fit_files([path], out, "synapsnet", arguments, given.preset, {"epochs": given.epochs}, seed, resume=begun)
        run = Run.load(out)
        (session,), (split,) = run.sessions.values(), run.split().values()
        linear = VectorAutoregression([session])
        linear.initialise({session.name: split.train}, {session.name: split.validation})
        ours = score(run.model, session, split, run.targets, first=5)
        theirs = score(linear, session, split, first=5)
        thresholded = soft_threshold(linear.connectivity(split.train), 0.01)
        row = [
            *(ours.correlation, ours.mse, ours.connectivity["pearson"], ours.connectivity["auroc"]),
            *(theirs.correlation, theirs.mse, theirs.connectivity["pearson"], theirs.connectivity["auroc"]),
            connectivity_score(thresholded, session.true_connectivity).pearson,
        ]
        rows.append(row)
        print_row(str(seed), row)
    print_row("mean", np.mean(rows, axis=0))


def print_row(label: str, row: list[float]) -> None:
    print(
        "{:4s}  {:15.4f} {:6.3f}  {:6.3f} {:6.3f} | {:12.4f} {:6.3f}  {:6.3f} {:6.3f}  {:23.3f}".format(label, *row),
        flush=True,
    )


if __name__ == "__main__":
    main()
