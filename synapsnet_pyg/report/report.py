"""Folder of a report: page, figures and tables."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from synapsnet_pyg.files import keep_freed_memory, make_folder
from synapsnet_pyg.files.memory import free_memory
from synapsnet_pyg.nn.functional_connectivity import MOST_DENSE
from synapsnet_pyg.nn.threads import default_number, threads
from synapsnet_pyg.plots.image_files import FIGURE_FORMATS
from synapsnet_pyg.processes.children import together
from synapsnet_pyg.processes.locks import held
from synapsnet_pyg.progress import steps
from synapsnet_pyg.report.session_results import collect_results
from synapsnet_pyg.runs.evaluation import Evaluation, evaluate, with_anchors
from synapsnet_pyg.runs.horizon_evaluation import HorizonEvaluation, evaluate_horizons, longest_horizon
from synapsnet_pyg.runs.run import Run

if TYPE_CHECKING:
    from synapsnet_pyg.report.pages import WrittenChapter

FIGURES, TABLES = "figures", "tables"
"""Names of the folders of figures and tables."""
MOST_NEURON_BINS = 100_000
"""Largest number of neurons times bins of a test part that is forecast several bins ahead, to bound the time."""
FEWEST_NEURONS = 100
"""Fewest neurons of two sessions for which a second process, which takes seconds to start, is worth it."""
_FIXED_PAIRS = 900**2
"""Number of pairs of neurons whose tests take as long as what each session takes whatever its size, such as figures."""
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
    written = _write_sessions(run, names, _Place(folder, formats, own_pages=len(names) > 1))
    by_name = {chapter.contents.title: chapter for some in written for chapter in some.chapters}
    scores = Evaluation.joined([some.scores for some in written])
    from synapsnet_pyg.report.pages import write_chapter, write_index
    from synapsnet_pyg.report.sections import run_chapter

    whole = write_chapter(run_chapter(run, names, scores), folder, formats, own_page=False)
    title = names[0] if len(names) == 1 else f"{len(names)} sessions"
    return write_index(folder, title, [whole, *(by_name[name] for name in names)])


class _Place(NamedTuple):
    """Place and form of the files."""

    folder: Path
    formats: Sequence[str]
    own_pages: bool
    """Whether each session has a page of its own."""


class _Written(NamedTuple):
    """Scores of some sessions, and the chapters on them."""

    scores: Evaluation
    chapters: "list[WrittenChapter]"


def _write_sessions(run: Run, names: list[str], place: _Place) -> list[_Written]:
    """Scores the sessions and writes the chapters on them, those on large sessions in several processes at once."""
    sizes = {name: run.sessions[name].num_neurons for name in names}
    number = _number_of_processes(sorted(sizes.values()))
    if number == 1:
        return [_write_some(run, names, place)]
    groups: list[list[str]] = [[] for _ in range(number)]
    for name in sorted(names, key=sizes.__getitem__, reverse=True):
        min(groups, key=lambda group: sum(sizes[other] ** 2 + _FIXED_PAIRS for other in group)).append(name)
    from synapsnet_pyg.plots.style import settings_for_processes

    style = settings_for_processes()
    keep_freed_memory()  # as the other processes do; there is enough
    calls = [(style, run, group, place) for group in groups]
    return together(_write_some_alone, calls, environment={"OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"})


def _number_of_processes(sizes: list[int]) -> int:
    """Returns the number of processes for sessions of some sizes, smallest first: cores and memory must suffice."""
    if len(sizes) < 2 or sizes[-2] < FEWEST_NEURONS:
        return 1
    most = int(free_memory() // (_PROCESS_BYTES + _PAIR_BYTES * sizes[-1] * min(sizes[-1], MOST_DENSE)))
    return max(1, min(len(sizes), default_number(), most))


def _write_some(run: Run, names: list[str], place: _Place) -> _Written:
    """Scores some sessions and writes the chapters on them."""
    compared, horizon = with_anchors(run, run.split(), names=names), longest_horizon(run)
    scores = evaluate(run, compared, names=names)
    ahead = None
    if horizon > 1:
        ahead = evaluate_horizons(run, horizon, most_neuron_bins=MOST_NEURON_BINS, compared=compared, names=names)
    del compared  # large; the chapters do not need it
    return _Written(scores, [_write_session(run, name, (scores, ahead), place) for name in steps("report", names)])


def _write_some_alone(style: Mapping[str, Any], run: Run, names: list[str], place: _Place) -> _Written:
    """Does :func:`_write_some` on one thread, in one of several processes, in a style of matplotlib."""
    from synapsnet_pyg.plots.style import apply_settings

    apply_settings(style)
    with threads(1):
        return _write_some(run, names, place)


def _write_session(
    run: Run, name: str, scores: tuple[Evaluation, HorizonEvaluation | None], place: _Place
) -> "WrittenChapter":
    """Writes the chapter on a session, given its scores one bin and several bins ahead."""
    collected = collect_results(run, name, *scores)
    # Plots take memory that the largest matrices have used before.
    from synapsnet_pyg.report.pages import write_chapter
    from synapsnet_pyg.report.sections import session_chapter

    return write_chapter(session_chapter(collected), place.folder, place.formats, own_page=place.own_pages)
