"""Commands on groups of neurons: connectivity from group to group, signs of neurons.

Heavy libraries are imported by the command that needs them.
"""

from pathlib import Path

from synapsnet_pyg.cli.arguments import listed
from synapsnet_pyg.files import say


def blocks(
    runs: list[str],
    *,
    group_by: str,
    out: str | None = None,
    quantiles: int | None = None,
    animal: str | None = None,
    trust: str | None = None,
) -> None:
    """Test the mean effect from group to group of neurons, by area, cell type or depth, in one or more sessions.

    Each mean has a 95 % interval and two tests. p_zero and q_zero: does the mean differ from zero? p_labels and
    q_labels: does the block differ from those of shuffled labels? In figures, a star marks the first and a ring the
    second at q < 0.05. An unrecorded input to one group alone may pass for effects within this group.

    Args:
        runs: Folders of runs; the sessions of several runs are put together.
        group_by: Field of the neurons, such as area, cell_type, layer or position_z.
        out: Folder for tables and figures, created if needed; RUN/blocks of the first run if not given.
        quantiles: Number of groups of equal size, for a field of numbers; each number is a group if not given.
        animal: Tells which sessions are of one animal: a field of the neurons, or the beginnings of the sessions'
            names, separated by commas. Intervals over sessions then count animals; each session is an animal if not
            given.
        trust: Classes outside the package that the runs may import, such as my_model.MyModel, separated by commas; a
            model of your own has one.

    Example:
        synapsnet blocks run --group-by area
        synapsnet blocks run-1 run-2 --group-by cell_type --animal mouse1,mouse2 --out blocks
    """
    from synapsnet_pyg.results.blocks import group_results, save_group_results
    from synapsnet_pyg.runs.run import Run

    results = group_results(
        [Run.load(run, trust=listed(trust)) for run in runs], group_by, bins=quantiles, animal=animal
    )
    for line in save_group_results(results, Path(out or Path(runs[0]) / "blocks")):
        say(line)


def signs(
    run: str, *, group_by: str | None = None, out: str | None = None, fdr: float = 0.05, trust: str | None = None
) -> None:
    """Test which neurons excite and which inhibit, and whether groups of neurons differ in this.

    A neuron excites (inhibits) if its mean effect one bin ahead differs from zero and exceeds the part that mirrors
    coincidences in the same bin, as common input makes them. All other neurons are undecided.

    Args:
        run: Folder of the run.
        group_by: Field of the neurons, such as cell_type, whose groups are compared with the rest; no groups if not
            given.
        out: Folder for tables and figures, created if needed; RUN/signs if not given.
        fdr: False discovery rate of the neurons that have a sign.
        trust: Classes outside the package that the run may import, such as my_model.MyModel, separated by commas; a
            model of your own has one.

    Example:
        synapsnet signs run
        synapsnet signs run --group-by cell_type --out signs
    """
    from synapsnet_pyg.results.signs import save_sign_results, sign_results
    from synapsnet_pyg.runs.run import Run

    results = sign_results(Run.load(run, trust=listed(trust)), group_by, rate=fdr)
    for line in save_sign_results(results, Path(out or Path(run) / "signs")):
        say(line)
