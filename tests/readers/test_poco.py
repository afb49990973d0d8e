import h5py
import numpy as np
import pytest

from synapsnet_pyg import Session
from synapsnet_pyg.intake.recording import Selection
from synapsnet_pyg.readers.poco import PocoReader

N, T, P = 4, 60, 3
random = np.random.default_rng(0)
VALUES, COMPONENTS = random.standard_normal((N, T)), random.standard_normal((P, T))


def write(path, **arrays):
    np.savez(path, M=VALUES, PC=COMPONENTS, valid_indices=np.array([True, True, False, True]), **arrays)


def read(path, **choices):
    selection = Selection(**choices)
    return Session.from_recording(PocoReader().read(path, "m", selection), selection)


def test_named_worms_with_a_clock(tmp_path):
    write(tmp_path / "0.npz", time=np.arange(T) / 2.8, neuron_names=np.array(["AVAL", "12", "RIMR", "3"]))
    assert PocoReader().recognises(tmp_path / "0.npz")
    session = read(tmp_path / "0.npz")
    np.testing.assert_allclose(session.activity, VALUES, rtol=1e-6)
    assert session.bin_size == pytest.approx(1 / 2.8)
    assert session.neuron_id == ["AVAL", "m/1", "RIMR", "m/3"]
    assert any("z-scores over the whole recording" in note for note in session.notes)
    assert read(tmp_path / "0.npz", where="valid==1").num_neurons == 3


def test_components_instead_of_neurons(tmp_path):
    write(tmp_path / "0.npz")
    session = read(tmp_path / "0.npz", activity="PC", frame_rate=2.0)
    np.testing.assert_allclose(session.activity, COMPONENTS, rtol=1e-6)
    assert session.neuron_id == [f"m/PC {i}" for i in range(P)]


def test_areas_of_mice_by_number(tmp_path):
    write(tmp_path / "0.npz", area_ids=np.array([2, 0, 3, 1]))
    assert read(tmp_path / "0.npz", frame_rate=10.0).area == ["V1", "PPC", "M2", "RSP"]


@pytest.mark.parametrize("suffix", ["npz", "h5"])
def test_areas_of_fish_by_masks(tmp_path, suffix):
    masks = {"in_l_LHb": np.array([1, 0, 0, 1], bool), "in_r_gc": np.array([0, 0, 1, 1], bool)}
    path = tmp_path / f"control_1_CNMF_compressed.{suffix}"
    if suffix == "npz":
        write(path, **masks)
    else:
        with h5py.File(path, "w") as file:
            for key, values in {"M": VALUES, **masks}.items():
                file[key] = values
    assert PocoReader().recognises(path)
    session = read(path, frame_rate=2.0)
    assert session.area == ["l_LHb", "", "r_gc", "l_LHb+r_gc"]
    assert any("z-scores" in note for note in session.notes) == (suffix == "npz")


def test_a_clock_without_even_steps_is_left_out(tmp_path):
    write(tmp_path / "0.npz", time=0.6 * np.arange(T) ** 2, neuron_names=np.array(["A", "B", "C", "D"]))
    with pytest.raises(ValueError, match=r"'time' has no even steps.*--frame-rate"):
        read(tmp_path / "0.npz")
    assert read(tmp_path / "0.npz", frame_rate=1.6).bin_size == 1 / 1.6
    assert dict(PocoReader().describe(tmp_path / "0.npz"))["next"].endswith("--frame-rate 30")


def test_pickled_arrays_are_refused(tmp_path):
    np.savez(tmp_path / "0.npz", M=np.array([{"a": 1}], dtype=object), valid_indices=np.ones(1, bool))
    with pytest.raises(ValueError, match=r"'M' of .* pickled objects, which are never read; save it .*numpy\.savez"):
        read(tmp_path / "0.npz", frame_rate=2.0)


def test_other_archives_are_none(tmp_path):
    np.savez(tmp_path / "0.npz", M=VALUES)
    assert not PocoReader().recognises(tmp_path / "0.npz")
    (tmp_path / "1.npz").write_bytes(b"PK")
    assert not PocoReader().recognises(tmp_path / "1.npz")
