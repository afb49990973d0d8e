import numpy as np
import pytest
import torch
from helpers import make_session
from scipy.io import loadmat, savemat

from synapsnet_pyg.results.connectivity_files import read_connectivity, save_connectivity


def test_ids_are_cells_and_the_orientation_is_written_down(session, connectivity, edge_fields, tmp_path):
    path = save_connectivity(session, connectivity, tmp_path, format="mat", edge_fields=edge_fields)
    file = loadmat(path)
    assert file["neuron_id"].dtype == object
    assert file["neuron_id"].shape == (4, 1)
    assert [cell.item() for cell in file["neuron_id"].ravel()] == session.neuron_id
    assert file["orientation"].item().startswith("[receiver, sender]")
    assert file["session"].item() == "demo"
    for key, column in session.neuron_columns.items():
        assert [value.item() for value in file[f"neuron_{key}"].ravel()] == column
    assert np.array_equal(file["connectivity"], connectivity.numpy())
    assert np.array_equal(file["p_value"], edge_fields["p_value"].numpy())


def test_a_sparse_matrix_is_lists_that_count_from_one(session, connectivity, tmp_path):
    sparse = connectivity.to_sparse()
    path = save_connectivity(session, sparse, tmp_path, format="mat", edge_fields={"p_value": sparse})
    file = loadmat(path)
    edges = {tuple(edge) for edge in np.hstack([file["sender"], file["receiver"]]).tolist()}
    assert edges == {(1, 2), (2, 3), (4, 1), (4, 4)}  # a neuron's own weight is kept
    assert np.array_equal(file["weight"], file["p_value"])
    back = read_connectivity(path, session)
    assert torch.equal(back.to_dense() if back.is_sparse else back, connectivity)


def test_other_files_of_matlab_are_refused(session, tmp_path):
    path = tmp_path / "other.mat"
    ids = np.array([["a"], ["b"]], dtype=object)
    for variables, message in (
        ({"x": 1}, "Expected a connectivity of MATLAB"),
        ({"neuron_id": ids}, "connectivity"),
        ({"neuron_id": ids, "connectivity": np.eye(3)}, "of 2 neurons"),
        ({"neuron_id": ids, "sender": [0], "receiver": [1], "weight": [1.0]}, "from 1 to 2"),
        ({"neuron_id": 7, "connectivity": np.eye(1)}, "Expected a connectivity of MATLAB"),
    ):
        savemat(path, variables)
        with pytest.raises(ValueError, match=message):
            read_connectivity(path, session)


def test_a_single_neuron_comes_back(tmp_path):
    session = make_session(N=1)
    path = save_connectivity(session, torch.tensor([[0.5]]), tmp_path, format="mat")
    assert read_connectivity(path, session).tolist() == [[0.5]]
