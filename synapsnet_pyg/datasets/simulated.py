"""Simulated populations as PyG datasets."""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, ClassVar

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.datasets.recordings import RecordingDataset
from synapsnet_pyg.simulations.calcium import simulate_calcium
from synapsnet_pyg.simulations.neuropixels import simulate_neuropixels
from synapsnet_pyg.simulations.population import simulate_population


class SimulatedPopulation(RecordingDataset):
    """Sessions of :func:`~synapsnet_pyg.simulations.population.simulate_population`, one for each seed.

    Args:
        root: Folder of the set; session files are kept under ``root/processed``.
        seeds: Seeds of the sessions.
        transform: Function applied to a session whenever it is taken.
        **parameters: Other arguments of ``simulate_population``.

    Example:
        >>> dataset = SimulatedPopulation("data/simulated", seeds=range(3), bins=30_000)  # doctest: +SKIP
        >>> dataset[0]  # doctest: +SKIP
        Session('simulated-0', 200 neurons x 30000 bins of 0.0333333 s, 2 behaviours, 1 segment, true graph ...)
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        seeds: Iterable[int] = (0,),
        *,
        transform: Callable[[Session], Session] | None = None,
        **parameters: Any,
    ) -> None:
        self.seeds, self.parameters = list(seeds), parameters
        super().__init__(root, transform=transform)

    def find(self, root: Path) -> dict[str, list[Path]]:
        """Returns one name for each seed."""
        return {f"simulated-{seed}": [] for seed in self.seeds}

    def read(self, name: str, files: list[Path]) -> Session:
        """Simulates one session."""
        return simulate_population(seed=int(name.removeprefix("simulated-")), name=name, **self.parameters)


class SimulatedAnimal(RecordingDataset):
    """Base class of data sets of one simulated animal, whose sessions share connectivity and neurons.

    A subclass sets :attr:`kind` and :attr:`simulate`.
    """

    kind: ClassVar[str]
    """First part of the sessions' names."""
    simulate: ClassVar[Callable[..., Session]]
    """Function of session number, seed and parameters that simulates a session."""

    def __init__(
        self,
        root: str | os.PathLike[str],
        sessions: int = 4,
        *,
        seed: int = 0,
        transform: Callable[[Session], Session] | None = None,
        **parameters: Any,
    ) -> None:
        self.count, self.seed, self.parameters = sessions, seed, parameters
        super().__init__(root, transform=transform)

    def find(self, root: Path) -> dict[str, list[Path]]:
        """Returns one name for each session."""
        return {f"{self.kind}-{self.seed}-{session}": [] for session in range(self.count)}

    def read(self, name: str, files: list[Path]) -> Session:
        """Simulates one session."""
        return type(self).simulate(int(name.rsplit("-", 1)[1]), seed=self.seed, **self.parameters)


class SimulatedCalcium(SimulatedAnimal):
    """Sessions of :func:`~synapsnet_pyg.simulations.calcium.simulate_calcium`, all of one animal.

    Args:
        root: Folder of the set; session files are kept under ``root/processed``.
        sessions: Number of sessions.
        seed: Seed of the animal.
        transform: Function applied to a session whenever it is taken.
        **parameters: Other arguments of ``simulate_calcium``.

    Example:
        >>> dataset = SimulatedCalcium("data/calcium", sessions=4)  # doctest: +SKIP
        >>> dataset[0]  # doctest: +SKIP
        Session('calcium-0-0', 120 neurons x 5160 bins of 0.232558 s, 2 behaviours, 1 segment, true graph ...)
    """

    kind = "calcium"
    simulate = staticmethod(simulate_calcium)


class SimulatedNeuropixels(SimulatedAnimal):
    """Sessions of :func:`~synapsnet_pyg.simulations.neuropixels.simulate_neuropixels`, all of one animal.

    Args:
        root: Folder of the set; session files are kept under ``root/processed``.
        sessions: Number of sessions.
        seed: Seed of the animal.
        transform: Function applied to a session whenever it is taken.
        **parameters: Other arguments of ``simulate_neuropixels``.

    Example:
        >>> dataset = SimulatedNeuropixels("data/neuropixels", sessions=4)  # doctest: +SKIP
        >>> dataset[0]  # doctest: +SKIP
        Session('neuropixels-0-0', 150 neurons x 9000 bins of 0.0333333 s, 1 behaviour, 1 segment, true graph ...)
    """

    kind = "neuropixels"
    simulate = staticmethod(simulate_neuropixels)
