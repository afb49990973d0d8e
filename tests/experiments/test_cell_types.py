import numpy as np
import pytest

from synapsnet_pyg.experiments.cell_types import from_type_to_type
from synapsnet_pyg.simulations.cell_types import CELL_TYPES, STRENGTH, simulate_cell_types


def test_types_are_averaged_over_true_edges_alone():
    session = simulate_cell_types(bins=20, neurons=60, seed=1)
    truth = session.true_connectivity
    found = from_type_to_type(truth + 5.0 * (truth == 0), session)
    for g, receiver in enumerate(CELL_TYPES):
        for h, sender in enumerate(CELL_TYPES):
            weights = [
                float(truth[i, j])
                for i in range(60)
                for j in range(60)
                if session.cell_type[i] == receiver and session.cell_type[j] == sender and truth[i, j] != 0
            ]
            assert found[g, h] == pytest.approx(np.mean(weights) if weights else 0.0, abs=1e-6)
    assert found.shape == STRENGTH.shape
