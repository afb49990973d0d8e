import numpy as np
import pytest

from synapsnet_pyg.connectivity.curbd_network import RecurrentNetwork, correlated_noise, normalise

ORACLES = ["curbd.npz", "curbd_interpolated.npz"]


@pytest.mark.parametrize("name", ORACLES)
def test_noise_agrees_with_oracle(oracle, name):
    reference = oracle(name)
    q, per_bin = int(reference["params/dtFactor"]), float(reference["params/dtData"])
    time_constant = float(reference["params/tauWN"]) / per_bin * q
    noise = float(reference["params/ampInWN"]) * correlated_noise(
        reference["white_noise"] / np.sqrt(time_constant), time_constant
    )
    np.testing.assert_allclose(noise, reference["inputWN"], rtol=0, atol=1e-12)


def test_normalised_activity_is_within_the_range_of_a_state():
    activity = np.array([[0.5, 4.0, -6.0]])
    assert normalise(activity).tolist() == [[0.125, 0.999, -0.999]]
    with pytest.raises(ValueError, match="above 0 somewhere"):
        normalise(-np.abs(activity))


def test_changes_that_are_pending_count():
    """A run without learning right after one with learning is that of the new J, whatever was pending."""
    random = np.random.default_rng(0)
    activity, noise = normalise(random.standard_normal((4, 38))), np.zeros((4, 75))
    options = {"plasticity": 1.0, "steps_per_bin": 2, "time_constant": 2.5, "resets": (), "legacy_alignment": False}
    network = RecurrentNetwork(activity, noise, random.standard_normal((4, 4)), **options)
    network.run(learning=True)
    again = RecurrentNetwork(activity, noise, network.J.copy(), **options)
    assert network.run(learning=False) == again.run(learning=False)
    np.testing.assert_array_equal(network.states, again.states)
