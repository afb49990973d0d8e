import numpy as np
import pytest
import torch

from synapsnet_pyg.simulations.zebrafish_integrator import read_wiring, simulate_integrator


@pytest.fixture
def wiring(tmp_path):
    """A file of 24 neurons with a leading eigenvalue of 0.9."""
    random = np.random.default_rng(0)
    weights = random.exponential(1.0, (24, 24)) * (random.random((24, 24)) < 0.2)
    np.fill_diagonal(weights, 0)
    weights *= 0.9 / np.linalg.eigvals(weights).real.max()
    path = tmp_path / "wiring.npz"
    np.savez(path, weight=weights, cell_type=["_Int_", "ABD_m"] * 12)
    return path


def least_squares(session):
    """Returns the weights by least squares on the changes within segments."""
    a, given = session.activity.double().numpy(), session.behaviour.double().numpy()
    first = np.concatenate([np.arange(start, stop - 1) for start, stop in session.segment.tolist()])
    seen = np.hstack([a[:, first].T, given[first]])
    change = (a[:, first + 1] - a[:, first]).T / session.bin_size
    return np.linalg.lstsq(seen, change, rcond=None)[0][: len(a)].T + np.eye(len(a))


def explained(found, session):
    truth = session.true_connectivity.double().numpy()
    return 1 - ((found - truth) ** 2).sum() / ((truth - truth.mean()) ** 2).sum()


def test_least_squares_finds_the_wiring_without_noise_in_the_target(wiring):
    exact = simulate_integrator(400, wiring=wiring, noise_free_target=True)
    assert len(exact.segment) == 200
    assert explained(least_squares(exact), exact) > 0.999
    noisy = simulate_integrator(4000, wiring=wiring)
    assert explained(least_squares(noisy), noisy) < 0.999


def test_pulses_are_remembered(wiring):
    session = simulate_integrator(3000, wiring=wiring, noise=0.0, pulses=0.01, bin_size=0.2)
    weights = read_wiring(wiring)[0]
    values, vectors = np.linalg.eig(weights)
    leading = vectors[:, values.real.argmax()].real
    along = session.activity.double().numpy().T @ leading
    still = np.flatnonzero((session.behaviour[:-1, 0] == 0).numpy() & (np.abs(along[:-1]) > 1e-3))
    ratio = along[still + 1] / along[still]
    assert np.median(ratio) == pytest.approx(1 - 0.2 * 0.1, abs=1e-3)


@pytest.mark.parametrize("substeps", [1, 3])
def test_response_is_that_of_a_push(wiring, substeps):
    session = simulate_integrator(10, wiring=wiring, substeps=substeps, response=True, horizon=2)
    weights = read_wiring(wiring)[0]
    expected = np.zeros((24, 2))
    for offset in range(substeps):
        state = np.eye(24)[5]
        for later in range(offset, 2 * substeps):
            if (later + 1) % substeps == 0:
                expected[:, later // substeps] += state / substeps
            state = state + 0.1 / substeps * (weights @ state - state)
    assert session.true_response[:, 5].numpy() == pytest.approx(expected, abs=1e-6)
    assert session.true_response_error.max() < 1e-3


def test_the_same_seed_makes_the_same_session_and_a_part_is_a_part(wiring):
    whole, again, part = (simulate_integrator(40, 3, wiring=wiring, recorded=r, response=True) for r in (None, None, 6))
    assert torch.equal(whole.activity, again.activity)
    rows = [int(one.split("/")[1]) for one in part.neuron_id]
    for one, other in ((part.true_connectivity, whole.true_connectivity), (part.true_response, whole.true_response)):
        assert torch.equal(one, other[rows][:, rows])
    assert torch.equal(part.activity, whole.activity[rows])
    assert set(whole.cell_type) == {"Int", "ABD_m"}


def test_refuses_other_files_and_numbers(wiring, tmp_path):
    with pytest.raises(FileNotFoundError):
        simulate_integrator(5, wiring=tmp_path / "none.npz")
    np.savez(tmp_path / "other.npz", weights=np.eye(3))
    with pytest.raises(ValueError, match=r"'weight' .* \(got weights\)"):
        simulate_integrator(5, wiring=tmp_path / "other.npz")
    np.savez(tmp_path / "objects.npz", weight=np.array([[None]]))
    with pytest.raises(ValueError, match="pickle"):
        simulate_integrator(5, wiring=tmp_path / "objects.npz")
    with pytest.raises(ValueError, match="neurons <= 24"):
        simulate_integrator(5, wiring=wiring, neurons=25)
    assert simulate_integrator(5, wiring=wiring, neurons=7, recorded=3).num_neurons == 3
    with pytest.raises(ValueError, match="even number"):
        simulate_integrator(5, wiring=wiring, noise_free_target=True)
    with pytest.raises(ValueError, match="substeps >= 1"):
        simulate_integrator(5, wiring=wiring, substeps=0)


def test_real_wiring(recording):
    path = recording("connectome-rate-networks/zebrafish_oculomotor.npz")
    weights, cell_type = read_wiring(path)
    assert weights.shape == (609, 609)
    assert np.count_nonzero(weights) == 6487
    assert np.linalg.eigvals(weights).real.max() == pytest.approx(0.9, abs=1e-3)
    assert set(cell_type) == {"ABD_i", "ABD_m", "Axl", "DOs", "Int", "vSPNs"}
    session = simulate_integrator(2600, wiring=path, noise_free_target=True)
    assert explained(least_squares(session), session) > 0.999
