from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lab_arrays import read_arrays, read_spike_times

from synapsnet_pyg.datasets.array_files import ArrayFile
from synapsnet_pyg.datasets.numpy_files import load_lines, load_npy, load_numbers

random = np.random.default_rng(0)


def test_a_folder_of_npy_files(tmp_path):
    counts, running = random.poisson(1.0, (4, 30)), random.standard_normal(30)
    truth = random.standard_normal((4, 4))
    for key, array in {"counts": counts, "running": running, "W": truth}.items():
        np.save(tmp_path / f"{key}.npy", array)
    np.save(tmp_path / "ops.npy", np.array({}, dtype=object), allow_pickle=True)
    session = read_arrays(tmp_path, "counts", ("neuron", "bin"), 0.1, ["running"], truth="W")
    np.testing.assert_array_equal(session.activity, counts)
    np.testing.assert_allclose(session.behaviour[:, 0], running, rtol=1e-6)
    np.testing.assert_allclose(session.true_connectivity, truth, rtol=1e-6)
    with ArrayFile(tmp_path) as source:
        assert source.keys == ["W", "counts", "ops", "running"]
    with pytest.raises(ValueError, match="pickled objects, which are never read"):
        read_arrays(tmp_path, "ops", ("neuron", "bin"), 0.1)
    with pytest.raises(ValueError, match=r"key among W, counts, ops, running"):
        read_arrays(tmp_path, "spikes", ("neuron", "bin"), 0.1)
    with pytest.raises(ValueError, match=r"true weights of shape \[4, 4\]"):
        read_arrays(tmp_path, "counts", ("neuron", "bin"), 0.1, truth="running")


def test_behaviour_on_its_own_clock_and_gaps(tmp_path):
    times = np.concatenate([np.arange(20) * 0.1, 5 + np.arange(10) * 0.1])
    clock = np.linspace(-0.1, 6, 50) + random.uniform(0, 0.05, 50)
    speed = random.standard_normal(50)
    counts = random.poisson(1.0, (3, 30))
    np.savez(tmp_path / "a.npz", counts=counts, times=times, clock=clock, speed=np.stack([speed, speed**2]))
    with pytest.warns(UserWarning, match="1 gaps"):
        session = read_arrays(
            tmp_path / "a.npz", "counts", ("neuron", "bin"), behaviour=["speed"], times="times", behaviour_times="clock"
        )
    assert session.segment.tolist() == [[0, 20], [20, 30]]
    assert session.bin_size == pytest.approx(0.1)
    assert session.behaviour_name == ["speed 0", "speed 1"]
    np.testing.assert_allclose(session.behaviour[:, 0], np.interp(times, clock, speed), rtol=1e-5)
    np.testing.assert_allclose(session.behaviour[:, 1], np.interp(times, clock, speed**2), rtol=1e-5)


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
    np.savez(path, times=np.arange(10.0), ends=[4, 3], short=[1, 2], owner=np.zeros(9), none=np.zeros(0), x=np.ones(3))
    for arguments, wanted in (
        ({}, "either the end"),
        ({"spike_index": "ends"}, "rising ends up to 10 spikes in 'ends'"),
        ({"spike_index": "short"}, "rising ends up to 10 spikes in 'short'"),
        ({"spike_neuron": "owner"}, "neuron for each of the 10 spikes in 'owner'"),
        ({"spike_index": "ends", "behaviour": ["x"]}, "--behaviour-times"),
    ):
        with pytest.raises(ValueError, match=wanted):
            read_spike_times(path, "times", 0.1, **arguments)
    with pytest.raises(ValueError, match="Expected spikes in 'none'"):
        read_spike_times(path, "none", 0.1, spike_index="none")


def test_lines_end_either_way(tmp_path):
    path = tmp_path / "types.txt"
    path.write_bytes(b"EC\r\nSst-Chodl \r\n\r\nIN\r\n")
    assert load_lines(path) == ["EC", "Sst-Chodl", "", "IN"]
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match=r"types\.txt' is not UTF-8 text"):
        load_lines(path)


def test_numbers_only(tmp_path):
    np.save(tmp_path / "a.npy", np.ones((5, 1)))
    assert load_numbers(tmp_path / "a.npy", 1).shape == (5,)
    with pytest.raises(ValueError, match=r"3 axes in .*a\.npy"):
        load_numbers(tmp_path / "a.npy", 3)
    np.save(tmp_path / "b.npy", np.array(["x"]))
    with pytest.raises(ValueError, match=r"real numbers in .*b\.npy"):
        load_numbers(tmp_path / "b.npy")
    with pytest.raises(FileNotFoundError, match=r"c\.npy"):
        load_npy(tmp_path / "c.npy")


@settings(max_examples=50)
@given(data=st.data())
def test_an_array_file_cut_short_anywhere_is_told(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("cut")
    np.save(folder / "a.npy", np.arange(30.0))
    np.savez(folder / "b.npz", counts=np.arange(30.0).reshape(3, 10))
    for path in (folder / "a.npy", folder / "b.npz"):
        whole = path.read_bytes()
        path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
        with pytest.raises(ValueError, match=path.name) as error:
            load_npy(path) if path.suffix == ".npy" else read_arrays(path, "counts", ("neuron", "bin"), 0.1)
        assert len(str(error.value).splitlines()) == 1
