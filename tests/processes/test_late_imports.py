import subprocess
import sys

import pytest

from synapsnet_pyg.processes.late_imports import LATE

CODE = """
import sys
from synapsnet_pyg.processes.late_imports import LATE, import_late
import_late()
import_late()
def executed():
    return [name for name in LATE if type(sys.modules.get(name)).__name__ == "module"]
{code}
"""


def told(code):
    command = [sys.executable, "-c", CODE.format(code=code)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def test_a_session_needs_none_of_them():
    code = "import inspect, synapsnet_pyg.data.session\nfor m in list(sys.modules.values()): inspect.getmodule(m)\n"
    assert told(code + "print(len(sys.meta_path), *executed())")[1:] == []


@pytest.mark.slow
def test_they_are_whole_at_their_first_use():
    code = "import torch_geometric, torch, pandas as pd, numba, matplotlib\nmatplotlib.rc_context\n"
    code += "print(pd.DataFrame({'a': [1]}).a[0], torch_geometric.datasets.Planetoid.__name__)\n"
    code += "import pandas.api.types, torch._dynamo.config\nfrom numba import njit\nfrom scipy.stats import norm\n"
    code += "print(pandas.api.types.is_list_like([]), torch._dynamo.is_compiling(), *executed())"
    assert told(code) == ["1", "Planetoid", "True", "False", *LATE]


def test_a_part_of_a_package_comes_after_the_package():
    code = "import pandas.api.types\nprint(*executed(), len(pandas.__path__), 'pandas.core.api' in sys.modules)"
    assert told(code) == ["pandas", "1", "True"]


def test_threads_wait_for_each_other():
    code = "import pandas\nfrom concurrent.futures import ThreadPoolExecutor\n"
    code += "with ThreadPoolExecutor(4) as pool: print(*pool.map(lambda _: pandas.DataFrame.__name__, range(4)))\n"
    code += "try: pandas.nothing\nexcept AttributeError as error: print(str(error).split()[-1])"
    assert told(code) == ["DataFrame"] * 4 + ["'nothing'"]


def test_a_model_is_built_within_bounds_without_the_compiler():
    code = "import torch\nfrom synapsnet_pyg.models.bounded import Bounded\n"
    code += "with Bounded({}): layer = torch.nn.GRU(2, 3)\n"
    code += "print(len(layer.weight_hh_l0), 'torch._dynamo' in executed())"
    assert told(code) == ["9", "False"]


def test_a_connectivity_is_built_within_bounds_without_symbolic_mathematics():
    code = "from synapsnet_pyg.models.bounded import Bounded\n"
    code += "from synapsnet_pyg.nn.functional_connectivity import FunctionalConnectivity\n"
    code += "with Bounded({}): layer = FunctionalConnectivity(3)\n"
    code += "print(layer.penalty_scale.numel(), 'sympy' in sys.modules)"
    assert told(code) == ["9", "False"]
