import re
import weakref

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from commands import run
from on_disk import write_bugeon

from synapsnet_pyg.analysis.dynamic_connectivity import DynamicConnectivity
from synapsnet_pyg.analysis.dynamic_connectivity_file import read_dynamic_connectivity
from synapsnet_pyg.analysis.states import state_blocks, states_of
from synapsnet_pyg.cli.main import main
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.models.forecaster import Forecaster
from synapsnet_pyg.results.connectivity_files import read_connectivity
from synapsnet_pyg.results.dynamic_connectivity import (
    describe,
    draw_state_blocks,
    edge_table,
    save_dynamics,
    summarise_dynamics,
)
from synapsnet_pyg.runs.run import Run

N, W = 6, 3
NAMES = ["running", "still", "asleep"]
TYPES = ["E", "Pv", "E", "", "E", "Pv"]


class Planted(Forecaster):
    """E drives Pv more by 0.5 in the first state; everything else wanders. It knows how many batches were kept."""

    def __init__(self, sessions):
        super().__init__(sessions, W)
        self.passes, self.alive, self.most_alive = 0, weakref.WeakSet(), 0

    def connectivity_at(self, window):
        newest, running = window.activity[..., -1], window.behaviour[:, -1, 0] > 0
        added = torch.zeros(N, N)
        added[1, [0, 2, 4]] = added[5, [0, 2, 4]] = 0.5
        connectivity = 0.1 * newest[:, :, None] * newest[:, None] + running[:, None, None] * added
        self.passes += len(connectivity)
        self.alive.add(connectivity)
        self.most_alive = max(self.most_alive, len(self.alive))
        return connectivity


def recorded(T=400, name="demo", state=None) -> Session:
    """The third state is never on."""
    if state is None:
        state = torch.from_numpy(np.random.default_rng(T).integers(0, 2, T // 10)).repeat_interleave(10)
    behaviour = (state[:, None] == torch.arange(3)).float()
    activity = torch.randn(N, T, generator=torch.Generator().manual_seed(T))
    ids = [f"n{i}" for i in range(N)]
    return Session(activity, behaviour, bin_size=0.25, neuron_id=ids, behaviour_name=NAMES, name=name, cell_type=TYPES)


def planted(T=400) -> DynamicConnectivity:
    train = recorded(T).standardise().split().train
    return DynamicConnectivity(Planted([train]), train, batch_size=16)


def test_two_passes_tell_what_many_would(tmp_path):
    dynamic = planted()
    states = states_of(dynamic.session, NAMES)
    summary = summarise_dynamics(dynamic, top_k=4, states=states, group_by="cell_type", path=tmp_path / "two.h5")
    M = dynamic.num_windows
    assert dynamic.model.passes == 2 * M

    moments, by_state = dynamic.moments(), dynamic.by_state(states.state)
    assert torch.equal(summary.moments.mean, moments.mean)
    assert torch.equal(summary.moments.variance, moments.variance)
    assert torch.equal(summary.edges.edge_index, moments.strongest(4, "deviation").edge_index)
    traces = dynamic.traces(summary.edges.edge_index)
    assert torch.equal(summary.traces.bins, traces.bins)
    assert torch.equal(summary.traces.weight, traces.weight)
    torch.testing.assert_close(summary.by_state.mean[:2], by_state.mean)
    assert summary.by_state.windows.tolist() == [*by_state.windows.tolist(), 0]
    assert summary.by_state.mean[2].isnan().all()
    alone = state_blocks(dynamic, "cell_type", states)
    pd.testing.assert_frame_equal(summary.blocks.blocks, alone.blocks)
    pd.testing.assert_frame_equal(summary.blocks.differences, alone.differences)
    every = torch.cat([batch.connectivity for batch in dynamic])
    saved = torch.cat([batch.connectivity for batch in read_dynamic_connectivity(tmp_path / "two.h5")])
    assert torch.equal(saved, every)


def test_what_is_held_does_not_grow_with_the_recording(tmp_path):
    for T in (200, 1600):
        dynamic = planted(T)
        states = states_of(dynamic.session, NAMES)
        summarise_dynamics(dynamic, top_k=2, states=states, group_by="cell_type", path=tmp_path / "all.h5")
        assert dynamic.model.most_alive <= 2


def test_finds_the_planted_edges_and_groups():
    dynamic = planted()
    summary = summarise_dynamics(dynamic, top_k=6, states=states_of(dynamic.session, NAMES), group_by="cell_type")
    table = edge_table(dynamic.session, summary)
    assert {(row.source, row.target) for row in table.itertuples()} == {
        (f"n{j}", f"n{i}") for j in (0, 2, 4) for i in (1, 5)
    }
    assert set(table["source_cell_type"]) == {"E"}
    assert set(table["target_cell_type"]) == {"Pv"}
    assert (table["weight_running"] - table["weight_still"]).tolist() == pytest.approx([0.5] * 6, abs=0.06)
    assert table["weight_asleep"].isna().all()
    strongest, *others = describe(dynamic.session, summary)
    assert strongest.startswith("E -> Pv: +0.5")
    assert strongest.endswith(" in running against still")  # a model that is told the states: no test
    assert len(others) == 2
    ungrouped = describe(
        dynamic.session, summarise_dynamics(dynamic, top_k=6, states=states_of(dynamic.session, NAMES))
    )
    assert len(ungrouped) == 3
    assert re.fullmatch(r"n\d -> n[15]: \+0\.\d+ \+- 0\.2\d over time, \+0\.\d+ in running, \S+ in still", ungrouped[0])
    (alone,) = describe(dynamic.session, summarise_dynamics(dynamic, top_k=1))
    assert alone.endswith(" over time")


def test_states_are_drawn_in_the_same_colours():
    dynamic = planted()
    blocks = summarise_dynamics(
        dynamic, top_k=1, states=states_of(dynamic.session, NAMES), group_by="cell_type"
    ).blocks.blocks
    figure = draw_state_blocks(blocks, "demo")
    panels = [ax for ax in figure.axes if ax.get_xlabel() == "sender"]
    assert [ax.get_title().split("\n")[0] for ax in panels] == ["running", "still"]
    assert len({ax.images[0].get_clim() for ax in panels}) == 1
    for ax, (_, rows) in zip(panels, blocks.groupby("state", sort=False), strict=True):
        matrix = rows.pivot(index="receiver", columns="sender", values="mean_weight").to_numpy()
        np.testing.assert_allclose(ax.images[0].get_array(), matrix)
        assert len(ax.texts) == (rows["q"] < 0.05).sum()


def test_refuses_before_anything_is_written(tmp_path):
    hasty = recorded(200, "hasty", torch.arange(200) // W % 2)
    sessions = [recorded().standardise(), hasty.standardise()]
    sessions[0].plane = torch.arange(N)
    run = Run.of(Planted(sessions), sessions)
    for arguments, message in (
        ({"top_k": 0}, "top_k >= 1 .got 0"),
        ({"states": ["walking"]}, "among the behaviours running, still, asleep .got walking"),
        ({"states": ["running", "still"]}, "within one state of session 'hasty' .got none"),
        ({"group_by": "cell_type"}, "Expected states with the groups of 'cell_type'"),
        ({"states": ["running"], "group_by": "plane"}, "got 'plane', there are: cell_type.; fields"),
    ):
        with pytest.raises(ValueError, match=message):
            list(save_dynamics(run, tmp_path / "out", **arguments))
    assert not (tmp_path / "out").exists()


def test_refuses_a_field_that_groups_nobody():
    many = Session(
        torch.randn(60, 80), torch.ones(80, 1), bin_size=0.1, behaviour_name=["on"], depth=torch.arange(60.0)
    )
    run = Run.of(Planted([many]), [many])
    with pytest.raises(ValueError, match="at most 50 groups of neurons"):
        next(save_dynamics(run, "never", states=["on"], group_by="depth"))


@pytest.mark.parametrize(
    ("model", "arguments"),
    [
        ("synapsnet", ["--model-args.modulation", "true", "--model-args.hidden_size", 5]),
        ("netformer", ["--model-args.embedding_dim", 4]),
    ],
)
def test_from_the_command_line(capsys, tmp_path, model, arguments):
    recorded().save(tmp_path / "demo.h5")
    fit = ["fit", tmp_path / "demo.h5", "--model", model, "--out", tmp_path / "run", "--preset", "fast", "--epochs", 1]
    assert run(capsys, *fit, "--window", W, *arguments)[0] == 0
    dynamics, out = ["dynamics", tmp_path / "run", "--out"], tmp_path / "out"
    options = ["--states", "still,running", "--group-by", "cell_type", "--top-k", 5, "--save"]
    status, told, error = run(capsys, *dynamics, out, *options)
    assert status == 0, error
    files = {path.name for path in out.iterdir()}
    assert files == {
        "demo-mean.npz", "demo-changing-edges.csv", "demo-changing-edges-traces.csv", "demo-states.npz",
        "demo-state-blocks.csv", "demo-state-blocks.png", "demo-state-differences.csv", "demo-dynamic.h5",
    }  # fmt: skip
    assert all(f"written to {out / name}: " in told for name in files)
    assert sum(line.startswith("demo: ") for line in told.splitlines()) == 3
    assert told.splitlines()[-1].endswith(
        f"not tested; to test the recording: synapsnet compare {tmp_path / 'run'} --states still,running "
        f"--out {out} --group-by cell_type"
    )

    fitted = Run.load(tmp_path / "run")
    train = fitted.split()["demo"].train
    every = torch.cat([batch.connectivity for batch in DynamicConnectivity(fitted.model, train)]).double()
    deviation = every.std(0, correction=0)
    torch.testing.assert_close(
        read_connectivity(out / "demo-mean.npz", train).double(), every.mean(0), atol=1e-6, rtol=1e-5
    )
    with np.load(out / "demo-mean.npz", allow_pickle=False) as file:
        np.testing.assert_allclose(file["deviation"], deviation, atol=1e-6)
    edges = pd.read_csv(out / "demo-changing-edges.csv")
    states = ["weight_still", "weight_running"]
    assert list(edges) == [
        "source", "target", "weight", "deviation", *states, "source_cell_type", "target_cell_type"
    ]  # fmt: skip
    traces = pd.read_csv(out / "demo-changing-edges-traces.csv")
    assert traces["bin"].tolist() == list(range(W - 1, train.num_bins - 1))
    assert traces["seconds"].tolist() == pytest.approx([0.25 * bin for bin in traces["bin"]])
    assert [f"{row.source} -> {row.target}" for row in edges.itertuples()] == traces.columns[2:].tolist()
    for row in edges.itertuples():
        i, j = int(row.target[1:]), int(row.source[1:])
        np.testing.assert_allclose(traces[f"{row.source} -> {row.target}"], every[:, i, j], atol=1e-6)
        assert row.deviation == pytest.approx(float(deviation[i, j]), abs=1e-6)
    assert edges["deviation"].min() >= deviation.fill_diagonal_(0).flatten().topk(6).values[5] - 1e-9
    with np.load(out / "demo-states.npz", allow_pickle=False) as file:
        assert file["state"].tolist() == ["still", "running"]
        assert file["connectivity"].shape == (2, N, N)
        blocks = pd.read_csv(out / "demo-state-blocks.csv").query("sender == 'E' and receiver == 'Pv'")
        means = [file["connectivity"][s][np.ix_([1, 5], [0, 2, 4])].mean() for s in range(2)]
    assert blocks.set_index("state")["mean_weight"][["still", "running"]].tolist() == pytest.approx(means, abs=1e-6)
    with h5py.File(out / "demo-dynamic.h5", "r") as file:
        np.testing.assert_allclose(file["connectivity"], every, atol=1e-6)

    status, told, _ = run(capsys, *dynamics, tmp_path / "bare")
    assert status == 0
    assert {path.name for path in (tmp_path / "bare").iterdir()} == {
        "demo-mean.npz", "demo-changing-edges.csv", "demo-changing-edges-traces.csv"
    }  # fmt: skip
    for options, wanted in (
        (["--states", "walking"], "got walking"),
        (["--states", "asleep"], "within one state of session 'demo'"),
        (["--states", "still", "--group-by", "layer"], "got 'layer', there are: cell_type"),
        (["--group-by", "cell_type"], "Expected states with the groups"),
        (["--top-k", "0"], "top_k >= 1"),
        (["--top-k", "many"], "a whole number"),
    ):
        status, told, error = run(capsys, *dynamics, tmp_path / "never", *options)
        assert (status, told, error.count("\n")) == (2, "", 1)
        assert wanted in error
    assert not (tmp_path / "never").exists()


def test_the_old_name_works_and_says_so(capsys, tmp_path):
    recorded().save(tmp_path / "demo.h5")
    assert run(capsys, "fit", tmp_path / "demo.h5", "--model", "copy", "--out", tmp_path / "run")[0] == 0
    status, told, error = run(capsys, "changes", tmp_path / "run", "--out", tmp_path / "out")
    assert (status, error) == (
        0,
        "synapsnet: 'changes' is the old name of 'dynamics', which will go; use the new one\n",
    )
    assert told == run(capsys, "dynamics", tmp_path / "run", "--out", tmp_path / "out")[1]
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "changes" not in capsys.readouterr().out.replace("exchanges", "")


@pytest.mark.parametrize("anchor", ["mean", "copy", "var1"])
def test_says_when_nothing_changes(capsys, tmp_path, anchor):
    recorded().save(tmp_path / "demo.h5")
    assert run(capsys, "fit", tmp_path / "demo.h5", "--model", anchor, "--out", tmp_path / "run")[0] == 0
    options = ["--states", "running,still", "--group-by", "cell_type"]
    status, told, _ = run(capsys, "dynamics", tmp_path / "run", "--out", tmp_path / "out", *options)
    assert status == 0
    assert told.splitlines()[-2] == "demo: the connectivity of this model does not change in time"


@pytest.mark.slow
def test_from_a_public_set_to_the_states_of_its_cell_types(capsys, tmp_path):
    random = np.random.default_rng(0)
    for session in write_bugeon(tmp_path / "mice", frames=160).values():
        for stimulus in session.runs:
            states = np.repeat(random.integers(0, 3, 20), 8)[:, None].astype(float)
            np.save(tmp_path / "mice" / session.mouse / session.date / stimulus / "frame.states.npy", states[:160])
    root, sessions = tmp_path / "mice", tmp_path / "sessions"
    prepare = ["prepare", "bugeon", root, "--stimulus", "spontaneous", "--set-args.states", "true", "--out", sessions]
    assert run(capsys, *prepare)[0] == 0
    fit = ["fit", sessions, "--model", "netformer", "--out", tmp_path / "run", "--preset", "fast", "--epochs", 1]
    assert run(capsys, *fit, "--window", W, "--model-args.embedding_dim", 4)[0] == 0
    options = ["--states", "running,desynchronised,synchronised", "--group-by", "subclass", "--top-k", 3]
    status, told, error = run(capsys, "dynamics", tmp_path / "run", "--out", tmp_path / "out", *options)
    assert status == 0, error
    assert len(list((tmp_path / "out").glob("SB0*-state-blocks.png"))) == 4
    lines = [line for line in told.splitlines() if line.startswith("SB030-2020-01-08: ")]
    assert len(lines) == 3
    assert all(re.search(r": \w+ -> \w+: \S+ in (running|desynchronised) against \w+$", line) for line in lines)
    status, told, error = run(
        capsys, "dynamics", tmp_path / "run", "--out", tmp_path / "never", "--states", "pupil size"
    )
    assert (status, told) == (2, "")
    assert "Expected behaviour 'pupil size' of 0 and 1" in error
