import ast
import subprocess
import sys
from pathlib import Path

import pytest

import synapsnet_pyg

STUB = Path(synapsnet_pyg.__file__).with_suffix(".pyi")
HEAVY = ("torch", "torch_geometric", "lightning", "numpy", "pandas", "scipy", "sklearn", "h5py", "matplotlib", "plotly")
NO_FURTHER = f"assert not (found := [name for name in {HEAVY} if name in sys.modules]), found"


def listed() -> list[tuple[str, ast.alias]]:
    """Reads the imports of the stub: relative module, name."""
    imports = [line for line in ast.parse(STUB.read_text()).body if isinstance(line, ast.ImportFrom)]
    assert all(line.level == 1 for line in imports), "Expected imports of this package alone in the stub."
    return [(line.module or "", name) for line in imports for name in line.names]


NAMES = [name.name for _, name in listed()]


@pytest.mark.parametrize(("module", "name"), [(module, name.name) for module, name in listed()])
def test_every_listed_name_is_found_where_it_is_said_to_live(module: str, name: str) -> None:
    found = getattr(synapsnet_pyg, name)
    home = __import__(f"synapsnet_pyg.{module}", fromlist=[name])
    assert found is getattr(home, name)
    assert found.__module__ == home.__name__, f"'{name}' is only imported by '{home.__name__}'."


def test_the_stub_is_the_only_list_of_public_names() -> None:
    assert sorted(synapsnet_pyg.__all__) == dir(synapsnet_pyg) == sorted(NAMES)
    assert len(set(NAMES)) == len(NAMES)
    assert {"DynamicConnectivity", "SynapsNet", "Session", "fit", "state_blocks", "states_of"} <= set(NAMES)
    assert synapsnet_pyg.__version__


def test_every_name_is_exported_under_its_own_name_and_sorted() -> None:
    """Type checkers take only ``import Name as Name`` of a stub as public."""
    assert all(name.asname == name.name for _, name in listed())
    modules = [module for module, _ in listed()]
    assert modules == sorted(modules)


def test_the_stub_is_shipped() -> None:
    import tomllib

    settings = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())
    patterns = settings["tool"]["setuptools"]["package-data"]["synapsnet_pyg"]
    assert any(STUB.match(pattern) for pattern in patterns), patterns


def test_a_name_that_is_not_there_is_refused() -> None:
    with pytest.raises(AttributeError, match="no attribute 'SynapsNets'"):
        synapsnet_pyg.SynapsNets  # noqa: B018


@pytest.mark.parametrize("code", ["import synapsnet_pyg", "import synapsnet_pyg; dir(synapsnet_pyg)"])
def test_importing_the_package_imports_nothing_heavy(code: str) -> None:
    subprocess.run([sys.executable, "-c", f"import sys; {code}; {NO_FURTHER}"], check=True)


def test_help_imports_no_torch() -> None:
    code = "import sys\nfrom synapsnet_pyg.cli.main import main\n"
    code += "try: main(['--help'])\nexcept SystemExit as error: assert not error.code\n"
    code += "assert not {'torch', 'torch_geometric', 'lightning'} & set(sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert "usage: synapsnet" in told.stdout
