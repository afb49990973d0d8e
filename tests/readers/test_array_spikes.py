"""Spike times in every layout, against a loop over spikes."""

from itertools import pairwise

import h5py
import numpy as np
import pandas
import pytest
import scipy.io
from lab_arrays import read_arrays, read_spike_times, session_of
from matlab73 import Cell, Structs, write_v73

from synapsnet_pyg.intake.notes import DataWarning
from synapsnet_pyg.readers.arrays import ArrayKeys

random = np.random.default_rng(0)
TRAINS = [np.sort(random.uniform(0, 9, n)) for n in (30, 12, 55)]
TIMES, OWNER = np.concatenate(TRAINS), np.repeat([0, 1, 2], [30, 12, 55])
EDGES = 1.0 + 0.25 * np.arange(29)
COUNTED = [[int(((train >= a) & (train < b)).sum()) for a, b in pairwise(EDGES)] for train in TRAINS]
BINS = {"bin_size": 0.25, "start": 1.0, "stop": 8.0}


def write_group(path, names=("0", "2", "10"), inner=""):
    with h5py.File(path, "w") as file:
        for name, train in zip(names, TRAINS, strict=True):
            file[f"units/{name}{inner}"] = train


def cells():
    own = np.empty((1, 3), dtype=object)
    own[0] = TRAINS
    return own


def structs():
    units = np.empty((1, 3), dtype=[("ts", object), ("id", object)])
    for i, train in enumerate(TRAINS):
        units[0, i] = (train, f"n{i}")
    return units


def write_ragged(path):
    with h5py.File(path, "w") as file:
        trains = file.create_dataset("t", (3,), dtype=h5py.vlen_dtype(float))
        for i, train in enumerate(TRAINS):
            trains[i] = train


def padded():
    table = np.full((3, 60), np.nan)
    for row, train in zip(table, TRAINS, strict=True):
        row[: len(train)] = train
    return table


order = random.permutation(len(TIMES))
LAYOUTS = {
    "a.mat cells": (lambda p: scipy.io.savemat(p, {"t": cells()}), {"times": "t"}, None),
    "b.mat v7.3 cells": (lambda p: write_v73(p, {"t": Cell(TRAINS)}), {"times": "t"}, None),
    "c.mat structs": (lambda p: scipy.io.savemat(p, {"units": structs()}), {"times": "units/ts"}, None),
    "d.mat v7.3 structs": (
        lambda p: write_v73(p, {"units": Structs([{"ts": t} for t in TRAINS])}), {"times": "units.ts"}, None
    ),
    "e.mat struct of cells": (lambda p: scipy.io.savemat(p, {"s": {"t": cells()}}), {"times": "s/t"}, None),
    "f.h5 group": (write_group, {"times": "units"}, ["0", "2", "10"]),
    "g.h5 groups": (lambda p: write_group(p, inner="/spike_times"), {"times": "units"}, ["0", "2", "10"]),
    "h.h5 names": (lambda p: write_group(p, ("unit_1", "unit_2", "unit_12")), {"times": "units"},
                   ["unit_1", "unit_2", "unit_12"]),
    "i.h5 ragged": (write_ragged, {"times": "t"}, None),
    "j.npz names": (lambda p: np.savez(p, u3=TRAINS[0], u4=TRAINS[1], u11=TRAINS[2]), {"times": "u*"},
                    ["3", "4", "11"]),
    "k.npz padded": (lambda p: np.savez(p, t=padded()), {"times": "t"}, None),
    "l.npz padded columns": (lambda p: np.savez(p, t=padded().T), {"times": "t"}, None),
    "m.npz index": (lambda p: np.savez(p, t=TIMES, e=[30, 42, 97]), {"times": "t", "spike_index": "e"}, None),
    "n.npz ints": (lambda p: np.savez(p, t=TIMES[order], c=(OWNER * 3 + 4)[order].astype("u2")),
                   {"times": "t", "spike_neuron": "c"}, ["4", "7", "10"]),
    "o.npz floats": (lambda p: np.savez(p, t=TIMES, c=OWNER * 3.0 + 101), {"times": "t", "spike_neuron": "c"},
                     ["101", "104", "107"]),
    "p.npz texts": (lambda p: np.savez(p, t=TIMES, c=np.array(["n2", "n10", "n11"])[OWNER]),
                    {"times": "t", "spike_neuron": "c"}, ["n2", "n10", "n11"]),
    "q.npz large numbers": (lambda p: np.savez(p, t=TIMES, c=951061537 + OWNER), {"times": "t", "spike_neuron": "c"},
                            ["951061537", "951061538", "951061539"]),
    "r.h5 lazy": (lambda p: _write_pair(p), {"times": "spikes"}, ["0", "1", "2"]),
    "s.csv columns": (lambda p: pandas.DataFrame({"time": TIMES, "unit": OWNER}).to_csv(p, index=False),
                      {"times": "table"}, ["0", "1", "2"]),
    "t.parquet lists": (lambda p: pandas.DataFrame({"t": TRAINS}).to_parquet(p), {"times": "t"}, None),
    "u.mat columns": (lambda p: scipy.io.savemat(p, {"t": TIMES[:, None], "c": OWNER[:, None] + 1}),
                      {"times": "t", "spike_neuron": "c"}, ["1", "2", "3"]),
    "v.mat v7.3 columns": (lambda p: write_v73(p, {"t": TIMES, "c": OWNER + 1}),
                           {"times": "t", "spike_neuron": "c"}, ["1", "2", "3"]),
}  # fmt: skip


def _write_pair(path):
    with h5py.File(path, "w") as file:
        file["spikes/times"], file["spikes/clusters"] = TIMES, OWNER


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_counts_of_a_loop(tmp_path, layout):
    write, how, labels = LAYOUTS[layout]
    path = tmp_path / layout.split()[0]
    write(path)
    session = read_spike_times(path, name="lab", **how, **BINS)
    assert session.activity.tolist() == COUNTED
    assert session.neuron_id == [f"lab/{label}" for label in labels or ("0", "1", "2")]


@pytest.mark.parametrize("form", ["index", "neuron", "samples"])
def test_spike_times_become_counts(tmp_path, form):
    spikes = [np.sort(random.uniform(0, 9, n)) for n in (30, 12, 55)]
    clock, x = np.linspace(0, 9, 40), random.standard_normal(40)
    arrays = {"clock": clock, "x": x, "area": np.array(["CA1", "CA3", "DG"])}
    together, owner = np.concatenate(spikes), np.repeat([4, 7, 9], [30, 12, 55])
    if form == "index":
        arrays |= {"times": together, "ends": np.cumsum([30, 12, 55]).astype(np.uint8)}
        how = {"spike_index": "ends"}
    else:
        order = np.argsort(together)
        scale = 30_000 if form == "samples" else 1
        arrays |= {"times": together[order] * scale, "owner": owner[order]}
        how = {"spike_neuron": "owner", "sampling_rate": scale}
    np.savez(tmp_path / "rat.npz", **arrays)
    session = read_spike_times(
        tmp_path / "rat.npz", "times", 0.25, start=1.0, stop=8.0, behaviour=["x"], behaviour_times="clock",
        fields={"area": "area"}, **how,
    )  # fmt: skip
    edges = 1.0 + 0.25 * np.arange(29)
    for row, one in zip(session.activity, spikes, strict=True):
        assert row.tolist() == [((one >= a) & (one < b)).sum() for a, b in pairwise(edges)]
    np.testing.assert_allclose(session.behaviour[:, 0], np.interp(edges[:-1] + 0.125, clock, x), rtol=1e-5)
    assert session.area == ["CA1", "CA3", "DG"]
    assert session.neuron_id == [f"rat/{n}" for n in ((0, 1, 2) if form == "index" else (4, 7, 9))]


def test_large_numbers_of_neurons_stay_apart(tmp_path):
    np.savez(tmp_path / "a.npz", times=np.arange(9.0), owner=951061537 + np.arange(9) % 2)
    session = read_spike_times(tmp_path / "a.npz", "times", 1.0, spike_neuron="owner")
    assert session.neuron_id == ["a/951061537", "a/951061538"]


def test_spike_times_that_do_not_fit_are_told(tmp_path):
    path = tmp_path / "rat.npz"
    np.savez(
        path,
        times=np.arange(10.0),
        ends=[4, 3],
        short=[1, 2],
        lost=[np.nan, 10],
        owner=np.zeros(9),
        none=np.zeros(0),
        x=np.ones(3),
        fit=[4, 10],
    )
    for arguments, wanted in (
        ({}, "either the end"),
        ({"spike_index": "ends"}, "rising ends up to the 10 entries"),
        ({"spike_index": "short"}, "rising ends up to the 10 entries"),
        ({"spike_index": "lost"}, "a number in every entry of the ends"),
        ({"spike_neuron": "owner"}, "neuron for each of the 10 spikes in 'owner'"),
        ({"spike_index": "fit", "behaviour": ["x"]}, "--behaviour-times"),
    ):
        with pytest.raises(ValueError, match=wanted):
            read_spike_times(path, "times", 0.1, **arguments)
    with pytest.raises(ValueError, match="Expected spikes in 'none'"):
        read_spike_times(path, "none", 0.1, spike_index="none")


@pytest.mark.parametrize("first", [0, 1])
def test_neurons_without_spikes_by_fields_or_ids(tmp_path, first):
    owner = np.where(OWNER == 1, 3, OWNER) + first  # the second of four neurons is silent
    area = np.array(["a", "b", "c", "d"])
    np.savez(tmp_path / "a.npz", t=TIMES, c=owner, area=area, id=[first, first + 1, first + 2, first + 3])
    how = {"spike_neuron": "c", **BINS}
    with pytest.warns(DataWarning, match=r"rows 1\) are silent"):
        session = read_spike_times(tmp_path / "a.npz", "t", fields={"area": "area"}, **how)
    assert session.activity.tolist() == [COUNTED[0], [0] * 28, COUNTED[2], COUNTED[1]]
    assert session.area == area.tolist()
    with pytest.warns(DataWarning, match=r"rows 1\) are silent"):
        session = read_spike_times(tmp_path / "a.npz", "t", neuron_ids="id", **how)
    assert session.neuron_id == [str(first + i) for i in range(4)]


def test_ids_that_are_labels_give_the_order(tmp_path):
    np.savez(tmp_path / "a.npz", t=TIMES, c=np.array([5, 9, 7])[OWNER], id=[9, 7, 5], depth=[1.0, 2.0, 3.0])
    session = read_spike_times(
        tmp_path / "a.npz", "t", spike_neuron="c", neuron_ids="id", fields={"depth": "depth"}, **BINS
    )
    assert session.neuron_id == ["9", "7", "5"]
    assert session.activity.tolist() == [COUNTED[1], COUNTED[2], COUNTED[0]]
    assert session.depth.tolist() == [1, 2, 3]


def test_units_of_a_clock_that_the_file_states(tmp_path):
    import xarray

    data = xarray.Dataset({"t": ("spike", TIMES * 1000, {"units": "ms"}), "c": ("spike", OWNER)})
    data.to_netcdf(tmp_path / "a.nc")
    session = read_spike_times(tmp_path / "a.nc", "t", spike_neuron="c", **BINS)
    assert session.activity.tolist() == COUNTED


def test_whole_numbers_are_asked_about(tmp_path):
    samples = np.round(TIMES * 30_000).astype(int)
    np.savez(tmp_path / "a.npz", t=samples, c=OWNER)
    with pytest.raises(ValueError, match="--sampling-rate: 1000 for milliseconds"):
        read_spike_times(tmp_path / "a.npz", "t", spike_neuron="c", bin_size=0.25)
    session = read_spike_times(tmp_path / "a.npz", "t", spike_neuron="c", sampling_rate=30_000, **BINS)
    assert np.abs(session.activity.numpy() - COUNTED).sum() <= 2  # a time at an edge may be rounded over it


def test_float32_times_beside_empty_trains_stay_coarse(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["u/0"] = np.array([0.1, 0.2], np.float32)
        file["u/1"] = np.zeros(0)
    with pytest.warns(DataWarning, match="silent"):
        session = read_spike_times(tmp_path / "a.h5", "u", 0.1, start=0.0, stop=0.3)
    assert session.activity.tolist() == [[0, 1, 1], [0, 0, 0]]


def test_cells_of_neurons_and_trials_are_refused_plainly(tmp_path):
    own = np.empty((3, 2), dtype=object)
    own[:] = [[TRAINS[0], TRAINS[1]]] * 3
    scipy.io.savemat(tmp_path / "a.mat", {"t": own})
    with pytest.raises(ValueError, match=r"one cell of spike times for each neuron .* cells of \[3, 2\]"):
        read_spike_times(tmp_path / "a.mat", "t", **BINS)


def test_keys_that_exclude_each_other(tmp_path):
    for keys, message in (
        ({"spike_times": "t", "spike_index": "i", "spike_neuron": "n"}, "give one"),
        ({"spike_neuron": "n"}, "--spike-times beside"),
        ({"spike_times": "t", "axes": ["neuron", "bin"]}, "either --spike-times, or --activity"),
    ):
        with pytest.raises(ValueError, match=message):
            ArrayKeys(**keys)
    np.savez(tmp_path / "a.npz", t=TIMES, c=np.full(len(TIMES), -1))
    with pytest.raises(ValueError, match="Expected neurons"):
        session_of(tmp_path / "a.npz", ArrayKeys(spike_times="t", spike_neuron="c"))
    with pytest.raises(ValueError, match="a key among"):
        read_arrays(tmp_path / "a.npz", "nothing", ["neuron", "bin"], 0.1)
