import numpy as np
import pytest

from synapsnet_pyg.connectivity.region_currents import region_currents


@pytest.mark.parametrize("name", ["curbd.npz", "curbd_interpolated.npz"])
def test_currents_agree_with_oracle(oracle, name):
    reference = oracle(name)
    currents = region_currents(reference["J"], reference["RNN"], [str(r) for r in reference["region_of_neuron"]])
    for (receiving, sending), current in currents.items():
        agree(current.total, reference[f"region_current/target{receiving}_source{sending}"], 1e-10)
        agree(current.excitatory + current.inhibitory, current.total, 1e-12)
        members = [reference["region_of_neuron"] == int(region) for region in (receiving, sending)]
        weights = reference["J"][np.ix_(*members)]
        agree(current.inhibitory, np.where(weights < 0, weights, 0) @ reference["RNN"][members[1]], 1e-12)


def agree(ours, expected, tolerance):
    np.testing.assert_allclose(ours, expected, rtol=0, atol=tolerance * max(1, np.abs(expected).max()))


def test_refuses_another_number_of_regions():
    with pytest.raises(ValueError, match="one region for each of the 3"):
        region_currents(np.zeros((3, 3)), np.zeros((3, 20)), ["V1"])
