"""Worms of Kato et al. 2015: one MATLAB file with the traces, names and states of five worms."""

from pathlib import Path

import numpy as np

from synapsnet_pyg.intake.behaviours import OnFrames
from synapsnet_pyg.intake.neuron_table import NeuronTable
from synapsnet_pyg.intake.plain import texts
from synapsnet_pyg.intake.recording import Recording, Selection, Traces, literal_blocks
from synapsnet_pyg.readers.array_files import ArrayFile
from synapsnet_pyg.readers.mapped_arrays import keys_of_hdf5
from synapsnet_pyg.readers.reader import Reader, Rows, next_rows

_TOP = "NoStim_Data"

_TRACES, _NAMES, _RATES, _STATES = (f"{_TOP}/{key}" for key in ("deltaFOverF_bc", "NeuronNames", "fps", "States"))


class KatoReader(Reader):
    """File ``NoStim_Data.mat`` (v7.3), which POCO reads as its worms of Zimmer; ``--activity`` is the worm's number.

    A neuron's id is its name, the same in every worm; neurons whose name is a number have none. The states of the worm
    (``States``) are behaviours of zeros and ones.

    References:
        Kato et al. 2015, *Cell* 163, 656
    """

    name = "kato"

    def recognises(self, path: Path) -> bool:
        """Returns True for a file with the traces of several worms."""
        return {"deltaFOverF_bc", "NeuronNames"} <= keys_of_hdf5(path, ".mat").get(_TOP, set())

    def read(self, path: Path, name: str, selection: Selection) -> Recording:
        """Reads one worm.

        Raises:
            ValueError: The file is damaged, the worm is not chosen, or it has no such behaviour.
        """
        with ArrayFile(path) as file:
            traces = file.pieces(_TRACES)
            number = selection.activity
            if number is None or not number.isdecimal() or int(number) >= len(traces):
                known = ", ".join(map(str, range(len(traces))))
                raise ValueError(
                    f"Expected --activity, the number of a worm among {known} in '{path}' (got {number or 'none'})."
                )
            worm = int(number)
            values, rate = traces[worm].T, _rates(file)[worm]
            names = _names(file, worm, len(values))
            known_states = {key: file.pieces(f"{_STATES}/{key}")[worm].ravel() for key in file.children(_STATES)}
        excluded, blocks = literal_blocks(selection.exclude)
        asked = [*selection.events, *blocks, *([selection.intervals] if selection.intervals else [])]
        missing = [key for key in selection.behaviour if key not in known_states] + asked
        if missing:
            raise ValueError(
                f"Expected behaviours among {', '.join(known_states) or 'none'}, and no events or intervals, of "
                f"'{path}' (got {', '.join(missing)})."
            )
        return Recording(
            f"{name}-{worm}",
            Traces(values, bin_size=1 / (selection.frame_rate or rate), label=f"worm {worm} of '{path}'"),
            NeuronTable(len(values), ids=names),
            [OnFrames(key, known_states[key].astype(np.float64)) for key in selection.behaviour],
            excluded=excluded,
            notes=[f"worm {worm} of {len(traces)}, {rate:g} frames a second"],
        )

    def describe(self, path: Path) -> Rows:
        """Describes the worms."""
        with ArrayFile(path) as file:
            rates = _rates(file)
            rows: Rows = []
            for worm, traces in enumerate(file.pieces(_TRACES)):
                names = _names(file, worm, traces.shape[1])
                size = f"{traces.shape[1]} neurons, {sum(map(bool, names))} with a name, {len(traces)} frames"
                rows.append((f"worm {worm}", f"{size} at {rates[worm]:g} Hz"))
            rows.append(("behaviours", ", ".join(file.children(_STATES)) or "none"))
        return [*rows, *next_rows(path, "--activity 0")]


def _rates(file: ArrayFile) -> list[float]:
    """Returns the frames a second of each worm."""
    rates: list[float] = file.numbers(_RATES).ravel().astype(float).tolist()
    if len(rates) != len(file.pieces(_TRACES)) or not all(rate > 0 for rate in rates):
        raise ValueError(f"Expected a frame rate above 0 for each worm in '{_RATES}' of '{file.path}' (got {rates}).")
    return rates


def _names(file: ArrayFile, worm: int, count: int) -> list[str]:
    """Returns the names of a worm's neurons, empty for those that are numbers; a list of names counts by its first."""
    cells = file.pieces(_NAMES)[worm].ravel().tolist()
    first = [np.ravel(cell)[0] if np.size(cell) else "" for cell in cells]
    names = ["" if name.isdecimal() else name for name in texts(first)]
    if len(names) != count:
        raise ValueError(f"Expected {count} names of worm {worm} in '{_NAMES}' of '{file.path}' (got {len(names)}).")
    return names
