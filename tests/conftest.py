import os

if "PYTEST_XDIST_WORKER" in os.environ:  # workers share the cores
    os.environ.setdefault("OMP_NUM_THREADS", "1")

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings

SHARED = Path(__file__).parents[2] / "shared"
ORACLES = Path(os.environ.get("SYNAPSNET_ORACLES", SHARED / "oracles"))
RECORDINGS = Path(os.environ.get("SYNAPSNET_RECORDINGS", SHARED / "data"))

# The same examples on every run and machine, however slow: a failure is a change, never chance.
settings.register_profile("same", derandomize=True, deadline=None)
settings.load_profile("same")


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def oracle() -> Callable[[str], dict[str, np.ndarray]]:
    """Reads a file of reference numbers; skips where there is none."""

    def read(name: str) -> dict[str, np.ndarray]:
        path = ORACLES / name
        if not path.is_file():
            pytest.skip(f"no oracle {path}; set SYNAPSNET_ORACLES")
        with np.load(path, allow_pickle=False) as file:
            return {key: file[key] for key in file.files}

    return read


@pytest.fixture(scope="session")
def recording() -> Callable[[str], Path]:
    """Finds a real recording; skips where there is none."""

    def find(name: str) -> Path:
        path = RECORDINGS / name
        if not path.exists():
            pytest.skip(f"no recording {path}; set SYNAPSNET_RECORDINGS")
        return path

    return find
