"""A wheel, built and installed where nothing else is, as a stranger has it. It needs what pip needs."""

import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MINUTES = 15 * 60


def call(*words, cwd=None):
    """Output of a command; its messages if it fails."""
    result = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=MINUTES, cwd=cwd)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    return result.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Wheel, built from the sdist."""
    out = tmp_path_factory.mktemp("dist")
    call(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, ROOT)
    (path,) = out.glob("*.whl")
    assert len(list(out.glob("*.tar.gz"))) == 1
    return path


@pytest.mark.slow
def test_a_wheel_holds_the_package_alone(wheel):
    with zipfile.ZipFile(wheel) as opened:
        names = opened.namelist()
        metadata = opened.read(next(name for name in names if name.endswith("METADATA"))).decode()
    tops = {name.partition("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"synapsnet_pyg"}
    assert {"synapsnet_pyg/py.typed", "synapsnet_pyg/__init__.pyi"} <= set(names)
    files = {path.relative_to(ROOT).as_posix() for path in (ROOT / "synapsnet_pyg").rglob("*.py")}
    assert files <= set(names)
    assert "Requires-Dist: torch-scatter" in metadata
    assert "Requires-Dist: torch-scatter>=2.1.2\n" not in metadata  # of an extra only


@pytest.mark.slow
def test_a_clean_environment_fits_and_reports(wheel, tmp_path):
    begun = time.monotonic()
    call(sys.executable, "-m", "venv", tmp_path / "venv")
    python, synapsnet = tmp_path / "venv/bin/python", tmp_path / "venv/bin/synapsnet"
    install = [python, "-m", "pip", "install", "-q", "-c", ROOT / "constraints.txt"]
    call(*install, f"{wheel}[train]")
    installed = time.monotonic() - begun
    missing = (
        "import importlib.util as u; print(*[n for n in ('torch_scatter', 'plotly', 'sklearn') if u.find_spec(n)])"
    )
    assert call(python, "-c", missing).split() == []
    assert "usage: synapsnet" in call(synapsnet, "--help", cwd=tmp_path)
    place = call(python, "-c", "import synapsnet_pyg; print(synapsnet_pyg.__file__)", cwd=tmp_path)
    assert str(tmp_path / "venv") in place
    call(synapsnet, "simulate", "sim.h5", "--neurons", "30", "--recorded", "10", "--bins", "1200", cwd=tmp_path)
    call(synapsnet, "fit", "sim.h5", "--out", "run", "--preset", "fast", "--epochs", "1", cwd=tmp_path)
    assert "synapsnet" in call(synapsnet, "evaluate", "run", cwd=tmp_path)
    call(synapsnet, "connectivity", "run", "--out", "results", cwd=tmp_path)
    call(*install, f"{wheel}[train,analysis,viz]")
    call(synapsnet, "report", "run", cwd=tmp_path)
    assert (tmp_path / "run/report/index.html").is_file()
    print(f"installed in {installed:.0f} s, all in {time.monotonic() - begun:.0f} s")
