import os
import sys

import pytest
import torch
from helpers import make_session

from synapsnet_pyg.cli.main import main
from synapsnet_pyg.models.baselines import Copy
from synapsnet_pyg.models.checkpoint import load_model, save_model
from synapsnet_pyg.models.forecaster import Forecaster
from synapsnet_pyg.models.registry import build_model, require_trusted
from synapsnet_pyg.models.trust import current_folder_last, is_ours
from synapsnet_pyg.runs.recipe import Recipe
from synapsnet_pyg.runs.run import Run
from synapsnet_pyg.runs.run_file import FittedSession, RunRecord

OWN = """
import pathlib
pathlib.Path("EXECUTED").write_text("x")
from synapsnet_pyg.models.baselines import Copy
from torch.nn import RNN
class MyCopy(Copy):
    pass
class MyRNN(RNN):
    pass
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A current folder with a module of the user's own, or of a stranger."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "evil_model", raising=False)
    (tmp_path / "evil_model.py").write_text(OWN)
    yield tmp_path
    sys.modules.pop("evil_model", None)


def renamed(path, **changes):
    """Writes a checkpoint that names other classes."""
    save_model(build_model("gru", [make_session()], {"hidden_size": 4}), path)
    saved = torch.load(path, weights_only=True)
    for key, value in changes.items():
        (saved["description"] if key == "kind" else saved["description"]["arguments"])[key] = value
    torch.save(saved, path)
    return path


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "evil_model.MyCopy"},
        {"kind": "this.Model"},
        {"kind": "synapsnet_pyg.cli.__main__.Model"},
        {"kind": "synapsnet_pyg.models.poco.torch.load"},
        {"dynamics": "evil_model.MyRNN"},
        {"dynamics": "os.system"},
        {"dynamics": "synapsnet_pyg.nn.dynamics.torch.load"},
    ],
)
def test_a_file_names_no_class_outside_the_package(here, changes):
    path = renamed(here / "m.ckpt", **changes)
    before = set(sys.modules)
    with pytest.raises(ValueError, match=r"of the package \(got '.*' in '.*m.ckpt', .*; give --trust .*trust=\['"):
        load_model(path)
    assert not (here / "EXECUTED").exists()
    assert not {"evil_model", "this"} & (set(sys.modules) - before)


def test_a_name_that_is_trusted_is_imported_from_the_current_folder(here):
    path = here / "m.ckpt"
    save_model(Copy([make_session()]), path)
    saved = torch.load(path, weights_only=True)
    saved["description"]["kind"] = "evil_model.MyCopy"
    torch.save(saved, path)
    assert type(load_model(path, trust=["evil_model.MyCopy"])).__name__ == "MyCopy"
    assert (here / "EXECUTED").read_text() == "x"
    assert os.getcwd() not in sys.path
    assert type(load_model(path)).__name__ == "MyCopy"  # this process has it already


def test_a_class_of_this_process_needs_no_trust(tmp_path):
    class Here(Forecaster):
        pass

    require_trusted(f"{__name__}.{Here.__qualname__}", {}, "a.ckpt")
    with pytest.raises(ValueError, match="a model of the package"):
        require_trusted(f"{__name__}.There", {}, "a.ckpt")


def test_the_current_folder_is_looked_through_last_and_for_a_moment(here):
    (here / "json.py").write_text("raise RuntimeError")
    with current_folder_last():
        assert sys.path[-1] == str(here)
    assert str(here) not in sys.path
    assert is_ours("synapsnet_pyg.models.linear.VectorAutoregression")
    assert not is_ours("synapsnet_pyg.models.linear.torch.hub.load")


def test_a_run_is_trusted_by_the_word_of_the_user_alone(here, capsys):
    session = make_session(T=200)
    session.save(here / "demo.h5")
    (here / "run").mkdir()
    fitted = FittedSession.of(session, here / "demo.h5", here / "run")
    RunRecord("evil_model.MyCopy", {}, [fitted], recipe=Recipe(), versions={}).write(here / "run")
    save_model(Copy([session]), here / "run" / "best.ckpt")
    saved = torch.load(here / "run" / "best.ckpt", weights_only=True)
    saved["description"]["kind"] = "evil_model.MyCopy"
    torch.save(saved, here / "run" / "best.ckpt")
    assert main(["blocks", "run", "--group-by", "area"]) == 2
    assert "give --trust evil_model.MyCopy if you know its source" in capsys.readouterr().err
    assert not (here / "EXECUTED").exists()
    assert main(["blocks", "run", "--group-by", "area", "--trust", "evil_model.MyCopy"]) == 2
    assert "there are: " in capsys.readouterr().err  # the run is loaded; it has no such field
    assert (here / "EXECUTED").exists()
    assert Run.load(here / "run", trust=["evil_model.MyCopy"]).kind == "evil_model.MyCopy"
