"""The connectivity of a run's sessions with what each edge is worth, and its files."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from synapsnet_pyg.analysis.ensemble import ensemble
from synapsnet_pyg.analysis.identifiability import identifiability
from synapsnet_pyg.analysis.significance import edge_significance
from synapsnet_pyg.files import make_folder
from synapsnet_pyg.results.connectivity_files import save_connectivity
from synapsnet_pyg.results.graphs import strongest
from synapsnet_pyg.runs.run import Run


class Believed(NamedTuple):
    """A connectivity and what is known of its edges."""

    connectivity: Tensor
    """[N, N]."""
    fields: dict[str, Tensor]
    """Name -> [N, N], what stands beside each weight; ``q_value`` among them after a test."""
    text: str = ""
    """What the recording cannot tell, after a test."""

    def called(self, rate: float) -> Tensor:
        """The weights of the edges that a false discovery rate of ``rate`` leaves, all others zero."""
        return torch.where(self.fields["q_value"] <= rate, self.connectivity, 0.0)


def connectivities(runs: Sequence[Run], significance: bool = False, shifts: int = 100) -> dict[str, Believed]:
    """What runs found of each session.

    Args:
        runs: One, or several of the same sessions from other seeds, whose mean is taken.
        significance: Whether to test every edge, of the first run's model.
        shifts: For the test.

    Raises:
        ValueError: The runs are not of the same sessions, or a session is too short for the test.
    """
    first = runs[0]
    for other in runs[1:]:
        if {n: s.fingerprint for n, s in other.sessions.items()} != {
            n: s.fingerprint for n, s in first.sessions.items()
        }:
            raise ValueError(
                f"Expected runs of the same sessions ('{other.folder}' has {', '.join(other.sessions)}, "
                f"'{first.folder}' {', '.join(first.sessions)})."
            )
    found = {}
    for name, split in first.split().items():
        matrices = [run.model.connectivity(split.train).detach() for run in runs]
        connectivity, text = matrices[0], ""
        fields: dict[str, Tensor] = {}
        if len(runs) > 1:
            connectivity, deviation, agreement = ensemble(matrices)
            fields |= {"seed_deviation": deviation, "sign_agreement": agreement}
        if significance:
            tested = edge_significance(
                first.model, split.train, shifts, targets=first.targets, connectivity=matrices[0]
            )
            names = ("weight", "error", "p_value", "q_value", "probability", "sign_stability")
            values = {("effect" if key == "weight" else key): getattr(tested, key) for key in names}
            fields["learned"], connectivity = connectivity, tested.believed.nan_to_num()
            fields |= {
                key: value.nan_to_num(1.0 if key in ("p_value", "q_value") else 0.0) for key, value in values.items()
            }
            calls, pairs = int(tested.edges().sum()), connectivity.numel() - len(connectivity)
            text = f"{calls} of {pairs} pairs are edges at a false discovery rate of 5 %. "
            text += identifiability(split.train, tested).text
        found[name] = Believed(connectivity, fields, text)
    return found


def save_connectivities(
    run: Run,
    found: Mapping[str, Believed],
    folder: Path,
    formats: Sequence[str],
    threshold: float = 0.0,
    top_k: int | None = None,
    rate: float | None = None,
) -> list[str]:
    """Writes every session's connectivity in every format, and tells each file in a line.

    Args:
        run: Whose sessions they are.
        found: Session name -> what was found.
        folder: Made if it is not there.
        formats: Of :data:`~synapsnet_pyg.results.connectivity_files.FORMATS`.
        threshold: Leave edges of smaller absolute weight out of tables and graphs.
        top_k: Keep only this many strongest edges there.
        rate: Keep only edges of this false discovery rate there.

    Raises:
        ValueError: ``threshold`` or ``top_k`` is out of range.
    """
    kept = {
        name: strongest(one.connectivity if rate is None else one.called(rate), threshold, top_k)
        for name, one in found.items()
    }
    lines = []
    for name, (connectivity, fields, text) in found.items():
        for one in formats:
            whole = one == "npz"
            matrix = connectivity if whole else kept[name]
            path = save_connectivity(run.sessions[name], matrix, make_folder(folder), one, edge_fields=fields)
            edges = "all weights" if whole else f"{int(kept[name].count_nonzero())} edges"
            lines.append(f"written to {path}: {edges}")
        if text:
            lines.append(f"{name}: {text}")
    return lines
