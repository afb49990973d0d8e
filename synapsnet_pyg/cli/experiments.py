"""The command that runs the published experiments.

Heavy libraries are imported when it is called.
"""

from pathlib import Path
from typing import Literal

from synapsnet_pyg.cli.arguments import listed


def experiment(
    name: Literal["netformer-toy", "stdp", "taskrnn", "celltypes", "ring", "spiking-ring", "states"],
    *,
    out: str,
    quick: bool = False,
    seeds: int | None = None,
    data: str | None = None,
) -> None:
    """Run an experiment of NetFormer's paper: our numbers beside the published ones and least squares, and a figure.

    Give the same command again to go on: trials that are done are not repeated.

    Args:
        name: netformer-toy (small systems, weights static or changing), stdp (a neuron whose synapses learn), taskrnn
            (networks trained on tasks), celltypes (a population wired by cell type), ring, spiking-ring (activity that
            misleads), states (wiring that follows the state of the brain).
        out: Folder for tables, figure and one JSON file.
        quick: Fewer seeds, epochs and cases, in a minute or two: a look, not the paper's numbers.
        seeds: How many, instead of the published number.
        data: Folders of recordings, separated by commas: of taskrnn the published activity of a network, of states a
            folder of Bugeon's mice.
    """
    from synapsnet_pyg.benchmarks.tables import print_experiment
    from synapsnet_pyg.experiments.experiment import run_experiment
    from synapsnet_pyg.experiments.registry import experiment as make

    told = run_experiment(make(name, quick, seeds, listed(data)), Path(out), lambda line: print(line, flush=True))
    print_experiment(told)
    print(f"written to {out}: {name}.md, .csv, .tex, .json, .png")
