"""Options that are proposed for unknown files are typed as they stand, and give the numbers."""

import re
import shlex
from pathlib import Path

import h5py
import numpy as np
import pandas
import pytest
import scipy.io
from lab_arrays import session_of
from matlab73 import Cell, write_v73

from synapsnet_pyg.intake.notes import DataWarning
from synapsnet_pyg.readers.array_files import ArrayFile
from synapsnet_pyg.readers.arrays import ArrayKeys, ArraysReader
from synapsnet_pyg.readers.proposal import propose

random = np.random.default_rng(0)
N, T, K = 5, 40, 3
COUNTS = random.poisson(1.0, (N, T))
TRIALS = random.poisson(1.0, (K, N, T))
TRAINS = [np.sort(random.uniform(0, 9, n)) for n in (30, 12, 55)]
AREA = np.array(["CA1", "CA3", "CA1", "DG", "DG"])
SPEED, CLOCK = random.standard_normal(T), np.arange(T) * 0.1


def typed(path: Path, options: str, **values: str):
    """Reads a file with options as they stand; words in capitals are replaced."""
    for word, value in values.items():
        options = options.replace(word, value)
    assert not re.search(r"\b[A-Z]{4,}\b", options), options
    words = shlex.split(options)
    given = {name[2:].replace("-", "_"): value for name, value in zip(words[::2], words[1::2], strict=True)}
    fields = {label: given.pop(option) for label, option in
              (("area", "areas"), ("cell_type", "types"), ("position", "positions")) if option in given}  # fmt: skip
    axes = given.pop("axes", "").split(",") if "axes" in given else []
    keys = {key: given.pop(key) for key in list(given) if key in ArrayKeys.__dataclass_fields__}
    selection = {
        "behaviour": given.pop("behaviour", "").split(",") if "behaviour" in given else (),
        "where": given.pop("where", None),
        **{key: float(value) for key, value in given.items()},
    }
    return session_of(path, ArrayKeys(**keys, axes=axes, fields=fields), "lab", **selection)


def proposed(path: Path) -> str:
    with ArrayFile(path) as file:
        return propose(file).options()


def write(path: Path, **arrays) -> Path:
    if path.suffix == ".mat":
        cells = {k: v.astype(object) if np.asarray(v).dtype.kind == "U" else v for k, v in arrays.items()}
        scipy.io.savemat(path, cells)
    elif path.suffix == ".h5":
        with h5py.File(path, "w") as file:
            for key, value in arrays.items():
                file[key] = np.asarray(value).astype("S") if np.asarray(value).dtype.kind == "U" else value
    else:
        np.savez(path, **arrays)
    return path


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("suffix", [".npz", ".mat", ".h5"])
def test_counts_with_behaviour_areas_and_a_clock(tmp_path, suffix, turned):
    activity = COUNTS.T if turned else COUNTS
    path = write(tmp_path / f"a{suffix}", counts=activity, speed=SPEED, brain_area=AREA, times=CLOCK)
    session = typed(path, proposed(path))
    np.testing.assert_array_equal(session.activity, COUNTS)
    np.testing.assert_allclose(session.behaviour[:, 0], SPEED, rtol=1e-6)
    assert session.area == AREA.tolist()
    assert session.bin_size == pytest.approx(0.1)


@pytest.mark.parametrize("suffix", [".npz", ".mat"])
def test_more_neurons_than_bins_by_what_names_them(tmp_path, suffix):
    path = write(
        tmp_path / f"a{suffix}",
        dff=COUNTS.T + np.arange(N) / 2,
        region=np.array([f"r{i}" for i in range(T)]),
        v=SPEED[:N],
    )
    options = proposed(path)
    assert "--axes neuron,bin" in options
    assert options.endswith("--bin-size SECONDS")
    with pytest.warns(DataWarning, match="more neurons"):
        session = typed(path, options, SECONDS="0.2")
    assert (session.num_neurons, session.num_bins, session.bin_size) == (T, N, 0.2)


@pytest.mark.parametrize("axes", ["neuron,bin,trial", "trial,neuron,bin", "bin,neuron,trial"])
def test_trials_by_the_lengths_of_other_arrays(tmp_path, axes):
    stored = TRIALS.transpose([("trial", "neuron", "bin").index(axis) for axis in axes.split(",")])
    path = write(tmp_path / "a.npz", spks=stored, contrast=np.arange(float(K)), brain_area=AREA, time=CLOCK)
    options = proposed(path)
    assert f"--axes {axes}" in options
    session = typed(path, options)
    np.testing.assert_array_equal(session.activity, np.concatenate(TRIALS, axis=1))
    assert len(session.segment) == K
    np.testing.assert_allclose(session.behaviour[:, 0], np.repeat(np.arange(float(K)), T))


def cells(entries):
    own = np.empty((1, len(entries)), dtype=object)
    own[0] = entries
    return own


def group(path):
    with h5py.File(path, "w") as file:
        for i, train in enumerate(TRAINS):
            file[f"spikes/{i}"] = train


FOUND = {
    "a.mat": lambda p: scipy.io.savemat(p, {"spikes": cells(TRAINS)}),
    "b.mat": lambda p: write_v73(p, {"spk": Cell(TRAINS), "note": ""}),
    "c.h5": group,
    "d.npz": lambda p: np.savez(p, **{f"unit_{i}": train for i, train in enumerate(TRAINS)}),
    "e.npz": lambda p: np.savez(
        p, spike_times=np.concatenate(TRAINS), spike_clusters=np.repeat([0, 1, 2], [30, 12, 55])
    ),
    "f.npz": lambda p: np.savez(p, spike_times=np.concatenate(TRAINS), spike_times_index=np.cumsum([30, 12, 55])),
    "g.csv": lambda p: pandas.DataFrame(
        {"time": np.concatenate(TRAINS), "unit": np.repeat([0, 1, 2], [30, 12, 55])}
    ).to_csv(p, index=False),
    "h.parquet": lambda p: pandas.DataFrame({"id": [0, 1, 2], "spike_times": TRAINS}).to_parquet(p),
}


@pytest.mark.parametrize("name", FOUND)
def test_spikes_are_clear_without_options(tmp_path, name):
    path = tmp_path / name
    FOUND[name](path)
    for session in (session_of(path, None, "lab", bin_size=0.1), typed(path, proposed(path) + " --bin-size 0.1")):
        assert session.activity.sum(1).tolist() == pytest.approx([30, 12, 55], abs=1)
    with ArrayFile(path) as file:
        assert propose(file).command(path).startswith(f"synapsnet convert {path} ")
    assert any("spike times" in note for note in session_of(path, None, "lab").notes)


def test_ticks_are_asked_about_unless_the_file_says(tmp_path):
    samples, owner = np.sort(random.integers(0, 300_000, 200)), random.integers(0, 4, 200)
    path = write(tmp_path / "a.npz", spike_times=samples, unit=owner)
    assert proposed(path).endswith("--sampling-rate HZ")
    with pytest.raises(ValueError, match="--spike-times spike_times --spike-neuron unit --sampling-rate HZ"):
        session_of(path, None)
    session = session_of(path, None, sampling_rate=30_000)
    path = write(tmp_path / "b.npz", spike_times=samples, unit=owner, fs=30_000.0)
    assert "--sampling-rate 30000" in proposed(path)
    np.testing.assert_array_equal(session_of(path, None).activity, session.activity)


def test_spikes_with_behaviour_on_a_clock(tmp_path):
    path = write(
        tmp_path / "a.npz", spike_times=np.concatenate(TRAINS), spike_neuron=np.repeat([0, 1, 2], [30, 12, 55]),
        position_x=np.arange(90.0), position_time=np.arange(90) * 0.1,
    )  # fmt: skip
    options = proposed(path)
    assert "--behaviour position_x --behaviour-times position_time" in options
    session = typed(path, options)
    assert session.behaviour_name == ["position_x"]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_wide_tables_with_a_clock_are_clear(tmp_path, suffix):
    frame = pandas.DataFrame({"time": CLOCK} | {f"cell{i}": row for i, row in enumerate(COUNTS)})
    path = tmp_path / f"a{suffix}"
    frame.to_csv(path, index=False) if suffix == ".csv" else frame.to_parquet(path)
    session = session_of(path, None, "lab")
    np.testing.assert_array_equal(session.activity, COUNTS)
    assert session.neuron_id == [f"lab/cell{i}" for i in range(N)]
    frame["speed"] = SPEED
    frame.to_csv(path, index=False) if suffix == ".csv" else frame.to_parquet(path)
    assert "--activity table --times time --behaviour speed" in proposed(path)
    with pytest.raises(ValueError, match="--behaviour speed"):
        session_of(path, None)
    for session in (typed(path, proposed(path)), session_of(path, None, behaviour=["speed"])):
        np.testing.assert_array_equal(session.activity, COUNTS)
        np.testing.assert_allclose(session.behaviour[:, 0], SPEED, rtol=1e-6)


def test_tables_without_names_in_either_order(tmp_path):
    for axes, values in (("neuron,bin", COUNTS), ("bin,neuron", COUNTS.T)):
        np.savetxt(tmp_path / "a.csv", values, delimiter=",")
        session = session_of(tmp_path / "a.csv", ArrayKeys("table", axes.split(",")), bin_size=0.1)
        np.testing.assert_array_equal(session.activity, COUNTS)


def test_cells_of_trials(tmp_path):
    trials = [random.poisson(1.0, (N, n)) for n in (7, 9, 4)]
    scipy.io.savemat(tmp_path / "a.mat", {"counts": cells(trials)})
    session = typed(tmp_path / "a.mat", proposed(tmp_path / "a.mat"), SECONDS="0.1")
    np.testing.assert_array_equal(session.activity, np.concatenate(trials, axis=1))


def test_accepted_cells_names_and_weights(tmp_path):
    path = write(
        tmp_path / "a.npz", F=COUNTS, iscell=np.array([1, 1, 0, 1, 1]), centroid=np.arange(10.0).reshape(N, 2),
        neuron_id=np.array([7, 8, 9, 10, 11]), weights=np.ones((N, N)), frame_rate=20.0,
    )  # fmt: skip
    options = proposed(path)
    for wanted in ("--where iscell==1", "--positions centroid", "--neuron-ids neuron_id", "--truth weights"):
        assert wanted in options
    assert "SECONDS" not in options
    session = typed(path, options)
    np.testing.assert_array_equal(session.activity, COUNTS[[0, 1, 3, 4]])
    assert session.neuron_id == ["7", "8", "10", "11"]
    assert session.bin_size == pytest.approx(0.05)


@pytest.mark.parametrize(
    "arrays",
    [
        {"x": np.zeros(0)}, {"x": np.array(3.0)}, {"x": np.array(["a"])}, {"x": np.zeros((2, 2, 2, 2))}, {},
        {"x": np.zeros((0, 5))}, {"x": np.zeros((1, 1))}, {"x": np.zeros((4, 4)), "y": np.zeros((4, 4))},
        {"t": np.zeros(5)}, {"spike_times": np.zeros(0), "unit": np.zeros(0, int)}, {"x": np.zeros((3, 9), complex)},
    ],
)  # fmt: skip
def test_files_of_nothing_in_particular_are_described(tmp_path, arrays):
    np.savez(tmp_path / "a.npz", **arrays)
    rows = ArraysReader().describe(tmp_path / "a.npz")
    hint = "synapsnet convert" if rows[-1][0] == "next" else "no array has numbers along neurons and bins"
    assert hint in rows[-1][1]
    with pytest.raises(ValueError, match=r"^Expected "):
        session_of(tmp_path / "a.npz", None)


def test_groups_of_groups_with_fields_of_each_neuron(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for unit, train, quality in zip((3, 20, 100), TRAINS, ("good", "mua", "good"), strict=True):
            file[f"day1/units/unit_{unit}/spike_times"] = train
            file[f"day1/units/unit_{unit}/quality"] = quality
        file["day1/behavior/speed"], file["day1/behavior/timestamps"] = np.arange(90.0), np.arange(90) * 0.1
    session = session_of(
        tmp_path / "a.h5", None, "lab", where="quality==good", behaviour=["day1/behavior"], bin_size=0.1
    )
    assert session.neuron_id == ["lab/unit_3", "lab/unit_100"]
    assert session.behaviour_name == ["day1/behavior/speed"]
    assert session.quality == ["good", "good"]


def test_times_and_whole_numbers_without_a_name_are_asked_about(tmp_path):
    path = write(tmp_path / "a.npz", t=np.concatenate(TRAINS), c=np.repeat([0, 1, 2], [30, 12, 55]))
    with pytest.raises(ValueError, match=r"Try the options --spike-times t --spike-neuron c$"):
        session_of(path, None)
    assert typed(path, proposed(path)).num_neurons == 3


def test_cells_of_cells_are_no_trials(tmp_path):
    cells = np.empty((1, 2), dtype=object)
    for k in range(2):
        cells[0, k] = np.empty((1, 3), dtype=object)
        cells[0, k][0] = [np.arange(5.0), np.arange(7.0), np.arange(4.0)]
    scipy.io.savemat(tmp_path / "a.mat", {"spk": cells})
    assert ArraysReader().describe(tmp_path / "a.mat")[-1][0] == "seems"
    with pytest.raises(ValueError, match="its cells hold cells"):
        session_of(tmp_path / "a.mat", ArrayKeys(spike_times="spk"), bin_size=0.1)


def test_axes_of_one_length_are_told(tmp_path):
    np.savez(tmp_path / "a.npz", r=np.ones((8, 8, 20)), stim=np.arange(8.0), b=np.ones((8, 20)))
    rows = ArraysReader().describe(tmp_path / "a.npz")
    assert "--axes trial,neuron,bin" in rows[-1][1]
    assert "which is which is not known" in rows[-2][1]


def test_cells_that_are_no_spikes(tmp_path):
    cells = [np.empty((1, 3), dtype=object) for _ in range(3)]
    for k, T in enumerate((20, 30, 25)):
        cells[0][0, k] = np.random.default_rng(k).poisson(0.5, (5, T)).astype(float)
        cells[1][0, k] = np.random.default_rng(k).normal(size=(T, 1))
        cells[2][0, k] = np.sort(np.random.default_rng(k).uniform(0, 9, T))
    scipy.io.savemat(tmp_path / "a.mat", {"trials": cells[0], "wander": cells[1]})
    assert "--activity trials --axes trial,neuron,bin" in ArraysReader().describe(tmp_path / "a.mat")[-1][1]
    scipy.io.savemat(tmp_path / "b.mat", {"wander": cells[1], "unit_data": cells[2]})
    session = session_of(tmp_path / "b.mat", None, bin_size=0.5)
    assert session.activity.sum() > 60


def test_a_clock_in_ticks_is_asked_about(tmp_path):
    np.savez(tmp_path / "a.npz", dff=np.random.default_rng(0).normal(size=(4, 60)), t=np.arange(60) * 33.3)
    command = ArraysReader().describe(tmp_path / "a.npz")[-1][1]
    assert "--times t --sampling-rate HZ" in command
    np.savez(tmp_path / "a.npz", dff=np.random.default_rng(0).normal(size=(4, 60)), t_ms=np.arange(60) * 33.3)
    assert "HZ" not in ArraysReader().describe(tmp_path / "a.npz")[-1][1]
