"""Two-photon calcium imaging with transcriptomic cell types (Bugeon et al. 2022)."""

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.datasets.bugeon_runs import BEHAVIOUR, behaviour_of, of_one_rate, read_run, states_of
from synapsnet_pyg.datasets.download import figshare
from synapsnet_pyg.datasets.recordings import LeftOutError, RecordingDataset, listed, require_folder
from synapsnet_pyg.intake.neuron_table import MICROMETRES, NeuronTable
from synapsnet_pyg.intake.notes import warn
from synapsnet_pyg.intake.plain import texts
from synapsnet_pyg.intake.recording import Recording, Traces
from synapsnet_pyg.readers.mapped_arrays import mapped_numbers
from synapsnet_pyg.readers.reader import walk

STIMULI = {"natural scenes": "Natural Scenes", "drifting gratings": "Drifting Gratings", "spontaneous": "Blank"}
"""Name of a stimulus -> name of its folder."""

_STATES = ("running", "stationary desynchronised", "stationary synchronised")
"""Names of the states by their number, where no file names them."""


class Bugeon(RecordingDataset):
    """Calcium activity of mouse V1: 4 mice, 17 sessions, 178 to 868 neurons each, about 4.3 frames a second.

    The folder has the files ``<mouse>/<date>/<stimulus folder>/<run>/frame.neuralActivity.npy`` and others beside them,
    as unpacked from figshare 19448531; the folder of one mouse or of one date may be given too. Frames are bins; the
    runs of a stimulus are segments of one session.

    - *Behaviour* has its own clocks and is interpolated at the frames. Blinks (NaN in the pupil) are filled with a
      warning. A behaviour that a run lacks is marked as not recorded there, with a warning.
    - *Neuron ids* are ``"<mouse>/<id>"`` for a finite ``neuron.UniqueID``, which stands for the same neuron in all
      sessions of the mouse. A neuron with NaN there belongs to one session only.
    - *Neuron fields* are ``cell_type``, ``subclass`` (the cell type before the first ``-``), ``ei`` (``E`` for subclass
      EC, ``I`` for others, empty without a type), ``position`` (x, y of the reference stack and depth, micrometres),
      ``depth`` and ``plane``.
    - Runs with another number of neurons or another frame rate than the session, and neurons that hold NaN, are left
      out with a warning.

    Args:
        root: Folder of the mice, of one mouse, or of one date.
        stimulus: One or several of ``"natural scenes"``, ``"drifting gratings"`` and ``"spontaneous"``. Sessions
            without any of them are left out.
        behaviour: Some of ``"running speed"``, ``"pupil size"``, ``"gaze x"`` and ``"gaze y"``.
        states: Whether to add behaviours that indicate the brain state of each frame by 0 and 1: running, stationary
            desynchronised, stationary synchronised, and any other that occurs.
        gene_counts: Whether to add the neuron field ``gene_count`` (N, genes).
        sessions: Names of sessions, such as ``"SB025-2019-10-23"``, or ends of names, see
            :class:`~synapsnet_pyg.datasets.recordings.RecordingDataset`.
        processed: Folder of the session files. None: ``root/processed``.
        jobs: Number of processes that read at once.
        transform: Function applied to each session that is taken from the data set.

    Raises:
        FileNotFoundError: There is no session, or a file is missing.
        ValueError: A file is damaged or has a wrong shape; the message names it.

    References:
        Bugeon et al., "A transcriptomic axis predicts state modulation of cortical interneurons", Nature 607 (2022).

    Example:
        >>> Bugeon("data/bugeon", stimulus="spontaneous")[0]  # doctest: +SKIP
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        stimulus: str | Sequence[str] = "natural scenes",
        *,
        behaviour: Sequence[str] = ("running speed", "pupil size"),
        states: bool = False,
        gene_counts: bool = False,
        sessions: Iterable[str] | None = None,
        processed: str | os.PathLike[str] | None = None,
        jobs: int = 1,
        transform: Callable[[Session], Session] | None = None,
    ) -> None:
        self.stimuli, self.behaviour = listed(stimulus), listed(behaviour)
        for label, names, known in (("stimuli", self.stimuli, STIMULI), ("behaviours", self.behaviour, BEHAVIOUR)):
            if not set(names) <= set(known):
                raise ValueError(f"Expected {label} among {', '.join(known)} (got {', '.join(names)}).")
        self.states, self.gene_counts = states, gene_counts
        super().__init__(root, sessions, processed=processed, jobs=jobs, transform=transform)

    @staticmethod
    def find(root: Path) -> dict[str, list[Path]]:
        """Returns the files of every mouse and date with a run."""
        require_folder(root, "fetch it with Bugeon.download(root) or 'synapsnet download bugeon'")
        runs: dict[Path, list[Path]] = {}
        for path in walk(root):
            if path.name == "frame.neuralActivity.npy":
                runs.setdefault(path.absolute().parents[2], []).append(path.absolute().parent)
        sources: dict[str, list[Path]] = {}
        for date, own in runs.items():
            files = [path for folder in (date, *own) for path in sorted(folder.iterdir()) if not path.is_dir()]
            names, name = _names_of_states(date), f"{date.parent.name}-{date.name}"
            if name in sources:
                warn(f"'{date}' is left out: '{sources[name][0].parent}' is session {name} too.")
            sources.setdefault(name, files + ([names] if names else []))
        return sources

    def read(self, name: str, files: list[Path]) -> Session:
        """Reads the runs of one session."""
        all_runs = [path.parent for path in files if path.name == "frame.neuralActivity.npy"]
        folders = [run for stimulus in self.stimuli for run in all_runs if run.parent.name == STIMULI[stimulus]]
        if not folders:
            raise LeftOutError(f"it has no {' or '.join(self.stimuli)}")
        date = folders[0].parents[1]
        types = _types(date, folders)
        found = [run for run in (read_run(folder, len(types)) for folder in folders) if run is not None]
        if not found:
            raise LeftOutError(f"no run has the {len(types)} neurons of 'neuron.ttype.txt'")
        if not any(np.isfinite(run.activity).any() for run in found):
            raise LeftOutError("every 'frame.neuralActivity.npy' holds NaN only")
        runs = of_one_rate(found)
        behaviours = [behaviour_of(runs, behaviour) for behaviour in self.behaviour]
        behaviours += states_of(runs, _state_names(date)) if self.states else []
        lengths = [len(run.clock.times) for run in runs]
        first = np.cumsum([0, *lengths])
        traces = Traces(
            np.concatenate([run.activity for run in runs], axis=1),
            bin_size=float(np.median([run.clock.bin_size for run in runs])),
            border=np.concatenate([run.clock.segment + start for run, start in zip(runs, first, strict=False)]),
            label=f"the frames of '{date}'",
        )
        neurons = NeuronTable(
            len(types), ids=_ids(date, len(types)), columns=self._fields(date, types), position_unit=MICROMETRES
        )
        notes = [f"{len(runs)} of {len(folders)} runs of {' and '.join(self.stimuli)}"]
        return Session.from_recording(Recording(name, traces, neurons, behaviours=behaviours, notes=notes))

    def _fields(self, date: Path, types: list[str]) -> dict[str, np.ndarray]:
        """Reads the fields of the neurons of a session."""
        N = len(types)
        subclass = [name.split("-")[0] for name in types]
        fields: dict[str, np.ndarray] = {
            "cell_type": np.array(types, dtype=np.str_),
            "subclass": np.array(subclass, dtype=np.str_),
            "ei": np.array([name and ("E" if name == "EC" else "I") for name in subclass], dtype=np.str_),
        }
        for field, stem in (("depth", "neuron.depth"), ("plane", "neuron.plane")):
            if (date / f"{stem}.npy").is_file():
                fields[field] = _per_neuron(date / f"{stem}.npy", N)
        for field, stem, least in (("position", "stackPosCorrected", 2), ("gene_count", "gene_count", 1)):
            path = date / f"neuron.{stem}.npy"
            if (field == "gene_count" and not self.gene_counts) or (field == "position" and not path.is_file()):
                continue
            table = np.asarray(mapped_numbers(path, 2))
            if len(table) != N or table.shape[1] < least:
                raise ValueError(f"Expected a row for each of {N} neurons in '{path}' (got shape {list(table.shape)}).")
            depth = fields.get("depth", np.full(N, np.nan))
            fields[field] = np.column_stack([table[:, :2], depth]) if field == "position" else table
        return fields

    @classmethod
    def download(cls, root: str | os.PathLike[str], sessions: Iterable[str] = (), *, source: str | None = None) -> None:
        """Fetches and unpacks figshare 19448531 with a progress bar; an interrupted download continues.

        Args:
            root: Folder to fill.
            sessions: Unused, since the archives hold all sessions.
            source: Unused; figshare is the only source.

        Raises:
            OSError: figshare cannot be reached; the message describes a download by hand.
            ValueError: A file differs from the published one.
        """
        figshare(19448531, Path(root))


def _types(date: Path, runs: list[Path]) -> list[str]:
    """Reads the type of each neuron; an empty line is an unknown type, also the last one.

    The number of neurons is that of the files beside it, or of the runs, if it lies between the lines up to the last
    type and all lines.
    """
    path = date / "neuron.ttype.txt"
    lines = _lines(path)
    fewest = max((i + 1 for i, line in enumerate(lines) if line.strip()), default=0)
    beside = [date / f"neuron.{stem}.npy" for stem in ("UniqueID", "depth", "plane")]
    sizes = [mapped_numbers(file).size for file in beside if file.is_file()]
    for run in runs:
        shape = mapped_numbers(run / "frame.neuralActivity.npy").shape
        sizes += [shape[1]] if len(shape) == 2 else []
    count = next((size for size in sizes if fewest <= size <= len(lines) + 1), fewest)
    return texts(np.array([*lines, ""][:count], dtype=np.str_))


def _lines(path: Path) -> list[str]:
    """Reads the lines of a text file."""
    if not path.is_file():
        link = f"a link to '{path.readlink()}', which is not there" if path.is_symlink() else "there is none"
        raise FileNotFoundError(f"Expected the file '{path}' ({link}).")
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise ValueError(f"Expected a text in UTF-8 in '{path}' (got other bytes).") from None


def _names_of_states(date: Path) -> Path | None:
    """Returns the file with the names of the states: above the mice, or in a folder below."""
    places = (date.parents[1], date.parent, date)
    return next((path for place in places if (path := place / "states.names.txt").is_file()), None)


def _state_names(date: Path) -> list[str]:
    """Returns the names of the states by their number."""
    path = _names_of_states(date)
    lines = [line.strip() for line in _lines(path)] if path else []
    return lines if len(lines) >= len(_STATES) and all(lines) else list(_STATES)


def _ids(date: Path, N: int) -> list[str]:
    """Returns the id of each of N neurons; an empty text where it has none."""
    path = date / "neuron.UniqueID.npy"
    if not path.is_file() and not path.is_symlink():
        warn(f"'{date}' has no neuron.UniqueID.npy: its neurons are taken as new.")
        return [""] * N
    unique = _per_neuron(path, N)
    # 17 digits distinguish all whole numbers that a float can hold.
    return [f"{date.parent.name}/{number:.17g}" if number >= 0 else "" for number in unique.tolist()]


def _per_neuron(path: Path, N: int) -> np.ndarray:
    """Reads a number for each neuron [N] from an array (N) or (N, 1)."""
    values = np.asarray(mapped_numbers(path))
    if values.size != N:
        raise ValueError(
            f"Expected {N} numbers in '{path}', as many as lines in 'neuron.ttype.txt' "
            f"(got {values.dtype} {list(values.shape)})."
        )
    return values.ravel().astype(np.float64)
