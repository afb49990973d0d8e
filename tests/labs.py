"""Folders as sorters leave them, small."""

from pathlib import Path

import numpy as np


def write_phy(folder: Path, spikes: int = 400, groups: tuple[str, ...] = ("good", "noise", "mua")) -> Path:
    """Spikes of 20 s in clusters with labels."""
    random = np.random.default_rng(3)
    folder.mkdir(parents=True)
    np.save(folder / "spike_times.npy", np.sort(random.integers(0, 30_000 * 20, spikes)))
    np.save(folder / "spike_clusters.npy", random.integers(0, len(groups), spikes))
    (folder / "params.py").write_text("sample_rate = 30000.\n")
    rows = "".join(f"{i}\t{group}\n" for i, group in enumerate(groups))
    (folder / "cluster_group.tsv").write_text(f"cluster_id\tgroup\n{rows}")
    return folder
