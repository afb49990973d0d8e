import pytest
import torch
from helpers import make_session


@pytest.fixture
def session():
    return make_session(
        N=4, area=["V1", "V1", "LM", "AL"], position=torch.arange(12.0).view(4, 3), genes=torch.zeros(4, 9)
    )


@pytest.fixture
def connectivity():
    matrix = torch.zeros(4, 4)
    matrix[1, 0], matrix[2, 1], matrix[0, 3], matrix[3, 3] = 0.5, -2.0, 0.1, 9.0  # [receiver, sender]
    return matrix


@pytest.fixture
def edge_fields():
    return {"p_value": torch.rand(4, 4), "sign_agreement": torch.eye(4).bool().logical_not()}


@pytest.fixture
def chain():
    """Neuron a drives neuron b."""
    return make_session(N=2, name="chain", neuron_id=["a", "b"]), torch.tensor([[0.0, 0.0], [0.5, 0.0]])
