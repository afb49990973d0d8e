import os
import subprocess
import sys

import numba
import numpy as np
import pytest

from synapsnet_pyg.nn import gate_loops
from synapsnet_pyg.nn.gate_loops import _sigmoid_row


def sigmoid(values):
    row = np.asarray(values, dtype=np.float32).copy()
    _sigmoid_row(row, np.zeros_like(row))
    return row


def test_sigmoid_is_right_to_two_roundings_wherever_it_is_not_tiny():
    x = np.concatenate([np.linspace(-86, 30, 1_000_003), np.random.default_rng(0).normal(size=100_000)])
    x = x.astype(np.float32).astype(np.float64)
    right = 1 / (1 + np.exp(-x))
    assert np.abs(sigmoid(x) / right - 1).max() < 2.5e-7
    assert np.abs(sigmoid(x) - right).max() < 1.5e-7


@pytest.mark.parametrize("length", [1, 7, 8, 64, 65])  # loops of vectors have a rest
def test_sigmoid_of_extreme_values(length):
    for value, right in ((np.inf, 1), (-np.inf, 0), (3e38, 1), (-3e38, 0), (1e-40, 0.5), (0, 0.5)):
        np.testing.assert_allclose(sigmoid([value] * length), right, atol=1e-37)
    assert np.isnan(sigmoid([np.nan] * length)).all()
    row = sigmoid([0.0] * (length - 1) + [np.nan])
    assert np.isnan(row[-1])
    assert (row[:-1] == 0.5).all()


def test_a_value_does_not_depend_on_its_place():
    x = np.random.default_rng(1).normal(size=67).astype(np.float32)
    whole = sigmoid(x)
    np.testing.assert_array_equal(np.concatenate([sigmoid([value]) for value in x]), whole)


@pytest.mark.parametrize(
    "name", ["_sigmoid_row", "_candidate_row", "_state_row", "_add_product", "_gradient_row", "_reset_gradient_row"]
)
def test_rows_are_computed_as_vectors(name):
    """Otherwise they take several times as long."""
    function = numba.njit(fastmath={"contract"}, error_model="numpy")(getattr(gate_loops, name).py_func)
    names = function.py_func.__code__.co_varnames[: function.py_func.__code__.co_argcount]
    function(*(np.float32(1) if n in ("bias", "factor") else np.ones(8, np.float32) for n in names))
    assert " x float>" in next(iter(function.inspect_llvm().values()))


def test_works_where_no_folder_can_be_written(tmp_path):
    """Neither the package's folder nor one of the user: loops are then compiled in each process."""
    code = (
        "import numba.core.caching as c\n"
        "for locator in c.CacheImpl._locator_classes: locator.from_function = classmethod(lambda *_: None)\n"
        "import numpy as np\n"
        "from synapsnet_pyg.nn.gate_loops import _sigmoid_row\n"
        "row = np.zeros(9, np.float32); _sigmoid_row(row, row + 0); print(row[0])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=dict(os.environ))
    assert run.stdout.strip() == "0.5", run.stderr


def test_neither_the_package_nor_a_forecast_imports_numba():
    code = (
        "import sys, torch, synapsnet_pyg\n"
        "from synapsnet_pyg.nn.dynamics import Dynamics\n"
        "f = Dynamics(1, 0, 0).eval(); f([torch.zeros(1, 2, 3)], torch.zeros(1, 3, 0), torch.zeros(2, 0), 1)\n"
        "print('numba' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=dict(os.environ))
    assert run.stdout.strip() == "False", run.stderr
