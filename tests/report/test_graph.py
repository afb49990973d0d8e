import numpy as np
import torch
from helpers import make_session

from synapsnet_pyg.report.graph import strongest_graph


def test_the_graph_has_the_two_strongest_senders_of_each_neuron():
    session, connectivity = make_session(N=6), torch.randn(6, 6)
    connectivity[2] = 0
    graph = strongest_graph(session, connectivity)
    expected = set()
    for i in (0, 1, 3, 4, 5):
        senders = sorted((j for j in range(6) if j != i), key=lambda j: -abs(connectivity[i, j]))[:2]
        expected |= {(j, i) for j in senders}
    assert set(map(tuple, graph.edge_index.T.tolist())) == expected
    assert not graph.placed
    drawn = np.unique(graph.edge_index)
    assert np.isfinite(graph.position[drawn]).all()
    assert np.isnan(np.delete(graph.position, drawn, axis=0)).all()  # a layout of no edges has no meaning
    assert len(strongest_graph(make_session(N=230), torch.randn(230, 230)).edge_weight) == 400
    flat = torch.randn(6, 2)
    flat[1, 0] = torch.nan
    placed = strongest_graph(make_session(N=6, position=flat), connectivity)
    assert placed.widest == [0, 1]
    assert np.isnan(placed.position[1]).all()
    assert placed.position[0].tolist() == [*flat[0].tolist(), 0]
