import torch
from helpers import make_session

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
