"""Beginning of a fit in its folder, and the recordings that a run was fitted to."""

from pathlib import Path

from synapsnet_pyg.data.fingerprint import earlier_fingerprint
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.files import session_folder
from synapsnet_pyg.runs.run_file import EVERY_FIELD, FILE, FittedSession, RunRecord

CHECKPOINTS = ("best.ckpt", "last.ckpt")


def begin_fit(record: RunRecord, out: Path, *, resume: bool) -> None:
    """Writes ``run.json`` of a fit that begins, or goes on where one was begun.

    Args:
        record: Contents of ``run.json``.
        out: Folder of the run, which exists.
        resume: Whether to go on with a fit that was begun.

    Raises:
        FileExistsError: The folder holds a run that is not to be resumed, or checkpoints of no run.
        ValueError: The fit in the folder has other settings.
    """
    if resume and (out / FILE).exists():
        record.require_same(out)
        record.write(out)
        return
    names = [session.name for session in record.sessions]
    folders = [out, *(session_folder(out, name, names) for name in names)]
    if not (out / FILE).exists() and any((folder / name).exists() for folder in folders for name in CHECKPOINTS):
        raise FileExistsError(f"'{out}' holds a fit without its {FILE}; choose another --out.")
    try:
        record.write(out, new=True)
    except FileExistsError:
        raise FileExistsError(
            f"'{out}' holds a run already; continue it with --resume or choose another --out."
        ) from None


def load_recording(fitted: FittedSession, folder: Path, record: RunRecord) -> Session:
    """Reads a recording of a run, and divides and standardises it; run and recording may have been moved together.

    Args:
        fitted: Recording at the time of the fit.
        folder: Folder of the run.
        record: Contents of ``run.json``.

    Raises:
        FileNotFoundError: The recording is not at its path.
        ValueError: The recording has changed since the fit.
    """
    paths = [Path(fitted.path), folder / fitted.relative_path]
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        raise FileNotFoundError(
            f"Expected the recording of session '{fitted.name}' at '{fitted.path}', its path during the fit (there is "
            "no such file); put it back there."
        )
    session = Session.load(path)
    now = session.fingerprint if record.file_version >= EVERY_FIELD else earlier_fingerprint(session)
    if now != fitted.fingerprint:
        raise ValueError(
            f"'{path}' is not the recording of the fit in '{folder}', or was converted again with other options (got "
            f"{session}); restore the original file, or fit again."
        )
    return record.recipe.standardised(record.recipe.prepare(session))
