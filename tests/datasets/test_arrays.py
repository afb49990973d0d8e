import warnings

import h5py
import numpy as np
import pytest
import scipy.io
import scipy.sparse
from lab_arrays import read_arrays

from synapsnet_pyg.intake.notes import DataWarning

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
