import json
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from synapsnet_pyg.nn.dynamics import Dynamics

SCRIPT = Path(__file__).parents[1] / "triton_gru_on_cpu.py"
needs_triton = pytest.mark.skipif(find_spec("triton") is None, reason="needs Triton, the extra 'gpu' (290 MB)")


@needs_triton
def test_kernels_equal_the_definition_gradients_included():
    """Interpreted on the CPU; all sizes differ and none is a power of two but one, the largest."""
    environment = {**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, SCRIPT], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    distances = json.loads(done.stdout)
    assert len(distances) == 6
    for case, values in distances.items():
        assert max(values) < (1e-2 if case == "half" else 2e-6), (case, values)
        assert max(values) > 0, "two ways to compute, not one"


@needs_triton
@pytest.mark.parametrize(("hidden_size", "behaviours", "kernel"), [(40, 3, True), (64, 30, True), (65, 3, False),
                                                                   (40, 31, False)])  # fmt: skip
def test_sizes_that_fit_on_the_chip_have_a_kernel(monkeypatch, hidden_size, behaviours, kernel):
    dynamics, gpu = Dynamics(2, behaviours, 4, hidden_size=hidden_size), torch.device("cuda")
    for capability, enough in (((9, 0), True), ((8, 9), False)):
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _, capability=capability: capability)
        assert dynamics._has_kernel(gpu, torch.zeros(5, 4)) == (kernel and enough)


def test_another_device_computes_by_the_definition():
    assert not Dynamics(2, 3, 4)._has_kernel(torch.device("meta"), torch.zeros(5, 4))


@needs_triton
@pytest.mark.slow
@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("name", ["_forward", "_backward"])
def test_kernels_of_the_largest_sizes_compile_for_an_h100(name, half, tmp_path):
    from triton import knobs
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource, compile

    from synapsnet_pyg.nn import triton_gru

    kernel = getattr(triton_gru, name)
    fixed = {"UNITS": 64, "COLUMNS": 32, "BLOCK": triton_gru._SEQUENCES, "MASKED": True, "KEEP": True, "HALF": half}
    fixed = {key: value for key, value in fixed.items() if key in kernel.arg_names}
    types = {key: "constexpr" if key in fixed else "i32" if key in "SNLPCH" else "*fp32" for key in kernel.arg_names}
    numbers = {(kernel.arg_names.index(key),): value for key, value in fixed.items()}
    options = {"num_warps": triton_gru._WARPS, "enable_fp_fusion": True}
    compiled = compile(ASTSource(kernel, types, numbers), target=GPUTarget("cuda", 90, 32), options=options)
    assert compiled.metadata.shared <= triton_gru.SHARED
    cubin = tmp_path / "kernel.cubin"
    cubin.write_bytes(compiled.asm["cubin"])
    command = [knobs.nvidia.cuobjdump.path, "--dump-resource-usage", cubin]
    usage = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert int(re.search(r"STACK:(\d+)", usage)[1]) <= 64, "registers hold all numbers but a few"
