"""Command that perturbs neurons and edges in the model of a run.

Heavy libraries are imported by the command that needs them.
"""

from pathlib import Path

from synapsnet_pyg.cli.arguments import listed, option_groups
from synapsnet_pyg.files import say


@option_groups(perturbation="stimulate silence remove_edge amount held")
def perturb(
    run: str,
    *,
    out: str,
    stimulate: str | None = None,
    silence: str | None = None,
    remove_edge: str | None = None,
    amount: float = 1.0,
    held: bool = False,
    horizon: int = 10,
    session: str | None = None,
    ensemble: str | None = None,
    windows: int = 100,
    format: str = "csv",
    states_only: bool = False,
    counts: bool = False,
    trust: str | None = None,
) -> None:
    """Stimulate or silence neurons, or remove edges, in the model: effects on all other neurons, with intervals.

    The table has a row for each perturbed neuron or edge, target and step, with the effect in standard deviations of
    the target, its standard error, the 95 % interval, p- and q-value, and effect and interval in the unit of the
    recording. The figure shows the most affected neurons, or for 'all' a matrix. Effects are those in the model; real
    neurons respond alike only if unrecorded neurons do not cause the learned weights.

    Args:
        run: Folder of the run.
        out: Folder for the files, created if needed.
        stimulate: Ids of neurons to stimulate one at a time, separated by commas; all for every neuron.
        silence: Ids of neurons to hold at zero activity one at a time, separated by commas; all for every neuron.
        remove_edge: Edges to remove one at a time, as SENDER:RECEIVER, separated by commas; of a synapsnet only. The
            receiver then hears a silent sender.
        amount: Activity that a stimulus adds, in standard deviations of the stimulated neuron.
        held: Stimulate in every bin; a stimulus lasts for one bin without it.
        horizon: Number of bins ahead.
        session: Name of the only session; all sessions with these neurons if not given.
        ensemble: Further runs of the same sessions from other seeds, separated by commas: the effect is the mean over
            all runs, and the interval covers their total variance too.
        windows: Largest number of starting windows, evenly spread over the session; their blocks give the error from
            the choice of starting states.
        format: Formats of the table, separated by commas: csv, parquet.
        states_only: Leave the errors of the learned weights out of the intervals, which saves the test of edges; there
            are no p-values then.
        counts: Feed forecasts back as Poisson counts of that mean, for spike counts: more accurate for large
            perturbations, and from the third bin on the intervals of small ones are honest, though wide.
        trust: Classes outside the package that the runs may import, such as my_model.MyModel, separated by commas; a
            model of your own has one.

    Example:
        synapsnet perturb run --stimulate AVAL --held --out results
        synapsnet perturb run --stimulate all --horizon 5 --ensemble run-1,run-2 --out results
        synapsnet perturb run --silence AVAL,AVAR --remove-edge AVAL:AVBL --out results
    """
    from synapsnet_pyg.results.perturbation import PerturbedNeurons, save_perturbations
    from synapsnet_pyg.runs.run import Run

    asked = PerturbedNeurons(listed(stimulate), listed(silence), listed(remove_edge), amount, held)
    runs = [Run.load(folder, trust=listed(trust)) for folder in (run, *listed(ensemble))]
    for line in save_perturbations(
        runs,
        asked,
        Path(out),
        horizon=horizon,
        session=session,
        windows=windows,
        formats=listed(format),
        weights=not states_only,
        counts=counts,
    ):
        say(line)
