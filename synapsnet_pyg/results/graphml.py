"""GraphML of a connectivity, written edge by edge."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from torch import Tensor

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.results.graphs import edges_with_fields

_AT_ONCE = 10_000
"""Number of edges that become texts together: a graph of all pairs of a population would fill the memory."""

_TYPES = {bool: "boolean", int: "long", float: "double", str: "string"}
_NOT_IN_XML = "[^\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"

_HEAD = """<?xml version="1.0" encoding="utf-8"?>
<graphml xmlns="http://graphml.graphdrawing.org/xmlns" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" \
xsi:schemaLocation="http://graphml.graphdrawing.org/xmlns http://graphml.graphdrawing.org/xmlns/1.0/graphml.xsd">
"""


def write_graphml(path: Path, session: Session, connectivity: Tensor, edge_fields: Mapping[str, Tensor]) -> None:
    """Writes the graph of :func:`~synapsnet_pyg.results.graphs.to_networkx` as networkx does, in little memory.

    Args:
        path: Path of the file.
        session: Session of the N neurons.
        connectivity: Weights [N, N], ``[i, j]`` the effect of j on i.
        edge_fields: Name -> further values of each pair [N, N].

    Raises:
        ValueError: A matrix does not fit the session.
    """
    edges = edges_with_fields(session, connectivity, edge_fields)
    columns = session.neuron_columns
    ids = [quoteattr(xml_text(neuron)) for neuron in session.neuron_id]
    with path.open("w", encoding="utf-8") as file:
        file.write(_HEAD)
        file.writelines(_keys("node", {name: type(values[0]) for name, values in columns.items()}))
        file.writelines(
            _keys("edge", {name: type(values.new_zeros(()).item()) for name, values in edges.fields.items()})
        )
        file.write('  <key id="graph0" for="graph" attr.name="name" attr.type="string" />\n')
        file.write(f'  <graph edgedefault="directed">\n    <data key="graph0">{_escaped(session.name)}</data>\n')
        for i, neuron in enumerate(ids):
            file.write(f"    <node id={neuron}>{_data('node', (values[i] for values in columns.values()))}</node>\n")
        for start in range(0, edges.edge_index.shape[1], _AT_ONCE):
            part = slice(start, start + _AT_ONCE)
            rows: Iterator[Sequence[float]] = zip(*(v[part].tolist() for v in edges.fields.values()), strict=True)
            for (j, i), values in zip(edges.edge_index[:, part].t().tolist(), rows, strict=True):
                file.write(f"    <edge source={ids[j]} target={ids[i]}>{_data('edge', values)}</edge>\n")
        file.write("  </graph>\n</graphml>\n")


def xml_text(text: str) -> str:
    r"""Escapes characters that XML forbids or changes, such as ``\x01``; other texts get other ones.

    A backslash is doubled where it could be read as the beginning of such an escape.

    Example:
        >>> print(xml_text("a\x01"), xml_text("C:\\data"), xml_text("C:\\x01"))
        a\x01 C:\data C:\\x01
    """
    text = re.sub(rf"\\(?=[xuUnrt\\]|{_NOT_IN_XML})", r"\\\\", text)
    return re.sub(_NOT_IN_XML, lambda match: match[0].encode("unicode_escape").decode(), text)


def _keys(kind: str, types: Mapping[str, type]) -> Iterator[str]:
    """Yields the declarations of the fields of nodes or edges."""
    for place, (name, values) in enumerate(types.items()):
        name = quoteattr(xml_text(name))
        yield f'  <key id="{kind}{place}" for="{kind}" attr.name={name} attr.type="{_TYPES[values]}" />\n'


def _data(kind: str, values: Iterable[object]) -> str:
    """Returns the fields of a node, or those of an edge that are known."""
    return "".join(
        f'<data key="{kind}{place}">{_escaped(value) if isinstance(value, str) else value}</data>'
        for place, value in enumerate(values)
        if kind == "node" or value == value
    )


def _escaped(text: str) -> str:
    """Returns a text between tags."""
    return escape(xml_text(text))
