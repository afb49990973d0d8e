import warnings
from itertools import permutations

import h5py
import numpy as np
import pandas
import pytest
import scipy.io
import scipy.sparse
from lab_arrays import read_arrays, read_spike_times, session_of
from matlab73 import write_v73 as write_matlab

from synapsnet_pyg.intake.notes import DataWarning
from synapsnet_pyg.readers.arrays import ArrayKeys, ArraysReader

random = np.random.default_rng(0)
COUNTS = random.poisson(1.0, (4, 30))  # [neuron, bin]
TRIALS = random.poisson(1.0, (3, 4, 7))  # [trial, neuron, bin]
RUNNING = random.standard_normal((30, 2))
AREAS = np.array(["V1", "LM", "V1", "AL"])


def write_v73(path, arrays):
    """What MATLAB's save -v7.3 writes: axes reversed, texts as numbers, cells as references."""
    with h5py.File(path, "w") as file:
        for key, array in arrays.items():
            if array.dtype.kind == "U":
                cells = file.create_dataset(key, (1, len(array)), dtype=h5py.ref_dtype)
                for i, text in enumerate(array):
                    entry = file.create_dataset(f"#refs#/{key}{i}", data=np.array([[ord(c)] for c in text], np.uint16))
                    entry.attrs["MATLAB_class"] = np.bytes_("char")
                    cells[0, i] = entry.ref
            else:
                file[key] = array.T


def write(path, arrays):
    if path.suffix == ".npz":
        np.savez(path, **arrays)
    elif path.suffix == ".h5":
        with h5py.File(path, "w") as file:
            for key, array in arrays.items():
                file[key] = array.astype("S") if array.dtype.kind == "U" else array
    elif path.stem == "v73":
        write_v73(path, arrays)
    else:
        cells = {key: array.astype(object) if array.dtype.kind == "U" else array for key, array in arrays.items()}
        scipy.io.savemat(path, cells)


@pytest.mark.parametrize("file", ["a.npz", "a.h5", "v5.mat", "v73.mat"])
@pytest.mark.parametrize("axes", ["neuron,bin", "bin,neuron"])
def test_reads_the_same_from_every_kind_of_file(tmp_path, file, axes):
    activity = COUNTS if axes == "neuron,bin" else COUNTS.T
    position = random.standard_normal((4, 3))
    write(
        tmp_path / file, {"counts": activity, "run": RUNNING, "area": AREAS, "position": position, "one": RUNNING[:, 0]}
    )
    session = read_arrays(
        tmp_path / file,
        "counts",
        axes.split(","),
        0.05,
        ["run", "one"],
        fields={"area": "area", "position": "position"},
        name="lab",
    )
    assert np.array_equal(session.activity.numpy(), COUNTS)
    assert np.allclose(session.behaviour.numpy(), np.column_stack([RUNNING, RUNNING[:, 0]]))
    assert session.behaviour_name == ["run 0", "run 1", "one"]
    assert session.area == AREAS.tolist()
    assert np.allclose(session.position.numpy(), position)
    assert session.neuron_id == ["lab/0", "lab/1", "lab/2", "lab/3"]


def test_reads_npy(tmp_path):
    np.save(tmp_path / "a.npy", COUNTS)
    assert read_arrays(tmp_path / "a.npy", None, ["neuron", "bin"], 1.0).num_bins == 30


@pytest.mark.parametrize("axes", ["trial,neuron,bin", "trial,bin,neuron"])
def test_trials_become_segments(tmp_path, axes):
    activity = TRIALS if axes == "trial,neuron,bin" else TRIALS.transpose(0, 2, 1)
    contrast, wheel = np.array([0.0, 0.5, 1.0]), random.standard_normal((3, 7))
    np.savez(tmp_path / "a.npz", spikes=activity, contrast=contrast, wheel=wheel)
    session = read_arrays(tmp_path / "a.npz", "spikes", axes.split(","), 0.01, ["contrast", "wheel"])
    assert session.segment.tolist() == [[0, 7], [7, 14], [14, 21]]
    assert np.array_equal(session.activity.numpy(), np.concatenate(TRIALS, axis=1))
    assert np.allclose(session.behaviour[:, 0], np.repeat(contrast, 7))
    assert np.allclose(session.behaviour[:, 1], wheel.ravel())


def test_rebins_within_trials(tmp_path):
    np.savez(tmp_path / "a.npz", spikes=TRIALS, wheel=np.arange(21.0).reshape(3, 7))
    session = read_arrays(tmp_path / "a.npz", "spikes", ["trial", "neuron", "bin"], 0.01, ["wheel"], rebin=3)
    assert session.bin_size == pytest.approx(0.03)
    assert session.segment.tolist() == [[0, 2], [2, 4], [4, 6]]
    assert np.array_equal(session.activity[:, 2].numpy(), TRIALS[1][:, :3].sum(1))
    assert session.behaviour[:, 0].tolist() == [1, 4, 8, 11, 15, 18]
    mean = read_arrays(tmp_path / "a.npz", "spikes", ["trial", "neuron", "bin"], 0.01, rebin=3, rebin_by="mean")
    assert np.allclose(mean.activity * 3, session.activity)


def test_asks_where_the_behaviours_axes_are_ambiguous(tmp_path):
    square = random.standard_normal((30, 30))
    np.savez(tmp_path / "a.npz", a=COUNTS, b=square)
    with pytest.raises(ValueError, match="--behaviour-axes bin,value or value,bin"):
        read_arrays(tmp_path / "a.npz", "a", ["neuron", "bin"], 1.0, ["b"])
    session = read_arrays(tmp_path / "a.npz", "a", ["neuron", "bin"], 1.0, ["b"], ["value", "bin"])
    assert np.allclose(session.behaviour, square.T)


def test_warns_of_neurons_and_gaps(tmp_path):
    activity = COUNTS.astype(float)
    activity[0] = 0
    activity[1] = 3
    activity[2, 5] = np.nan
    activity[:, 10:14] = np.nan
    running = RUNNING.copy()
    running[20:22, 1] = np.nan
    np.savez(tmp_path / "a.npz", a=activity, b=running, ids=[10, 11, 12, 13])
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        session = read_arrays(tmp_path / "a.npz", "a", ["neuron", "bin"], 1.0, ["b"], neuron_ids="ids")
    messages = " | ".join(str(one.message) for one in told if one.category is DataWarning)
    for wanted in (
        "4 frames hold NaN in every neuron",
        "rows 2) hold NaN",
        "rows 0) are silent",
        "rows 1) are constant",
        "'b' holds 2 NaN",
    ):
        assert wanted in messages, messages
    assert session.segment.tolist() == [[0, 10], [10, 26]]
    assert session.neuron_id == ["10", "11", "13"]
    expected = RUNNING[19, 1] + (RUNNING[22, 1] - RUNNING[19, 1]) / 3
    assert session.behaviour[16, 1].item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"activity": "spikes"}, "a key among a, area, b, odd"),
        ({"activity": None}, "key of the activity among"),
        ({"activity": "area"}, "real numbers in 'area'"),
        ({"axes": ["neuron", "time"]}, "axes among neuron,bin"),
        ({"axes": ["trial", "neuron", "bin"]}, "3 axes"),
        ({"behaviour": ["odd"]}, "axis of the activity's 30 bins"),
        ({"fields": {"area": "odd"}}, "4 entries, one for each neuron"),
        ({"rebin": 0}, "at least 1 bin"),
        ({"rebin": 31}, "shorter than the 31 frames to join"),
        ({"bin_size": -1.0}, "above 0"),
    ],
)
def test_tells_what_is_wrong(tmp_path, change, message):
    np.savez(tmp_path / "a.npz", a=COUNTS, b=RUNNING, odd=np.zeros(11), area=AREAS)
    good = {"source": tmp_path / "a.npz", "activity": "a", "axes": ["neuron", "bin"], "bin_size": 1.0}
    with pytest.raises(ValueError, match=message):
        read_arrays(**(good | change))


def test_all_neurons_with_nan_are_told(tmp_path):
    activity = COUNTS.astype(float)
    activity[np.arange(4), np.arange(4)] = np.nan
    np.savez(tmp_path / "a.npz", a=activity)
    with pytest.warns(DataWarning, match="hold NaN"), pytest.raises(ValueError, match="without NaN"):
        read_arrays(tmp_path / "a.npz", "a", ["neuron", "bin"], 1.0)


@pytest.mark.parametrize("suffix", [".npz", ".npy", ".mat", ".h5"])
def test_refuses_damaged_and_pickled_files(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(b"no such file at all" * 9)
    with pytest.raises(ValueError, match=r"a\.[a-z0-9]+' (cannot be read|is damaged)"):
        read_arrays(path, "a", ["neuron", "bin"], 1.0)
    with pytest.raises(FileNotFoundError):
        read_arrays(tmp_path / f"b{suffix}", "a", ["neuron", "bin"], 1.0)


def test_never_unpickles(tmp_path):
    np.savez(tmp_path / "a.npz", a=np.array([{"x": 1}], dtype=object))
    with pytest.raises(ValueError, match="cannot be read"):
        read_arrays(tmp_path / "a.npz", "a", ["neuron", "bin"], 1.0)
    with pytest.raises(ValueError, match="ending in"):
        read_arrays(__file__, "a", ["neuron", "bin"], 1.0)


@pytest.mark.parametrize("version", [5, 7.3])
def test_reads_sparse_matrices_of_matlab(tmp_path, version):
    path, spikes = tmp_path / "spikes.mat", scipy.sparse.csc_matrix(COUNTS.T)
    if version == 5:
        scipy.io.savemat(path, {"spikes": spikes})
    else:
        with h5py.File(path, "w") as file:
            group = file.create_group("spikes")
            group.attrs["MATLAB_sparse"] = np.uint64(len(COUNTS.T))
            group["data"], group["ir"], group["jc"] = spikes.data.astype(float), spikes.indices, spikes.indptr
    session = read_arrays(path, "spikes", ("bin", "neuron"), 0.05)
    np.testing.assert_array_equal(session.activity, COUNTS)


@pytest.mark.parametrize("shape", [(3, 4, 7), (1, 4, 7), (3, 1, 7), (3, 4, 1), (1, 1, 7)])
@pytest.mark.parametrize("axes", list(permutations(("trial", "neuron", "bin"))))
@pytest.mark.parametrize("suffix", [".npz", ".mat", "73.mat", ".h5"])
def test_every_order_of_axes_with_trials(tmp_path, suffix, axes, shape):
    trials = np.random.default_rng(1).poisson(1.0, shape) + np.arange(shape[2])  # [trial, neuron, bin]
    stored = trials.transpose([("trial", "neuron", "bin").index(axis) for axis in axes])
    path = tmp_path / f"a{suffix}"
    if suffix == "73.mat":
        write_matlab(path, {"x": stored})
    else:
        write(path, {"x": stored})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)  # of constant neurons
        session = read_arrays(path, "x", axes, 0.02)
    assert session.segment.tolist() == [[k * shape[2], (k + 1) * shape[2]] for k in range(shape[0])]
    np.testing.assert_array_equal(session.activity, trials.transpose(1, 0, 2).reshape(shape[1], -1))


@pytest.mark.parametrize(("axes", "shape"), [("neuron,bin", (1, 30)), ("bin,neuron", (30, 1)), ("neuron,bin", (30,))])
def test_one_neuron(tmp_path, axes, shape):
    np.savez(tmp_path / "a.npz", x=COUNTS[0].reshape(shape), speed=RUNNING[:, 0])
    session = read_arrays(tmp_path / "a.npz", "x", axes.split(","), 0.1, ["speed"])
    np.testing.assert_array_equal(session.activity, COUNTS[:1])
    np.testing.assert_allclose(session.behaviour[:, 0], RUNNING[:, 0], rtol=1e-6)


@pytest.mark.parametrize("dtype", ["u1", "i1", ">i2", "u8", "f2", ">f4", "f8", "?"])
def test_activity_of_every_kind(tmp_path, dtype):
    counts = (COUNTS > 0) if dtype == "?" else COUNTS
    np.savez(tmp_path / "a.npz", x=counts.astype(dtype))
    session = read_arrays(tmp_path / "a.npz", "x", ["neuron", "bin"], 0.1)
    np.testing.assert_array_equal(session.activity, counts)


def test_cells_hold_trials_of_several_lengths(tmp_path):
    lengths = (5, 9, 2)
    trials = [np.random.default_rng(n).poisson(2.0, (4, n)) for n in lengths]
    cells = np.empty((1, 3), dtype=object)
    cells[0] = trials
    speeds = np.empty((1, 3), dtype=object)
    speeds[0] = [np.arange(n) + 10.0 * n for n in lengths]
    scipy.io.savemat(tmp_path / "a.mat", {"x": cells, "speed": speeds, "contrast": [0.0, 0.5, 1.0]})
    session = read_arrays(tmp_path / "a.mat", "x", ["trial", "neuron", "bin"], 0.1, ["speed", "contrast"])
    assert session.segment.tolist() == [[0, 5], [5, 14], [14, 16]]
    np.testing.assert_array_equal(session.activity, np.concatenate(trials, axis=1))
    np.testing.assert_allclose(session.behaviour[:, 0], np.concatenate([np.arange(n) + 10.0 * n for n in lengths]))
    np.testing.assert_allclose(session.behaviour[:, 1], np.repeat([0.0, 0.5, 1.0], lengths))


def test_groups_and_tables_have_a_column_a_neuron(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for name, trace in zip(("n1", "n2", "n10", "n11"), COUNTS, strict=True):
            file[f"dff/{name}"] = trace
        file["dff/time"] = np.arange(30) * 0.1
    frame = pandas.DataFrame({"time": np.arange(30) * 0.1, "speed": RUNNING[:, 0]})
    for name, trace in zip(("n1", "n2", "n10", "n11"), COUNTS, strict=True):
        frame[name] = trace
    frame.to_csv(tmp_path / "a.csv", index=False)
    for path, key, clock, behaviour in (
        ("a.h5", "dff", "dff/time", []), ("a.csv", "table", "time", ["speed"]), ("a.csv", "n*", "time", ["speed"])
    ):  # fmt: skip
        session = read_arrays(tmp_path / path, key, ["bin", "neuron"], None, behaviour, times=clock)
        rows = [0, 1, 2, 3]
        np.testing.assert_array_equal(session.activity, COUNTS[rows])
        assert [name.split("/")[1] for name in session.neuron_id] in (
            ["n1", "n2", "n10", "n11"],
            ["1", "2", "10", "11"],
        )
        assert session.bin_size == pytest.approx(0.1)
        assert session.num_behaviours == len(behaviour)


def test_named_axes_need_no_option(tmp_path):
    xarray = pytest.importorskip("xarray")
    array = xarray.DataArray(
        TRIALS.astype(float),
        dims=("trial", "unit", "time"),
        coords={"time": ("time", np.arange(7) * 20.0, {"units": "ms"}), "unit": [f"u{i}" for i in range(4)]},
    )
    xarray.Dataset({"rate": array, "running": ("time", np.arange(7.0))}).to_netcdf(tmp_path / "a.nc")
    session = session_of(tmp_path / "a.nc", ArrayKeys())
    assert session.bin_size == pytest.approx(0.02)
    assert session.neuron_id == [f"a/u{i}" for i in range(4)]
    np.testing.assert_array_equal(session.activity, np.concatenate(TRIALS, axis=1))
    assert any("axes trial, unit, time of the file" in note for note in session.notes)


@pytest.mark.parametrize(
    ("stated", "size"),
    [({"fps": 20.0}, 0.05), ({"dt": [[0.25]]}, 0.25), ({"bin_size": 0.0, "frame_rate": 10}, 0.1)],
)
def test_the_duration_of_a_frame_by_a_number_of_the_file(tmp_path, stated, size):
    np.savez(tmp_path / "a.npz", x=COUNTS, **stated)
    session = read_arrays(tmp_path / "a.npz", "x", ["neuron", "bin"])
    assert session.bin_size == pytest.approx(size)
    assert any("of the file" in note for note in session.notes)
    assert read_arrays(tmp_path / "a.npz", "x", ["neuron", "bin"], frame_rate=50).bin_size == pytest.approx(0.02)


def test_a_file_without_a_clock_is_asked_about(tmp_path):
    np.savez(tmp_path / "a.npz", x=COUNTS, dt=np.nan, fps=0.0)
    with pytest.raises(ValueError, match="give --frame-rate or --bin-size"):
        read_arrays(tmp_path / "a.npz", "x", ["neuron", "bin"])


@pytest.mark.parametrize("form", ["of a trial", "of all", "of all, turned"])
def test_times_of_trials(tmp_path, form):
    own = np.arange(7) * 0.05
    whole = own + np.array([[0.0], [10.0], [20.0]])
    times = {"of a trial": own, "of all": whole, "of all, turned": whole.T}[form]
    np.savez(tmp_path / "a.npz", x=TRIALS, t=times, clock=np.arange(400) * 0.1, speed=np.arange(400.0))
    behaviour = {} if form == "of a trial" else {"behaviour": ["speed"], "behaviour_times": "clock"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DataWarning)  # of the gaps between trials
        session = read_arrays(tmp_path / "a.npz", "x", ["trial", "neuron", "bin"], times="t", **behaviour)
    assert session.bin_size == pytest.approx(0.05)
    assert session.segment.tolist() == [[0, 7], [7, 14], [14, 21]]
    if behaviour:
        np.testing.assert_allclose(session.behaviour[:, 0], whole.ravel() * 10, atol=1e-4)


def test_behaviour_of_texts_and_angles(tmp_path):
    state = np.array(["rest"] * 10 + ["run"] * 20)
    heading = np.full(30, 350.0)
    heading[1::2] = 20.0
    np.savez(tmp_path / "a.npz", x=COUNTS, state=state, heading=heading)
    session = read_arrays(
        tmp_path / "a.npz", "x", ["neuron", "bin"], 0.1, ["state", "heading"], circular={"heading": 360.0}, rebin=2
    )
    assert session.behaviour_name == ["state rest", "state run", "heading"]
    assert session.behaviour[:, 0].tolist() == [1.0] * 5 + [0.0] * 10
    np.testing.assert_allclose(session.behaviour[:, 2], 5.0, atol=1e-4)


def test_behaviours_with_times_beside_them(tmp_path):
    clock = np.arange(50) * 0.1
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"], file["running/timestamps"], file["running/speed"] = COUNTS, clock, clock**2
    session = read_arrays(tmp_path / "a.h5", "x", ["neuron", "bin"], 0.1, ["running"])
    assert session.behaviour_name == ["running/speed"]
    at = (np.arange(30) + 0.5) * 0.1
    np.testing.assert_allclose(session.behaviour[:, 0], np.interp(at, clock, clock**2), rtol=1e-5)
    assert any("'running/timestamps'" in note for note in session.notes)


@pytest.mark.parametrize("turned", [False, True])
def test_intervals_events_and_exclusions_are_keys(tmp_path, turned):
    trials, light = np.array([[0.0, 1.0], [1.5, 2.5], [2.6, 2.9]]), np.array([[0.4, 0.6], [1.9, 2.0], [7.0, 8.0]])
    np.savez(
        tmp_path / "a.npz", x=COUNTS, trials=trials.T if turned else trials, light=light.T if turned else light,
        licks=[0.05, 0.17, 0.18, 1.55],
    )  # fmt: skip
    session = read_arrays(
        tmp_path / "a.npz", "x", ["neuron", "bin"], 0.1, intervals="trials", exclude=["light"],
        events=["licks", "trials"],
    )  # fmt: skip
    assert session.segment.tolist() == [[0, 4], [4, 8], [8, 12], [12, 17], [17, 20]]
    kept = [*range(0, 4), *range(6, 10), *range(15, 19), *range(20, 25), *range(26, 29)]
    np.testing.assert_array_equal(session.activity, COUNTS[:, kept])
    assert session.behaviour_name == ["licks", "trials"]
    assert session.behaviour[:3, 0].tolist() == [1, 2, 0]
    assert session.behaviour[:, 1].tolist() == pytest.approx([1.0] * 20)


def test_intervals_in_groups_and_what_is_none(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["x"], file["trials/start_time"], file["trials/stop_time"] = COUNTS, [0.0, 2.0], [1.0, 2.5]
        file["licks"], file["cube"] = np.arange(5.0), np.zeros((3, 3, 3))
    session = read_arrays(tmp_path / "a.h5", "x", ["neuron", "bin"], 0.1, intervals="trials")
    assert session.segment.tolist() == [[0, 10], [10, 15]]
    for name, message in (("licks", r"starts and stops, \[n, 2\], in 'licks'"), ("cube", "times \\[n\\], or starts")):
        with pytest.raises(ValueError, match=message):
            read_arrays(tmp_path / "a.h5", "x", ["neuron", "bin"], 0.1, intervals=name)


def test_conditions_on_any_array_with_an_entry_for_each_neuron(tmp_path):
    iscell = np.array([[1, 0.9], [0, 0.1], [1, 0.6], [1, 0.4]])
    np.savez(tmp_path / "a.npz", x=COUNTS, iscell=iscell, depth=[100, 200, 300, 400], area=AREAS)
    session = read_arrays(
        tmp_path / "a.npz", "x", ["neuron", "bin"], 0.1, where="iscell==1, depth<400", fields={"area": "area"}
    )
    np.testing.assert_array_equal(session.activity, COUNTS[[0, 2]])
    assert session.area == ["V1", "V1"]
    assert session.neuron_id == ["a/0", "a/2"]
    assert any("2 of 4 neurons kept" in note for note in session.notes)
    with pytest.raises(ValueError, match=r"'quality' with an entry for each of the 4 neurons .*found area, depth, is"):
        read_arrays(tmp_path / "a.npz", "x", ["neuron", "bin"], 0.1, where="quality==good")


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet"])
def test_a_table_beside_the_arrays_joined_by_row_or_by_id(tmp_path, suffix):
    table = pandas.DataFrame({"unit_id": [9, 4, 7, 5, 1], "group": ["mua", "good", "good", "noise", "good"]})

    def save(frame):
        path = tmp_path / f"units{suffix}"
        if suffix == ".parquet":
            frame.to_parquet(path)
        else:
            frame.to_csv(path, index=False, sep="\t" if suffix == ".tsv" else ",")

    np.savez(tmp_path / "a.npz", x=COUNTS, id=[4, 5, 7, 9])
    save(table)
    how = {"neuron_table": f"units{suffix}", "where": "group==good"}
    session = read_arrays(tmp_path / "a.npz", "x", ["neuron", "bin"], 0.1, neuron_ids="id", **how)
    assert session.neuron_id == ["4", "7"]
    np.testing.assert_array_equal(session.activity, COUNTS[[0, 2]])
    with pytest.raises(ValueError, match=r"4 rows, one for each neuron, .* \(got 5; .*--neuron-ids"):
        read_arrays(tmp_path / "a.npz", "x", ["neuron", "bin"], 0.1, **how)
    save(table[:4])
    session = read_arrays(tmp_path / "a.npz", "x", ["neuron", "bin"], 0.1, **how)
    assert session.neuron_id == ["a/1", "a/2"]
    assert session.group == ["good", "good"]
    save(table[:3])
    with pytest.warns(DataWarning, match="1 of 4 neurons are not in 'unit_id'"):
        session = read_arrays(tmp_path / "a.npz", "x", ["neuron", "bin"], 0.1, neuron_ids="id", **how)
    assert session.neuron_id == ["4", "7"]


def test_a_table_of_sorted_clusters_joined_by_label(tmp_path):
    np.save(tmp_path / "t.npy", np.arange(40) / 10)
    np.save(tmp_path / "c.npy", np.arange(40) % 4 * 3 + 2)  # 2, 5, 8, 11
    (tmp_path / "labels.tsv").write_text("cluster_id\tgroup\n11\tgood\n2\tmua\n5\tgood\n3\tnoise\n8\tnoise\n")
    how = {"where": "group==good", "neuron_table": "labels.tsv"}
    session = read_spike_times(tmp_path, "t", 0.5, spike_neuron="c", name="k", start=0, **how)
    assert session.neuron_id == ["k/5", "k/11"]
    assert session.group == ["good", "good"]
    session = read_spike_times(tmp_path, "t", 0.5, spike_neuron="c", name="k", start=0, where="labels/group==good")
    assert session.neuron_id == ["k/5", "k/11"]


def test_matlab_files_of_one_struct(tmp_path):
    data = {"spikes": COUNTS, "area": AREAS.astype(object), "speed": RUNNING[:, 0]}
    scipy.io.savemat(tmp_path / "a.mat", {"data": data})
    session = read_arrays(
        tmp_path / "a.mat", "data.spikes", ["neuron", "bin"], 0.1, ["data/speed"], fields={"area": "data/area"}
    )
    assert session.area == AREAS.tolist()
    np.testing.assert_allclose(session.behaviour[:, 0], RUNNING[:, 0], rtol=1e-6)


def test_what_is_recognised(tmp_path):
    reader = ArraysReader()
    np.save(tmp_path / "counts.npy", COUNTS)
    (tmp_path / "notes.txt").write_text("no recording")
    assert reader.recognises(tmp_path)
    assert reader.recognises(tmp_path / "counts.npy")
    assert not reader.recognises(tmp_path / "notes.txt")
    (tmp_path / "many").mkdir()
    for i in range(3):
        np.save(tmp_path / "many" / f"mouse{i}.npy", COUNTS)
    assert not reader.recognises(tmp_path / "many")
    (tmp_path / "none").mkdir()
    assert not reader.recognises(tmp_path / "none")
    assert reader.files(tmp_path / "counts.npy") == [tmp_path / "counts.npy"]


def test_arrays_of_several_recordings_or_of_one(tmp_path):
    for names, one in ((("alice", "bob"), False), (("m1", "m2"), False), (("counts", "bob"), True), (("x",), True)):
        folder = tmp_path / "-".join(names)
        folder.mkdir()
        for name in names:
            np.save(folder / f"{name}.npy", COUNTS)
        assert ArraysReader().recognises(folder) is one


def test_a_table_of_spikes_is_no_activity(tmp_path):
    np.savez(tmp_path / "a.npz", spikes=np.zeros(5, [("t", float), ("unit", int)]))
    with pytest.raises(ValueError, match=r"as if of spikes.*--spike-times"):
        read_arrays(tmp_path / "a.npz", "spikes", ["neuron", "bin"], 0.1)


def test_a_description_reads_no_large_array(tmp_path, monkeypatch):
    np.lib.format.open_memmap(tmp_path / "pc_features.npy", "w+", np.float32, (50_000, 3, 8))
    np.savez(tmp_path / "odd.npz", odd=np.array([None], dtype=object))
    np.save(tmp_path / "counts.npy", COUNTS)
    monkeypatch.setattr("synapsnet_pyg.readers.array_files.ArrayFile.get", None)
    rows = dict(ArraysReader().describe(tmp_path))
    assert rows["pc_features"] == "float32 [50000, 3, 8], first entries 0 to 0"
    assert rows["counts"].startswith("int64 [4, 30], 0 to ")
    assert rows["odd/odd"].startswith("cannot be read: it holds pickled objects, which are never read; save it as")
    assert "synapsnet convert" in rows["next"]


def test_masks_of_frames_are_left_out_and_are_no_times(tmp_path):
    mask = np.zeros(30, dtype=bool)
    mask[10:13] = True
    np.savez(tmp_path / "a.npz", x=COUNTS, light=mask, other=mask[:20].astype(int))
    with pytest.warns(DataWarning, match="3 frames hold NaN in every neuron"):
        session = read_arrays(tmp_path / "a.npz", "x", ["neuron", "bin"], 0.1, exclude=["light"])
    assert session.segment.tolist() == [[0, 10], [10, 27]]
    np.testing.assert_array_equal(session.activity, COUNTS[:, ~mask])
    assert "3 frames that 'light' marks are left out" in session.notes
    for options in ({"exclude": ["other"]}, {"events": ["light"]}, {"intervals": "light"}):
        with pytest.raises(ValueError, match="zeros and ones alone, as if for each frame"):
            read_arrays(tmp_path / "a.npz", "x", ["neuron", "bin"], 0.1, **options)


def test_edges_of_bins(tmp_path):
    edges = np.arange(31) * 0.2
    np.savez(tmp_path / "a.npz", x=COUNTS, bin_edges=edges, times=edges)
    session = read_arrays(tmp_path / "a.npz", "x", ["neuron", "bin"], times="bin_edges")
    assert session.bin_size == pytest.approx(0.2)
    with pytest.raises(ValueError, match=r"a time for each of the 30 bins .*got \[31\]"):
        read_arrays(tmp_path / "a.npz", "x", ["neuron", "bin"], times="times")


def test_events_in_tables_by_onset_and_duration(tmp_path):
    np.save(tmp_path / "x.npy", COUNTS)
    (tmp_path / "trials.tsv").write_text("onset\tduration\tkind\n0.5\t1\ta\n2\t0.5\tb\n")
    (tmp_path / "licks.csv").write_text("onset,volume\n0.55,2\n2.25,2\n")
    session = read_arrays(
        tmp_path, "x", ["neuron", "bin"], 0.1, intervals="trials", events=["licks", "trials"], name="lab"
    )
    assert session.segment.tolist() == [[0, 10], [10, 15]]
    assert np.flatnonzero(session.behaviour[:, 0]).tolist() == [0, 12]
    assert session.behaviour[:, 1].tolist() == pytest.approx([1] * 15)
