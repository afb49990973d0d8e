import numpy as np

from synapsnet_pyg.report.figure import evenly_chosen


def test_neurons_of_a_large_population_are_chosen_evenly():
    assert evenly_chosen(np.arange(700)).tolist() == list(range(0, 700, 3))
