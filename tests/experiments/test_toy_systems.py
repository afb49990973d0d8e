import pytest

from synapsnet_pyg.experiments import toy_systems
from synapsnet_pyg.experiments.experiment import LEAST_SQUARES


def test_least_squares_reproduces_what_was_published_of_toys():
    for system in toy_systems.SYSTEMS:
        (score,) = toy_systems._least_squares(system).scores
        published = toy_systems.PUBLISHED[system, LEAST_SQUARES]
        assert score["Spearman"] == pytest.approx(float(published[0]), abs=6e-4)
        assert score["Pearson"] == pytest.approx(float(published[1]), abs=6e-4)
