import numpy as np
import pytest
from helpers import told
from on_disk import write_suite2p

from synapsnet_pyg.datasets.suite2p import Suite2p


def load(*arguments, **given):
    return told(lambda: Suite2p(*arguments, frame_rate=6.0, **given))


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "mouse1" / "suite2p", write_suite2p(tmp_path / "mouse1" / "suite2p")


def cells(made, stem):
    return np.concatenate([made[f"{stem}{p}"][made[f"iscell{p}"][:, 0] > 0.5][:, :89] for p in (0, 1)])


def test_cells_of_all_planes(folder):
    path, made = folder
    dataset, messages = load(path)
    session = dataset[0]
    assert any("planes have 90, 89 frames; the first 89 are kept" in one for one in messages)
    np.testing.assert_array_equal(session.activity, cells(made, "spks"))
    assert session.bin_size == pytest.approx(1 / 6)
    assert session.name == "mouse1"
    kept = [np.flatnonzero(made[f"iscell{p}"][:, 0] > 0.5) for p in (0, 1)]
    assert session.neuron_id == [f"mouse1/plane{p}/{row}" for p in (0, 1) for row in kept[p]]
    assert session.plane.tolist() == [p for p in (0, 1) for _ in kept[p]]
    corrected = load(path, activity="corrected", neuropil=0.5)[0][0]
    np.testing.assert_allclose(corrected.activity, cells(made, "F") - 0.5 * cells(made, "Fneu"), rtol=1e-5, atol=1e-4)


def test_cells_by_probability(folder):
    path, made = folder
    session = load(path, probability=0.4)[0][0]
    assert session.num_neurons == sum(int((made[f"iscell{p}"][:, 1] >= 0.4).sum()) for p in (0, 1))
    assert bool((session.cell_probability >= 0.4).all())


def test_found_from_above_or_within(folder):
    path, _ = folder
    for root in (path.parent.parent, path.parent, path, path / "plane0"):
        assert load(root)[0].names == ["mouse1"]
    write_suite2p(path.parent.parent / "mouse2" / "day3" / "suite2p")
    assert load(path.parent.parent)[0].names == ["mouse1", "mouse2-day3"]


def test_turned_arrays_are_turned_back(folder):
    path, made = folder
    np.save(path / "plane0" / "spks.npy", made["spks0"].T)
    dataset, messages = load(path)
    np.testing.assert_array_equal(dataset[0].activity, cells(made, "spks"))
    assert any("turned" in one for one in messages)


def test_says_what_is_wrong(folder, tmp_path):
    path, made = folder
    with pytest.raises(FileNotFoundError, match="no folder"):
        load(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match="found none"):
        load(tmp_path / "empty")
    with pytest.raises(FileNotFoundError, match=r"dff\.npy"):
        load(path, activity="dff")
    with pytest.raises(ValueError, match=r"stat\.npy.*pickled objects, which are never read"):
        load(path, activity="stat")
    with pytest.raises(ValueError, match="frame_rate"):
        Suite2p(path, frame_rate=0)
    np.save(path / "plane0" / "spks.npy", made["spks0"][:3])
    with pytest.raises(ValueError, match=r"6 cells of 'iscell.npy' in .*spks\.npy"):
        load(path)
