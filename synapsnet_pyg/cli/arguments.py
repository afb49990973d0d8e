"""Words of the command line as lists, files and folders."""

from pathlib import Path


def listed(text: str | None) -> list[str]:
    """Parts of a text that commas separate."""
    return [part.strip() for part in text.split(",") if part.strip()] if text else []


def session_files(paths: list[str]) -> list[str]:
    """Files as they are, folders as the session files in them."""
    files: list[str] = []
    for path in paths:
        inside = sorted(map(str, Path(path).glob("*.h5"))) if Path(path).is_dir() else [path]
        if not inside:
            raise FileNotFoundError(f"Expected session files in '{path}' (there are none).")
        files += inside
    return files


def existing_folder(out: str) -> Path:
    """A file to be written, whose folder must be there."""
    path = Path(out)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"Expected an existing folder for '{path}' (there is no '{path.parent}').")
    return path


def session_file(out: str) -> Path:
    """Where a session may be written: to a new file, or over an older session, but never over anything else."""
    path = existing_folder(out)
    if path.suffix in (".npy", ".npz", ".mat"):
        raise ValueError(f"Expected a session file, which ends in .h5 (got '{path}').")
    if path.exists():
        from synapsnet_pyg.data.session_file import is_session_file

        if not is_session_file(path):
            raise FileExistsError(
                f"'{path}' is there and no session file, so it is not overwritten; choose another name."
            )
    return path


def output_folder(out: str) -> Path:
    """A folder, made if it is not there."""
    from synapsnet_pyg.files import make_folder

    return make_folder(out)
