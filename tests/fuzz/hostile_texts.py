"""Texts that are small as a file and large, or another file, when they are read."""

import re

from fuzz.scenes import Meeting, Scene
from synapsnet_pyg import read_connectivity
from synapsnet_pyg.data.session import Session

_GRAPHML = '<graphml xmlns="http://graphml.graphdrawing.org/xmlns"><graph edgedefault="directed">{}</graph></graphml>'
_GEXF = (
    '<gexf xmlns="http://www.gexf.net/1.2draft" version="1.2"><graph defaultedgetype="directed"><nodes>{}</nodes>'
    "<edges></edges></graph></gexf>"
)


def entities_of_a_graphml_file_do_not_grow(scene: Scene) -> Meeting:
    return _xml(scene, "x.graphml", _entities() + _GRAPHML.format('<node id="&z;"/>'))


def entities_of_a_gexf_file_do_not_grow(scene: Scene) -> Meeting:
    return _xml(scene, "x.gexf", _entities() + _GEXF.format('<node id="&z;" label="&z;"/>'))


def another_file_is_no_entity_of_graphml(scene: Scene) -> Meeting:
    head = f'<?xml version="1.0"?><!DOCTYPE g [<!ENTITY z SYSTEM "file://{scene.secret}">]>'
    return _xml(scene, "x.graphml", head + _GRAPHML.format('<node id="&z;"/><node id="a">&z;</node>'))


def another_file_is_no_entity_of_gexf(scene: Scene) -> Meeting:
    head = f'<?xml version="1.0"?><!DOCTYPE g [<!ENTITY z SYSTEM "file://{scene.secret}">]>'
    return _xml(scene, "x.gexf", head + _GEXF.format('<node id="a" label="a">&z;</node>'))


def deep_nodes_of_graphml_end(scene: Scene) -> Meeting:
    return _xml(scene, "x.graphml", _GRAPHML.format("<node>" * 200000))


def names_of_a_config_do_not_grow(scene: Scene) -> Meeting:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 10)]
    (scene.folder / "c.yaml").write_text("\n".join([*lines, "horizon: *a9"]))
    return Meeting(("evaluate", "run", "--config", "c.yaml"), ("c.yaml", "--horizon"))


def deep_lists_of_a_config_end(scene: Scene) -> Meeting:
    (scene.folder / "c.yaml").write_text("horizon: " + "[" * 20000)
    return Meeting(("evaluate", "run", "--config", "c.yaml"), ("c.yaml", "--horizon"))


def deep_lists_of_a_run_end(scene: Scene) -> Meeting:
    (scene.folder / "run/run.json").write_text('{"format": ' + "[" * 100000)
    return Meeting(("evaluate", "run"), ("run.json",))


def long_numbers_of_a_run_end(scene: Scene) -> Meeting:
    path = scene.folder / "run/run.json"
    text, found = re.subn(r'"version": \d+', '"version": ' + "9" * 10**6, path.read_text(), count=1)
    assert found, text
    path.write_text(text)
    return Meeting(("evaluate", "run"), ("run.json",))


def a_table_of_a_million_columns_ends(scene: Scene) -> Meeting:
    (scene.folder / "x.csv").write_text(",".join(map(str, range(10**6))) + "\n" + "1," * (10**6 - 1) + "1\n")
    return Meeting(("convert", "x.csv", "o.h5", "--axes", "bin,neuron", "--bin-size", "0.1"), ("x.csv",), may_load=True)


def a_cell_of_many_megabytes_ends(scene: Scene) -> Meeting:
    (scene.folder / "x.csv").write_text('a,b\n"' + "1" * 10**7 + '",2\n')
    return Meeting(("convert", "x.csv", "o.h5", "--axes", "bin,neuron", "--bin-size", "0.1"), ("x.csv",))


def a_cell_of_edges_of_many_megabytes_ends(scene: Scene) -> Meeting:
    (scene.folder / "x.csv").write_text('sender,receiver,weight\n"' + "1" * 10**7 + '",2,3\n')
    session = Session.load(scene.folder / "session.h5")
    return Meeting(named=("x.csv",), read=lambda: read_connectivity(scene.folder / "x.csv", session))


def _xml(scene: Scene, name: str, text: str) -> Meeting:
    (scene.folder / name).write_text(text)
    session = Session.load(scene.folder / "session.h5")
    return Meeting(named=(name,), read=lambda: read_connectivity(scene.folder / name, session))


def _entities() -> str:
    """Returns a document type in which &z; is 10^9 letters."""
    lines = ['<!ENTITY a0 "aaaaaaaaaa">']
    lines += [f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 9)]
    return f'<?xml version="1.0"?><!DOCTYPE g [{"".join(lines)}<!ENTITY z "&a8;">]>'
