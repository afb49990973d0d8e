import pytest

from synapsnet_pyg.files import free_memory, require_memory


def test_what_does_not_fit_is_refused_with_its_size():
    require_memory(1000, "a little")
    assert free_memory() > 2**20
    with pytest.raises(ValueError, match=r"all weights to fit into memory \(they need 1048576.0 GiB"):
        require_memory(2**50, "all weights")
