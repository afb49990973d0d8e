"""All models of the registry, and the variants of SynapsNet that compute differently, for tests of every model."""

import pytest
from helpers import SMALL

from synapsnet_pyg.models.registry import MODELS

SYNAPSNET = {
    "sparse": {"connectivity": "sparse", "senders": 3},
    "low-rank+sparse": {"connectivity": "low-rank+sparse", "senders": 3},
    "horizon": {"horizon": 3, "modulation": True, "deconvolve": True},
    "likelihood": {"loss": "negative_binomial"},
    "paper": {"linear_path": False},
}
CASES = [
    *(pytest.param(name, SMALL.get(name, {}), id=name) for name in sorted(MODELS)),
    *(pytest.param("synapsnet", arguments, id=f"synapsnet-{name}") for name, arguments in SYNAPSNET.items()),
]
