import json

import numpy as np
import pytest

from synapsnet_pyg import Session
from synapsnet_pyg.intake.recording import Selection
from synapsnet_pyg.readers.reader import find_recordings
from synapsnet_pyg.readers.spike_prophecy import SpikeProphecyReader

random = np.random.default_rng(0)
COUNTS = [random.poisson(0.4, (3, 40)).astype(np.uint8), random.poisson(0.4, (4, 50)).astype(np.uint8)]


@pytest.fixture
def folder(tmp_path):
    """Two sessions as build_combined_cache.py of SpikeProphecy writes them, the second with its axes exchanged."""
    sessions = []
    files = ["data\\raw\\sub-Cori_ses-1.nwb", "4ecb5d24"]
    for i, (counts, file) in enumerate(zip(COUNTS, files, strict=True)):
        np.save(tmp_path / f"session_{i:03d}.npy", counts if i == 0 else counts.T)
        np.save(tmp_path / f"session_{i:03d}_covariates.npy", np.zeros((counts.shape[1], 2)))
        units, bins = counts.shape
        sessions.append({"index": i, "file": file, "npy_file": "elsewhere", "num_units": units, "num_bins": bins})
        sessions[i] |= {"duration_s": bins / 20, "split_boundaries": {"train_end": 28, "val_end": 34}}
        sessions[i] |= {"brain_regions": ["VISp", "CA1", "VISp"] if i == 0 else None}
    sessions[0]["quality"] = ["good", "good", "mua"]
    metadata = {"num_sessions": 2, "m_max": 4, "history_bins": 10, "bin_width_ms": 50.0, "sessions": sessions}
    (tmp_path / "metadata.json").write_text(json.dumps(metadata, indent=2))
    return tmp_path


def read(path, **choices):
    selection = Selection(**choices)
    return Session.from_recording(SpikeProphecyReader().read(path, path.stem, selection), selection)


def changed(folder, **values):
    metadata = json.loads((folder / "metadata.json").read_text())
    (folder / "metadata.json").write_text(json.dumps(metadata | values))


def test_each_file_of_counts_is_a_session(folder):
    found = find_recordings(folder, [SpikeProphecyReader()])
    assert list(found) == ["session_000", "session_001"]
    for own, counts in zip(found.values(), COUNTS, strict=True):
        session = read(own.path)
        np.testing.assert_array_equal(session.activity, counts)
        assert session.bin_size == 0.05
        assert SpikeProphecyReader().files(own.path) == [own.path, folder / "metadata.json"]


def test_names_areas_and_quality_are_those_of_the_metadata(folder):
    session = read(folder / "session_000.npy")
    assert session.neuron_id == [f"sub-Cori_ses-1/{i}" for i in range(3)]
    assert (session.area, session.quality) == (["VISp", "CA1", "VISp"], ["good", "good", "mua"])
    assert "published parts: training ends at bin 28, validation at 34" in session.notes
    assert read(folder / "session_000.npy", where="quality==good").neuron_id == session.neuron_id[:2]
    assert read(folder / "session_001.npy").neuron_id[3] == "4ecb5d24/3"


def test_joined_bins_add_up(folder):
    session = read(folder / "session_000.npy", rebin=4)
    np.testing.assert_array_equal(session.activity, COUNTS[0].reshape(3, 10, 4).sum(2))
    assert session.bin_size == 0.2


def test_describes_by_headers(folder):
    rows = dict(SpikeProphecyReader().describe(folder / "session_000.npy"))
    assert (rows["units"], rows["bins"], rows["fields"]) == ("3", "40 of 0.05 s", "area, quality")


def test_counts_of_another_version(folder):
    np.save(folder / "session_000.npy", COUNTS[1])
    with pytest.raises(ValueError, match=r"counts of 3 units in 40 bins .*got shape \[4, 50\]"):
        read(folder / "session_000.npy")
    np.save(folder / "session_002.npy", COUNTS[1])
    with pytest.raises(ValueError, match=r"a session of index 2"):
        read(folder / "session_002.npy")


def test_damaged_metadata(folder):
    changed(folder, bin_width_ms=0)
    with pytest.raises(ValueError, match=r"'bin_width_ms' above 0"):
        read(folder / "session_000.npy")
    text = (folder / "metadata.json").read_text()
    (folder / "metadata.json").write_text(text[:-5])
    assert SpikeProphecyReader().recognises(folder / "session_000.npy")
    with pytest.raises(ValueError, match=r"damaged, cut short or of another form"):
        read(folder / "session_000.npy")
    (folder / "metadata.json").write_text("{}")
    assert not SpikeProphecyReader().recognises(folder / "session_000.npy")


def test_pickled_counts_are_refused(folder):
    np.save(folder / "session_000.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match=r"pickled objects, which are never read"):
        read(folder / "session_000.npy")
