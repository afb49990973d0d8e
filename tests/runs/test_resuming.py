import pytest
import torch
from helpers import make_session

from synapsnet_pyg.files.checksums import DamagedFileError
from synapsnet_pyg.models.checkpoint import read_checkpoint, write_checkpoint
from synapsnet_pyg.models.registry import build_model
from synapsnet_pyg.runs.recipe import Recipe
from synapsnet_pyg.runs.resuming import going_on_from, saved_history
from synapsnet_pyg.runs.training import fit


def train(out, **more):
    """A fit of a small model."""
    session = make_session(N=5, T=80, name="one").standardise()
    model = build_model("mlp", [session])
    return fit(model, [session], out, Recipe(epochs=2, targets=2), progress=False, **more)


@pytest.mark.parametrize("part", ["weights", "version", "optimizer", "history", "rows", "loops"])
def test_a_state_that_is_not_of_the_fit_is_told_by_its_file(tmp_path, part):
    train(tmp_path / "run")
    path = tmp_path / "run" / "last.ckpt"
    saved = read_checkpoint(path)
    assert [row["epoch"] for row in saved_history(path)] == [1, 2]
    if part == "weights":
        name = next(name for name, value in saved["state_dict"].items() if isinstance(value, torch.Tensor))
        saved["state_dict"][name] = torch.zeros(0)
    elif part == "version":
        saved["pytorch-lightning_version"] = []
    elif part == "optimizer":
        saved["optimizer_states"] = [{"state": 3}]
    elif part == "loops":
        saved["loops"] = "none"
    else:
        saved["history"] = "none" if part == "history" else [{"epoch": "first"}]
    write_checkpoint(saved, path)
    with pytest.raises(DamagedFileError, match=r"last\.ckpt'"):
        train(tmp_path / "run", resume=True)


def test_an_error_of_a_fit_that_has_begun_stays_as_it_is(tmp_path):
    with pytest.raises(RuntimeError, match=r"^odd$"), going_on_from(tmp_path / "last.ckpt", lambda: True):
        raise RuntimeError("odd")
    with pytest.raises(RuntimeError, match="of memory"), going_on_from(tmp_path / "last.ckpt", lambda: False):
        raise RuntimeError("out of memory")
    told = pytest.raises(DamagedFileError, match=r"last.ckpt' .*odd")
    with told, going_on_from(tmp_path / "last.ckpt", lambda: False):
        raise KeyError("odd")
