"""Simulated populations as PyG datasets."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, ClassVar

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.datasets.recordings import Recordings
from synapsnet_pyg.simulations.calcium import simulate_calcium
from synapsnet_pyg.simulations.neuropixels import simulate_neuropixels
from synapsnet_pyg.simulations.population import simulate


class SimulatedPopulation(Recordings):
    """Sessions of :func:`simulate`, one a seed.

    Args:
        root: Folder of the set; session files are kept under ``root/processed``.
        seeds: One session each.
        transform: Applied to a session whenever it is taken.
        **laws: Arguments of :func:`simulate`; other laws make other files.

    Example:
        >>> dataset = SimulatedPopulation("data/simulated", seeds=range(3), bins=30_000)  # doctest: +SKIP
        >>> dataset[0]  # doctest: +SKIP
        Session('simulated-0', 200 neurons x 30000 bins of 0.0333333 s, 2 behaviours, 1 segment, true graph ...)
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        seeds: Iterable[int] = (0,),
        transform: Callable[[Session], Session] | None = None,
        **laws: Any,
    ) -> None:
        self.seeds, self.laws = list(seeds), laws
        super().__init__(root, transform=transform)

    def find(self, root: Path) -> dict[str, list[Path]]:
        """One session a seed."""
        return {f"simulated-{seed}": [] for seed in self.seeds}

    def read(self, name: str, files: list[Path]) -> Session:
        """Simulates."""
        return simulate(seed=int(name.removeprefix("simulated-")), name=name, **self.laws)


class SimulatedAnimal(Recordings):
    """Sessions of one simulated animal, which share wiring and neurons; a subclass says by which law."""

    kind: ClassVar[str]
    law: ClassVar[Callable[..., Session]]

    def __init__(
        self,
        root: str | os.PathLike[str],
        sessions: int = 4,
        seed: int = 0,
        transform: Callable[[Session], Session] | None = None,
        **laws: Any,
    ) -> None:
        self.count, self.seed, self.laws = sessions, seed, laws
        super().__init__(root, transform=transform)

    def find(self, root: Path) -> dict[str, list[Path]]:
        """One a session."""
        return {f"{self.kind}-{self.seed}-{session}": [] for session in range(self.count)}

    def read(self, name: str, files: list[Path]) -> Session:
        """Simulates."""
        return type(self).law(int(name.rsplit("-", 1)[1]), seed=self.seed, **self.laws)


class SimulatedCalcium(SimulatedAnimal):
    """Sessions of :func:`simulate_calcium`, all of one animal.

    Args:
        root: Folder of the set; session files are kept under ``root/processed``.
        sessions: How many.
        seed: Of the animal.
        transform: Applied to a session whenever it is taken.
        **laws: Other arguments of :func:`simulate_calcium`.

    Example:
        >>> dataset = SimulatedCalcium("data/calcium", sessions=4)  # doctest: +SKIP
        >>> dataset[0]  # doctest: +SKIP
        Session('calcium-0-0', 120 neurons x 5160 bins of 0.232558 s, 2 behaviours, 1 segment, true graph ...)
    """

    kind = "calcium"
    law = staticmethod(simulate_calcium)


class SimulatedNeuropixels(SimulatedAnimal):
    """Sessions of :func:`simulate_neuropixels`, all of one animal.

    Args:
        root: Folder of the set; session files are kept under ``root/processed``.
        sessions: How many.
        seed: Of the animal.
        transform: Applied to a session whenever it is taken.
        **laws: Other arguments of :func:`simulate_neuropixels`.

    Example:
        >>> dataset = SimulatedNeuropixels("data/neuropixels", sessions=4)  # doctest: +SKIP
        >>> dataset[0]  # doctest: +SKIP
        Session('neuropixels-0-0', 150 neurons x 9000 bins of 0.0333333 s, 1 behaviour, 1 segment, true graph ...)
    """

    kind = "neuropixels"
    law = staticmethod(simulate_neuropixels)
