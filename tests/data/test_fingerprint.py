import hashlib
import json

import torch
from helpers import make_session
from torch.utils._python_dispatch import TorchDispatchMode

from synapsnet_pyg.data.fingerprint import earlier_fingerprint, fingerprint
from synapsnet_pyg.data.session import Session


def changed(**fields):
    given = {"activity": torch.arange(30.0).reshape(3, 10), "bin_size": 0.1, "edge_index": torch.tensor([[0], [1]]),
             "edge_weight": torch.tensor([0.5]), "area": ["V1", "V1", "LM"], "position": torch.zeros(3, 3)}  # fmt: skip
    return Session(**given | fields)


def test_every_field_is_seen():
    others = [
        changed(bin_size=0.2),
        changed(edge_weight=torch.tensor([0.6])),
        changed(edge_index=torch.tensor([[0], [2]])),
        changed(area=["V1", "LM", "LM"]),
        changed(position=torch.ones(3, 3)),
        changed(depth=torch.ones(3)),
        changed(name="b"),
        changed(behaviour=torch.zeros(10, 1)),
    ]
    assert len({fingerprint(session) for session in [changed(), *others]}) == 1 + len(others)
    assert fingerprint(changed(notes=["converted again"])) == fingerprint(changed())
    assert changed().fingerprint == fingerprint(changed())


def test_a_file_keeps_it(tmp_path):
    session = make_session()
    session.save(tmp_path / "a.h5")
    assert Session.load(tmp_path / "a.h5").fingerprint == session.fingerprint


def test_the_fingerprint_of_earlier_versions_is_still_known():
    session = Session(torch.arange(6.0).reshape(2, 3), bin_size=1, name="demo")
    assert earlier_fingerprint(session) == "8f9fa3375eb879a0"
    assert earlier_fingerprint(session) == earlier_fingerprint(changed_bin_size(session))


def changed_bin_size(session):
    return Session(session.activity, bin_size=2, name="demo")


def test_a_long_recording_is_read_in_blocks_of_rows_and_has_the_hash_of_all_bytes():
    """A tensor for each bin of the behaviour once took gigabytes."""
    bins = 300_000
    session = Session(torch.rand(1, bins), torch.rand(bins, 2), bin_size=0.1, name="long")
    digest = hashlib.sha256(json.dumps([session.name, session.bin_size]).encode())
    for key in sorted({*session.keys()} - {"name", "bin_size", "num_nodes", "notes", "position_unit"}):
        value = session[key]
        tensor = isinstance(value, torch.Tensor)
        digest.update(json.dumps([key, [str(value.dtype), list(value.shape)] if tensor else value]).encode())
        digest.update(value.contiguous().numpy().tobytes() if tensor else b"")
    with TensorMaker() as made:
        assert fingerprint(session) == digest.hexdigest()[:16]
    assert made.count < 100


class TensorMaker(TorchDispatchMode):
    """Counts the tensors that functions return."""

    count = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        self.count += len(result) if isinstance(result, (tuple, list)) else 1
        return result
