import numpy as np
import pytest
import torch

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.simulations.edge_truth import EFFECT, NOTHING, SELF, SYNAPSE, edge_truth


def session(response=None, error=None):
    """A chain 0 -> 1 -> 2 -> 3, whose synapses have responses of 0.4, with other entries as given."""
    weights = np.diag([1.0, 1.0, 1.0], k=-1)
    mean = torch.zeros(4, 4, 2)
    mean[[1, 2, 3], [0, 1, 2]] = torch.tensor([0.3, 0.1])
    for place, value in (response or {}).items():
        mean[place] = value
    return Session.from_arrays(
        np.random.default_rng(0).random((4, 9)),
        bin_size=0.1,
        true_connectivity=weights,
        true_response=mean,
        true_response_error=None if error is None else torch.full((4, 4, 2), error),
    )


@pytest.mark.parametrize(
    ("change", "error", "expected"),
    [
        ({}, None, NOTHING),
        ({(2, 0, 1): 0.08}, None, EFFECT),  # above a quarter of 0.3
        ({(2, 0, 1): -0.08}, None, EFFECT),
        ({(2, 0, 1): 0.07}, None, NOTHING),
        ({(2, 0, 0): 0.06, (2, 0, 1): 0.06}, None, EFFECT),  # their sum is above a quarter of 0.4
        ({(2, 0, 1): 0.08}, 0.025, NOTHING),  # three standard errors
        ({(2, 0, 1): 0.08}, 0.015, EFFECT),
    ],
)
def test_an_effect_is_clear_of_noise_and_as_large_as_a_quarter_of_the_median(change, error, expected):
    classes = edge_truth(session(change, error))
    assert classes[2, 0] == expected
    assert classes[1, 0] == classes[2, 1] == classes[3, 2] == SYNAPSE
    assert (classes.diagonal() == SELF).all()
    assert classes[0, 3] == NOTHING


def test_a_weak_synapse_stays_a_synapse_and_no_response_means_no_effects():
    assert edge_truth(session({(1, 0, 0): 0.0, (1, 0, 1): 0.0}))[1, 0] == SYNAPSE
    without = Session.from_arrays(np.random.rand(3, 9), bin_size=1, true_connectivity=np.eye(3, k=1))
    assert (edge_truth(without) == SYNAPSE).sum() == 2
    assert not (edge_truth(without) == EFFECT).any()
    with pytest.raises(ValueError, match="with a true connectivity"):
        edge_truth(Session.from_arrays(np.random.rand(3, 9), bin_size=1))
