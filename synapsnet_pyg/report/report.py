"""Folder of a report: page, figures and tables."""

import gc
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from synapsnet_pyg.files import file_name, keep_freed_memory, make_folder, release_memory
from synapsnet_pyg.files.memory import free_memory
from synapsnet_pyg.nn.functional_connectivity import MOST_DENSE
from synapsnet_pyg.nn.threads import default_number, threads
from synapsnet_pyg.plots.image_files import FIGURE_FORMATS
from synapsnet_pyg.processes.children import together
from synapsnet_pyg.processes.locks import held
from synapsnet_pyg.progress import steps
from synapsnet_pyg.report.connectivity_analysis import analyse_connectivity
from synapsnet_pyg.report.forecast_results import ForecastResults, forecast_results
from synapsnet_pyg.runs.evaluation import Evaluation, evaluate, with_anchors
from synapsnet_pyg.runs.horizon_evaluation import evaluate_horizons, longest_horizon
from synapsnet_pyg.runs.run import Run

if TYPE_CHECKING:
    from synapsnet_pyg.report.pages import WrittenPart

FIGURES, TABLES = "figures", "tables"
"""Names of the folders of figures and tables."""
MOST_NEURON_BINS = 100_000
"""Largest number of neurons times bins of a test part that is forecast several bins ahead, to bound the time."""
FEWEST_NEURONS = 100
"""Fewest neurons of two sessions for which a second process, which takes seconds to start, is worth it."""
_FIXED_PAIRS, _FORECAST_PAIRS, _START_PAIRS = 800**2, 1200**2, 700**2
"""Numbers of pairs of neurons whose tests take as long as what takes the same time for sessions of any size: figures of
a connectivity, scores and forecasts of a session, the start of a process."""
_PROCESS_BYTES, _PAIR_BYTES = 2**30, 250
"""Memory of a process: at least, and for each pair of neurons of its largest session."""


def write_report(
    run: Run, folder: Path, session: str | None = None, *, formats: Sequence[str] = FIGURE_FORMATS
) -> list[Path]:
    """Writes the results of a run as a page that opens in a browser without a network.

    Several sessions of :data:`FEWEST_NEURONS` neurons or more are computed in several processes, one for each core but
    at most four, if memory suffices; ``OMP_NUM_THREADS`` says how many.

    Args:
        run: Fitted run.
        folder: Folder of the files, created if needed.
        session: Name of the session; None: all sessions.
        formats: Formats of each figure among :data:`~synapsnet_pyg.plots.image_files.FIGURE_FORMATS`.

    Returns:
        Paths of the files, that is, ``index.html``, a page for each session if there are several, the script that draws
        the figures of the pages, every figure in ``figures``, every table as CSV in ``tables``. Each file is written
        completely or not at all.

    Raises:
        ValueError: The run has no such session, or a part of a session is too short for the model.
        OSError: The folder cannot be created or is not writable.
        BlockingIOError: Another process writes a report into the folder.
        ChildProcessError: One of the processes was killed.
    """
    names = run.session_names(session)
    for part in (folder, folder / FIGURES, folder / TABLES):
        make_folder(part)
    with held(folder):
        return _write_report(run, names, folder, formats)


def _write_report(run: Run, names: list[str], folder: Path, formats: Sequence[str]) -> list[Path]:
    """Writes the page with its figures and tables; returns the paths of the files."""
    place = _Place(folder, formats)
    done = {result.task: result for result in _in_processes(run, names, place)}
    halves = [[done[task] for task in _tasks_of(name)] for name in names]
    scores = Evaluation.joined([half.scores for pair in halves for half in pair if half.scores is not None])
    from synapsnet_pyg.report.pages import write_chapter, write_index, write_part
    from synapsnet_pyg.report.run_sections import run_part

    whole = write_chapter(
        "Run", "run", [write_part(run_part(run, names, scores), "run", folder, formats)], folder, own_page=False
    )
    chapters = [
        write_chapter(name, file_name(name), [half.part for half in pair], folder, own_page=len(names) > 1)
        for name, pair in zip(names, halves, strict=True)
    ]
    title = names[0] if len(names) == 1 else f"{len(names)} sessions"
    return write_index(folder, title, [whole, *chapters])


class _Place(NamedTuple):
    """Place and formats of the files."""

    folder: Path
    formats: Sequence[str]


class _Task(NamedTuple):
    """Half of the chapter on a session, which one process computes and writes."""

    session: str
    connectivity: bool
    """Whether it is on the connectivity; else on forecasts."""


class _Done(NamedTuple):
    """Written half of a chapter."""

    task: _Task
    part: "WrittenPart"
    scores: Evaluation | None
    """Scores of the session, of the half on forecasts."""


def _tasks_of(name: str) -> list[_Task]:
    """Returns both halves of the chapter on a session, in the order of the page."""
    return [_Task(name, connectivity=False), _Task(name, connectivity=True)]


def _in_processes(run: Run, names: list[str], place: _Place) -> list[_Done]:
    """Computes and writes all sessions, large ones in several processes at once."""
    sizes = {name: run.sessions[name].num_neurons for name in names}
    number = _number_of_processes(sorted(sizes.values()))
    if number == 1:
        return _do_some(run, [task for name in names for task in _tasks_of(name)], place)
    cost = {
        task: sizes[task.session] ** 2 + _FIXED_PAIRS if task.connectivity else _FORECAST_PAIRS
        for name in names
        for task in _tasks_of(name)
    }
    shares: list[list[_Task]] = [[] for _ in range(number)]
    for task in sorted(cost, key=cost.__getitem__, reverse=True):
        loads = [sum(map(cost.__getitem__, share)) + (_START_PAIRS if k else 0) for k, share in enumerate(shares)]
        shares[loads.index(min(loads))].append(task)
    from synapsnet_pyg.plots.style import settings_for_processes

    style = settings_for_processes()
    calls = [(style, run, share, place) for share in shares]
    environment = {"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    # As the other processes do: there is enough memory, and modules are no garbage.
    keep_freed_memory()
    gc.freeze()
    try:
        return [done for some in together(_do_some_alone, calls, environment=environment) for done in some]
    finally:
        gc.unfreeze()


def _number_of_processes(sizes: list[int]) -> int:
    """Returns the number of processes for sessions of some sizes, smallest first: cores and memory must suffice."""
    if len(sizes) < 2 or sizes[-2] < FEWEST_NEURONS:
        return 1
    most = int(free_memory() // (_PROCESS_BYTES + _PAIR_BYTES * sizes[-1] * min(sizes[-1], MOST_DENSE)))
    return max(1, min(len(sizes), default_number(), most))


def _do_some_alone(style: Mapping[str, Any], run: Run, tasks: list[_Task], place: _Place) -> list[_Done]:
    """Does :func:`_do_some` on one thread, in one of several processes, in a style of matplotlib."""
    from synapsnet_pyg.plots.style import apply_settings

    apply_settings(style)
    with threads(1):
        return _do_some(run, tasks, place)


def _do_some(run: Run, tasks: list[_Task], place: _Place) -> list[_Done]:
    """Computes and writes halves of chapters."""
    done = []
    for name in steps("report", list(dict.fromkeys(task.session for task in tasks))):
        halves = {task.connectivity for task in tasks if task.session == name}
        # Both halves are computed before anything is drawn: plots take memory that the largest matrices used before.
        scored = _score(run, name) if False in halves else None
        analysis = analyse_connectivity(run, name) if True in halves else None
        release_memory()
        from synapsnet_pyg.report.connectivity_sections import connectivity_part
        from synapsnet_pyg.report.forecast_sections import forecast_part
        from synapsnet_pyg.report.pages import write_part

        if scored is not None:
            results, scores = scored
            part = write_part(forecast_part(results), file_name(name), place.folder, place.formats)
            done.append(_Done(_Task(name, connectivity=False), part, scores))
        if True in halves:
            part = write_part(connectivity_part(analysis), file_name(name), place.folder, place.formats)
            done.append(_Done(_Task(name, connectivity=True), part, None))
    return done


def _score(run: Run, name: str) -> tuple[ForecastResults, Evaluation]:
    """Returns the results on the forecasts of a session, and its scores."""
    compared, horizon, ahead = with_anchors(run, run.split(), names=[name]), longest_horizon(run), None
    scores = evaluate(run, compared, names=[name])
    if horizon > 1:
        ahead = evaluate_horizons(run, horizon, most_neuron_bins=MOST_NEURON_BINS, compared=compared, names=[name])
    del compared  # large; the rest does not need it
    return forecast_results(run, name, scores, ahead), scores
