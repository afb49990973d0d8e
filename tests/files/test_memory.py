import subprocess
import sys

import pytest

from synapsnet_pyg.files import free_memory, require_memory


def test_what_does_not_fit_is_refused_with_its_size():
    require_memory(1000, "a little")
    assert free_memory() > 2**20
    with pytest.raises(ValueError, match=r"all weights to fit into memory \(they need 1048576.0 GiB"):
        require_memory(2**50, "all weights")


RESIDENT = """
import pathlib, numpy
from synapsnet_pyg.files.memory import return_freed_memory
def resident():
    return int(pathlib.Path("/proc/self/statm").read_text().split()[1]) * 4096
return_freed_memory()
before = resident()
numpy.ones(2**21)  # 16 MB: without the call the C library keeps such arrays from now on
large, small = [numpy.ones(2**20) for _ in range(8)], []
for _ in range(8):
    large.pop()
    small.append(numpy.ones(2**14))
print(resident() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only there is freed memory kept")
def test_freed_arrays_are_returned():
    command = [sys.executable, "-c", RESIDENT]
    left = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert left < 8 * 2**20  # one megabyte of small arrays is in use, of 64
