"""Command that compares the connectivity of conditions.

Heavy libraries are imported by the command that needs them.
"""

from pathlib import Path

from synapsnet_pyg.cli.arguments import listed
from synapsnet_pyg.files import say


def compare(
    runs: list[str],
    *,
    out: str,
    states: str | None = None,
    halves: bool = False,
    group_by: str | None = None,
    draws: int = 200,
    seed: int = 0,
    trust: str | None = None,
) -> None:
    """Test whether the connectivity differs between states, halves, sessions or days: pairs of neurons, groups, all.

    Effects are refitted by least squares in each condition, over the whole recording and without the states among the
    inputs, so a label that a model was told cannot decide. Each two sessions of the runs are compared unless --states
    or --halves is given.

    Args:
        runs: Folders of runs, or session files or folders of them, which need no fit. A neuron id that comes twice is
            one neuron.
        out: Folder for the files, created if needed.
        states: States within each session, separated by commas: behaviours that are 1 where a state is on and 0
            elsewhere, or comparisons such as 'running>2' in the unit of the recording. One state is compared with the
            rest, several with each other.
        halves: Compare the first half of each session with the second.
        group_by: Field of the neurons, such as area or cell_type, whose groups are tested too, from group to group.
        draws: Number of shifts of the states in time, or of random assignments of blocks of time, in the tests.
        seed: Seed of these draws.
        trust: Classes outside the package that the runs may import, such as my_model.MyModel, separated by commas; a
            model of your own has one.

    Example:
        synapsnet compare run --states 'running>2' --group-by area --out results
        synapsnet compare run --halves --out results
        synapsnet compare monday.h5 tuesday.h5 --out results
    """
    from synapsnet_pyg.results.comparison import save_comparisons

    for line in save_comparisons(
        runs,
        Path(out),
        states=listed(states),
        halves=halves,
        group_by=group_by,
        draws=draws,
        seed=seed,
        trust=listed(trust),
    ):
        say(line, flush=True)
