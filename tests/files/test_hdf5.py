import numpy as np
import pytest

from synapsnet_pyg.files import writing
from synapsnet_pyg.files.hdf5 import atomic_hdf5


def test_a_long_write_learns_in_between_that_the_disk_is_full(tmp_path, monkeypatch):
    def refused(*_):
        raise OSError(28, "No space left on device")

    def write():
        with atomic_hdf5(tmp_path / "a.h5", "synapsnet test") as (file, check):
            file["values"] = np.arange(1000)
            file.flush()
            check()
            pytest.fail("asked and not told")

    monkeypatch.setattr(writing._LateErrors, "_write", refused)
    with pytest.raises(OSError, match="No space left on the disk of"):
        write()
    assert not list(tmp_path.iterdir())
