"""No damage to a file of ours passes unseen: it is refused in a line with its name, or the values are as they were."""

import random

import numpy as np
import pytest
import torch
from helpers import make_session

from synapsnet_pyg.analysis.dynamic_connectivity_file import read_dynamic_connectivity, write_dynamic_connectivity
from synapsnet_pyg.analysis.running_summaries import ConnectivityBatch
from synapsnet_pyg.benchmarks.jobs import require_same_settings
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.files.json_files import read_json, write_json
from synapsnet_pyg.models.checkpoint import load_model, save_model
from synapsnet_pyg.models.registry import build_model
from synapsnet_pyg.results.connectivity_files import read_connectivity, save_connectivity
from synapsnet_pyg.runs.recipe import Recipe
from synapsnet_pyg.runs.run_file import FittedSession, RunRecord

SESSION = make_session(N=5, T=400, name="demo", area=["V1", "V1", "LM", "LM", "V1"])
WEIGHTS = torch.randn(5, 5, generator=torch.Generator().manual_seed(0)).fill_diagonal_(0)


def session(folder):
    SESSION.save(folder / "demo.h5")
    return folder / "demo.h5", lambda path: Session.load(path).to_dict()


def checkpoint(folder):
    save_model(build_model("gru", [SESSION], {"hidden_size": 4, "num_layers": 1}), folder / "best.ckpt")
    return folder / "best.ckpt", lambda path: dict(load_model(path).state_dict())


def run_json(folder):
    SESSION.save(folder / "demo.h5")
    fitted = FittedSession.of(SESSION, folder / "demo.h5", folder)
    RunRecord("gru", {"hidden_size": 4}, [fitted], recipe=Recipe(), versions={"python": "3"}).write(folder)
    return folder / "run.json", lambda path: {"record": RunRecord.read(path.parent)}


def dynamic_connectivity(folder):
    path, bins = folder / "demo-dynamic.h5", torch.arange(6)
    write_dynamic_connectivity(path, SESSION, bins, [ConnectivityBatch(bins, WEIGHTS.expand(6, 5, 5))])
    return path, lambda path: {"weights": torch.cat([b.connectivity for b in read_dynamic_connectivity(path)])}


def npz(folder):
    path = save_connectivity(SESSION, WEIGHTS, folder, format="npz")
    return path, lambda path: {"weights": read_connectivity(path, SESSION)}


def sparse(folder):
    path = save_connectivity(SESSION, WEIGHTS, folder, format="sparse")
    return path, lambda path: {"weights": read_connectivity(path, SESSION)}


def settings(folder):
    write_json(folder / "settings.json", {"seed": 1, "epochs": 20, "rate": 0.001})
    require_same_settings(folder, {"seed": 1, "epochs": 20, "rate": 0.001})
    return folder / "settings.json", lambda path: read_json(path)[0]


def same(one, other) -> bool:
    """Returns True if all values agree."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, torch.Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    return bool(np.all(one == other))


def damaged(content: bytes, chance: random.Random) -> bytes:
    """Returns a file in which bytes were flipped, zeroed, cut off, repeated or left out."""
    place, length = chance.randrange(len(content)), chance.choice([1, 8, 64, 512])
    middle = content[place : place + length]
    changed = {
        "flip": bytes(byte ^ (1 << chance.randrange(8)) for byte in middle[:1]) + middle[1:],
        "zero": bytes(len(middle)),
        "noise": chance.randbytes(len(middle)),
        "cut": b"",
        "twice": middle * 2,
    }
    kind = chance.choice([*changed, "flip", "end"])
    return content[:place] if kind == "end" else content[:place] + changed[kind] + content[place + length :]


@pytest.mark.filterwarnings("ignore:.*no checksum")
@pytest.mark.parametrize("make", [session, checkpoint, run_json, dynamic_connectivity, npz, sparse, settings])
def test_damage_is_refused_in_a_line_or_changes_nothing(tmp_path, make):
    path, read = make(tmp_path)
    content, before, refused = path.read_bytes(), read(path), 0
    chance = random.Random(make.__name__)
    for number in range(150):
        path.write_bytes(damaged(content, chance))
        told = None
        try:
            after = read(path)
        except (ValueError, OSError) as error:
            told = str(error)
        if told is None:
            assert same(before, after), number
        else:
            assert path.name in told, (number, told)
            assert "\n" not in told, (number, told)
            refused += 1
    assert refused > 75
