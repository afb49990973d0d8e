import subprocess
import sys

import pytest
import torch
from helpers import make_session

from synapsnet_pyg.analysis.dynamic_connectivity import DynamicConnectivity
from synapsnet_pyg.analysis.dynamic_connectivity_file import read_dynamic_connectivity
from synapsnet_pyg.analysis.running_summaries import RunningEdgeTraces, RunningMoments, summarise
from synapsnet_pyg.models.forecaster import Forecast, Forecaster

N, W = 5, 3
SEGMENTS = torch.tensor([[0, 20], [20, 23], [26, 61], [61, 75]])  # the second is too short for a window


class Gated(Forecaster):
    """a(t + 1) = tanh(b(t) W a(t) + a(t - 1) / 2): behaviour gates the weights, activity saturates them."""

    def __init__(self, sessions, window=W):
        super().__init__(sessions, window)
        self.weight = torch.nn.Parameter(torch.randn(N, N))
        self.dropout = torch.nn.Dropout(0.5)

    def forward(self, window):
        past, newest, gate = window.activity[..., -2], window.activity[..., -1], window.behaviour[:, -1, :1]
        return Forecast(self.dropout(torch.tanh(gate * (newest @ self.weight.t()) + past / 2))[..., None])


def gated(**fields) -> DynamicConnectivity:
    session = make_session(N=N, T=75, segment=SEGMENTS, **fields)
    return DynamicConnectivity(Gated([session]), session, batch_size=7)


def in_closed_form(dynamic: DynamicConnectivity) -> tuple[list[int], torch.Tensor]:
    """Newest bins, and the Jacobian of each."""
    activity, behaviour = dynamic.session.activity, dynamic.session.behaviour
    weight, bins, jacobians = dynamic.model.weight.detach(), [], []
    for begin, end in SEGMENTS.tolist():
        for t in range(begin + W - 1, end - 1):
            forecast = torch.tanh(behaviour[t, 0] * (weight @ activity[:, t]) + activity[:, t - 1] / 2)
            bins.append(t)
            jacobians.append((1 - forecast.square())[:, None] * behaviour[t, 0] * weight)
    return bins, torch.stack(jacobians).double()


def same(result, expected):
    torch.testing.assert_close(result.double(), expected.double(), atol=1e-6, rtol=1e-5, equal_nan=True)


def test_windows_come_in_time_order_and_never_cross_a_segment():
    dynamic = gated()
    dynamic.model.train()
    bins, expected = in_closed_form(dynamic)
    batches = list(dynamic)
    assert torch.cat([batch.bins for batch in batches]).tolist() == dynamic.bins.tolist() == bins
    assert max(len(batch.bins) for batch in batches) == 7
    assert not any(batch.connectivity.requires_grad for batch in batches)
    same(torch.cat([batch.connectivity for batch in batches]), expected)
    assert dynamic.model.training  # as it was
    assert repr(dynamic) == f"DynamicConnectivity(Gated, 'demo', {len(bins)} windows of 5 neurons)"


def test_moments_are_those_of_all_windows():
    dynamic = gated()
    _, every = in_closed_form(dynamic)
    moments = dynamic.moments()
    same(moments.mean, every.mean(0))
    same(moments.variance, every.var(0, correction=0))
    assert moments.windows == dynamic.num_windows == len(every)


def test_strongest_edges_by_weight_and_by_change():
    dynamic = gated()
    _, every = in_closed_form(dynamic)
    mean, deviation = every.mean(0), every.std(0, correction=0)
    for by, strength in (("mean", mean.abs()), ("deviation", deviation)):
        pairs = sorted(((i, j) for i in range(N) for j in range(N) if i != j), key=lambda pair: -strength[pair])
        result = dynamic.moments().strongest(4, by)
        assert [(i, j) for j, i in result.edge_index.t().tolist()] == pairs[:4]
        same(result.mean, torch.stack([mean[pair] for pair in pairs[:4]]))
        same(result.deviation, torch.stack([deviation[pair] for pair in pairs[:4]]))
    assert dynamic.moments().strongest(99).edge_index.shape == (2, N * N - N)
    for top_k, by in ((0, "mean"), (1, "variance")):
        with pytest.raises(ValueError, match="top_k >= 1, by 'mean' or 'deviation'"):
            dynamic.moments().strongest(top_k, by)


def test_a_state_has_the_windows_that_lie_within_it():
    dynamic = gated()
    bins, every = in_closed_form(dynamic)
    state = torch.tensor([0] * 11 + [2] * 30 + [-1] * 9 + [0] * 25)
    members = [
        [m for m, t in enumerate(bins) if {int(state[b]) for b in range(t - W + 1, t + 2)} == {s}] for s in range(3)
    ]
    result = dynamic.by_state(state)
    assert result.windows.tolist() == [len(windows) for windows in members]
    assert result.windows[1] == 0
    same(result.mean, torch.stack([every[windows].mean(0) for windows in members]))
    none = dynamic.by_state(torch.full((75,), -1))
    assert none.mean.shape == (0, N, N)
    for wrong in (state[1:], state.double(), state > 0):
        with pytest.raises(ValueError, match="of each of 75 bins"):
            dynamic.by_state(wrong)


def test_a_segment_without_a_window_has_no_mean():
    dynamic = gated()
    bins, every = in_closed_form(dynamic)
    result = dynamic.by_segment()
    members = [[m for m, t in enumerate(bins) if begin <= t < end] for begin, end in SEGMENTS.tolist()]
    assert result.windows.tolist() == [17, 0, 32, 11]
    same(result.mean, torch.stack([every[windows].mean(0) for windows in members]))


def test_traces_of_chosen_edges():
    dynamic = gated()
    bins, every = in_closed_form(dynamic)
    traces = dynamic.traces(torch.tensor([[0, 3], [2, 3]]))  # 0 drives 2, 3 itself
    assert traces.bins.tolist() == bins
    same(traces.weight, torch.stack([every[:, 2, 0], every[:, 3, 3]]))
    for wrong in (torch.tensor([0, 1]), torch.tensor([[0], [5]]), torch.tensor([[0.0], [1.0]])):
        with pytest.raises(ValueError, match=r"within 0\.\.4"):
            dynamic.traces(wrong)


def test_traces_from_group_to_group():
    dynamic = gated()
    bins, every = in_closed_form(dynamic)
    code = [1, 0, -1, 1, 2]  # groups of one, two and one neurons
    result = dynamic.by_group(torch.tensor(code))
    assert result.bins.tolist() == bins
    for g in range(3):
        for h in range(3):
            pairs = [(i, j) for i in range(N) for j in range(N) if i != j and code[i] == g and code[j] == h]
            expected = torch.stack([every[:, i, j] for i, j in pairs]).mean(0) if pairs else torch.tensor(torch.nan)
            same(result.mean[:, g, h], expected.expand(len(bins)))
    for wrong in (torch.zeros(4, dtype=torch.long), torch.full((N,), -1), torch.zeros(N)):
        with pytest.raises(ValueError, match="of each of 5 neurons"):
            dynamic.by_group(wrong)


def test_needs_a_window():
    session = make_session(N=N, T=W)
    with pytest.raises(ValueError, match="more than 3 bins"):
        DynamicConnectivity(Gated([session]), session)


def test_a_file_gives_it_back(tmp_path):
    dynamic = gated(neuron_id=["ä", "b", "c", "d", "e"])
    bins, every = in_closed_form(dynamic)
    dynamic.save(tmp_path / "all.h5")
    saved = read_dynamic_connectivity(tmp_path / "all.h5")
    assert (saved.name, saved.bin_size, saved.neuron_id) == ("demo", 0.1, ["ä", "b", "c", "d", "e"])
    assert saved.bins.tolist() == torch.cat([batch.bins for batch in saved]).tolist() == bins
    same(torch.cat([batch.connectivity for batch in saved]), every)
    moments = RunningMoments()
    summarise(saved, moments)  # what is summarised can as well be read from a file
    same(moments.result.mean, every.mean(0))
    assert [path.name for path in tmp_path.iterdir()] == ["all.h5"]


def test_summaries_share_the_pass_that_writes_a_file(tmp_path):
    dynamic = gated()
    _, every = in_closed_form(dynamic)
    moments, traces = RunningMoments(), RunningEdgeTraces(torch.tensor([[0], [2]]), dynamic.bins)
    dynamic.save(tmp_path / "all.h5", moments, traces)
    same(moments.result.variance, every.var(0, correction=0))
    same(traces.result.weight, every[:, 2, 0][None])
    same(torch.cat([batch.connectivity for batch in read_dynamic_connectivity(tmp_path / "all.h5")]), every)


def test_an_interrupt_leaves_no_file(tmp_path, monkeypatch):
    dynamic = gated()
    monkeypatch.setattr(DynamicConnectivity, "_connectivity", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        dynamic.save(tmp_path / "all.h5")
    assert not list(tmp_path.iterdir())


GROWING = """
import resource, tempfile, torch
from synapsnet_pyg.analysis.dynamic_connectivity import DynamicConnectivity
from synapsnet_pyg.analysis.dynamic_connectivity_file import read_dynamic_connectivity
from synapsnet_pyg.analysis.running_summaries import *
from synapsnet_pyg.models.forecaster import Forecaster
from synapsnet_pyg.data.session import Session

class Light(Forecaster):
    def connectivity_at(self, window):
        return window.activity[:, :, -1, None] * window.activity[:, None, :, -2]

def peak(T):
    session = Session(torch.zeros(100, T), bin_size=0.1)
    session.activity[:3].normal_()
    dynamic = DynamicConnectivity(Light([session]), session)
    M = dynamic.num_windows
    moments, means = RunningMoments(), RunningMeans(torch.zeros(M, dtype=torch.long), 1)
    groups = RunningGroupTraces(torch.arange(100) % 3, dynamic.bins)
    edges = RunningEdgeTraces(torch.tensor([[0], [1]]), dynamic.bins)
    summarise(dynamic, moments, means, groups, edges)
    moments.result.strongest(9)
    with tempfile.TemporaryDirectory() as folder:
        dynamic.save(folder + "/all.h5")
        windows = sum(len(bins) for bins, _ in read_dynamic_connectivity(folder + "/all.h5"))
    assert windows == M == T - 5
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

torch.set_num_threads(1)
print(peak(1_000), peak(10_000))
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere peak memory is counted in other units")
def test_memory_does_not_grow_with_the_recording():
    """All weights of the longer one would be 400 MB; in a process of its own, since a peak never falls."""
    told = subprocess.run([sys.executable, "-W", "ignore", "-c", GROWING], stdout=subprocess.PIPE, check=True).stdout
    short, long = map(int, told.split())
    assert long - short < 60_000  # kB
