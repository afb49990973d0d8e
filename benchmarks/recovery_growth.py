"""How recovery of known wiring grows with data and coverage, and what a hidden common drive costs.

    python examples/recovery_growth.py --seeds 1 --jobs 2 --out growth

Each condition of the simulated population is a comparison of its own in the folder given by --out; called again, what
is done is not repeated.
"""

import argparse
from pathlib import Path

from synapsnet_pyg.benchmarks.recovery import compare_recovery
from synapsnet_pyg.benchmarks.variants import Variant

METHODS = ("synapsnet", "ridge_var", "lag1")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--neurons", type=int, default=600)
    parser.add_argument("--bins", type=int, nargs=3, default=[5_000, 30_000, 100_000])
    parser.add_argument("--epochs", type=int, help="instead of the preset's")
    parser.add_argument("--out", type=Path, default=Path("growth"))
    given = parser.parse_args()

    few, usual, many = given.bins
    third, half = given.neurons // 3, given.neurons // 2
    conditions = {
        "no-hidden-drive": {"bins": usual, "recorded": third, "hidden_drive": 0.0},
        "as-published": {"bins": usual, "recorded": third},
        "few-bins": {"bins": few, "recorded": third},
        "many-bins": {"bins": many, "recorded": third},
        "half-recorded": {"bins": usual, "recorded": half},
        "all-recorded": {"bins": usual, "recorded": given.neurons},
    }
    rows = []
    for name, laws in conditions.items():
        told = compare_recovery(
            given.out / name,
            [Variant(method, method) for method in METHODS],
            seeds=given.seeds,
            laws={"neurons": given.neurons, **laws},
            training={"epochs": given.epochs, "patience": 6},
            jobs=given.jobs,
        )
        pearson = {entry["method"]: entry["pearson"] for entry in told["summary"]}
        drive = "no" if laws.get("hidden_drive") == 0 else "yes"
        rows.append(
            (laws["bins"], laws["recorded"], drive, *(pearson[key] for key in ("synapsnet, believed", *METHODS)))
        )
    print(f"Pearson with the true weights, mean over {given.seeds} seed(s), population of {given.neurons}\n")
    print("| bins | recorded | hidden drive | SynapsNet, believed | SynapsNet | ridge VAR(1) | lag-1 |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for bins, recorded, drive, *values in rows:
        print(f"| {bins:,} | {recorded} | {drive} | " + " | ".join(f"{value:.3f}" for value in values) + " |")


if __name__ == "__main__":
    main()
