"""Recovery of true connectivity as a function of data and coverage, and the cost of a hidden common drive.

    python benchmarks/recovery_growth.py --seeds 1 --jobs 2 --out growth

Each condition of the simulated population is a benchmark in its own folder inside --out. Jobs that are done are not
repeated when the script is run again.
"""

import argparse
from pathlib import Path

from synapsnet_pyg.benchmarks.jobs import Workers
from synapsnet_pyg.benchmarks.recovery import Populations, compare_recovery
from synapsnet_pyg.benchmarks.variants import named
from synapsnet_pyg.runs.recipe import Preset
from synapsnet_pyg.runs.tables import number_text

METHODS = ("posterior_mean", "synapsnet", "ridge_var", "lag1")


def main() -> None:
    """Runs the benchmark and prints its results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=1, help="number of populations")
    parser.add_argument("--jobs", type=int, default=1, help="number of jobs at once")
    parser.add_argument("--neurons", type=int, default=600, help="number of neurons N")
    parser.add_argument("--bins", type=int, nargs=3, default=[5_000, 30_000, 100_000], help="few, usual and many bins")
    parser.add_argument("--epochs", type=int, help="number of epochs; the fast recipe's if not given")
    parser.add_argument("--out", type=Path, default=Path("growth"), help="folder of the benchmarks")
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
    preset = Preset("fast", {"epochs": given.epochs, "patience": 6})
    print(f"Pearson with the true weights, mean over {given.seeds} seed(s), population of {given.neurons}\n")
    print("| bins | recorded | hidden drive | SynapsNet, posterior mean | SynapsNet | ridge VAR(1) | lag-1 |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name, parameters in conditions.items():
        benchmark = compare_recovery(
            given.out / name,
            named(METHODS),
            Populations(parameters={"neurons": given.neurons, **parameters}),
            seeds=given.seeds,
            preset=preset,
            workers=Workers(given.jobs),
        )
        pearson = {entry.method: entry.scores["pearson"].mean for entry in benchmark.summary}
        drive = "no" if parameters.get("hidden_drive") == 0 else "yes"
        values = " | ".join(number_text(pearson[method]) for method in METHODS)
        print(f"| {parameters['bins']:,} | {parameters['recorded']} | {drive} | {values} |")


if __name__ == "__main__":
    main()
