"""Sections of a report on the whole run."""

import pandas as pd

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.report.forecast_figures import training_figure
from synapsnet_pyg.report.sections import Part, ReportTable, Section
from synapsnet_pyg.runs.evaluation import Evaluation
from synapsnet_pyg.runs.run import Run
from synapsnet_pyg.runs.run_file import versions


def run_part(run: Run, names: list[str], scores: Evaluation) -> Part:
    """Returns the sections on the whole run: recordings, settings, scores over sessions, training.

    Args:
        run: Fitted run.
        names: Names of the sessions on the page.
        scores: Scores from :func:`~synapsnet_pyg.runs.evaluation.evaluate`.
    """
    sections = [_recordings(run, names)]
    if len(names) > 1:
        sections.append(_summary(scores))
    history = run.history()
    if history and len(history.epochs) > 1:
        sections.append(Section("Training", figures=[training_figure(history)]))
    return Part(sections)


def _behaviours(session: Session) -> str:
    """Returns the names of a session's behaviours, with the share of bins in which each was recorded if not all."""
    shares = zip(session.behaviour_name, session.recorded_share, strict=True)
    texts = [name if share == 1 else f"{name} (recorded in {100 * share:.0f} % of the bins)" for name, share in shares]
    return ", ".join(texts) or "none"


def _recordings(run: Run, names: list[str]) -> Section:
    """Returns the section on recordings, recipe, versions and commands."""
    sessions = [run.sessions[name] for name in names]
    table = pd.DataFrame(
        {
            "session": names,
            "neurons": [session.num_neurons for session in sessions],
            "bins": [session.num_bins for session in sessions],
            "bin (s)": [session.bin_size for session in sessions],
            "minutes": [session.num_bins * session.bin_size / 60 for session in sessions],
            "segments": [len(session.segment) for session in sessions],
            "behaviour": [_behaviours(session) for session in sessions],
            "neuron fields": [", ".join(session.neuron_fields) or "none" for session in sessions],
        }
    )
    commands = run.commands()
    recipe = {key.replace("_", " "): value for key, value in run.recipe.to_json().items() if value is not None}
    settings = ", ".join(f"{key} {value}" for key, value in recipe.items())
    packages = versions() if run.record is None else run.record.versions
    version_texts = ", ".join(f"{package} {version}" for package, version in packages.items())
    sentences = [
        f"The model {run.kind} was fitted to {_counted(len(run.sessions), 'session')} ({settings}). "
        f"Parts of each session by {run.recipe.division}. The validation part chooses the epoch; no fit uses "
        "the test part; all scores are of the test part.",
        f"Versions: {version_texts}.",
    ]
    if commands:
        sentences.append("These commands repeat the run:")
    return Section("Recordings and fit", sentences, commands, tables=[ReportTable("sessions", table, table)])


def _summary(scores: Evaluation) -> Section:
    """Returns the section of mean scores over sessions."""
    rows = [
        {"model": model}
        | {f"{key} {part}": number for key, value in values.items() for part, number in value._asdict().items()}
        for model, values in scores.summary.items()
    ]
    table = pd.DataFrame(rows)
    shown = ["model", *(f"{key} {part}" for key in ("correlation", "mse") for part in ("mean", "sem"))]
    table = table[shown + [column for column in table if column not in shown]]
    sentence = f"Scores of the test parts: mean and standard error over {_counted(len(scores.sessions), 'session')}."
    return Section("Scores over sessions", [sentence], tables=[ReportTable("summary", table, table)])


def _counted(count: int, noun: str) -> str:
    """Returns a count with its noun, in the plural unless it is 1."""
    return f"{count} {noun}{'s' * (count != 1)}"
