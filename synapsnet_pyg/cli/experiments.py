"""The command that runs the published experiments.

Heavy libraries are imported when it is called.
"""

from pathlib import Path
from typing import Annotated

from synapsnet_pyg.cli.arguments import ClusterName, Names, listed
from synapsnet_pyg.experiments.registry import ALIASES, EXPERIMENTS
from synapsnet_pyg.files import say


def experiment(
    name: Annotated[str, Names(EXPERIMENTS, ALIASES)],
    *,
    out: str,
    quick: bool = False,
    seeds: int | None = None,
    data: str | None = None,
    jobs: int = 1,
    cluster: ClusterName = "local",
) -> None:
    """Run an experiment of NetFormer's paper: our numbers beside the published ones and least squares, and a figure.

    Give the same command again to continue: finished trials are not repeated.

    Args:
        name: Experiment to run.
        out: Folder of the results, created if needed.
        quick: Run fewer seeds, epochs and bins, in a minute or two; the numbers are not the paper's.
        seeds: Number of seeds, from 0 on; the published number if not given.
        data: Folders of recordings, separated by commas: for task-networks the published activity of a network, for
            states a folder of Bugeon's mice.
        jobs: Number of trials at once.
        cluster: Place of the trials: local (this machine) or slurm.

    Example:
        synapsnet experiment states --quick --out experiments
        synapsnet experiment toy-systems --jobs 2 --out experiments
    """
    from synapsnet_pyg.benchmarks.jobs import JobsFailed, Workers
    from synapsnet_pyg.experiments.experiment import print_experiment, run_experiment
    from synapsnet_pyg.experiments.registry import experiment as make_experiment

    chosen = make_experiment(name, quick, seeds, listed(data))
    result = run_experiment(chosen, Path(out), Workers(jobs, cluster))
    print_experiment(result)
    endings = ".md, .csv, .tex, .json" + ("" if result.failed else ", .png")
    say(f"written to {out}: {chosen.name}{endings}")
    if result.failed:
        raise JobsFailed(f"{len(result.failed)} trial(s) failed; the same command tries them again.")
