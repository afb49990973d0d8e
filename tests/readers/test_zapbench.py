import itertools
import json

import numpy as np
import pytest

from synapsnet_pyg import Session
from synapsnet_pyg.intake.recording import Selection
from synapsnet_pyg.readers.reader import find_recordings
from synapsnet_pyg.readers.zapbench import CONDITIONS, FRAME_DURATION, ZapBenchReader

T, N, K = 7879, 5, 3
TRACES = np.random.default_rng(0).standard_normal((T, N)).astype(np.float32)
STIMULI = np.random.default_rng(1).standard_normal((T, K))
LITTLE = {"name": "bytes", "configuration": {"endian": "little"}}


def write(path, values, driver, chunks=(2000, 2)):
    """An array as tensorstore writes it: shards of compressed chunks in Zarr 3."""
    tensorstore = pytest.importorskip("tensorstore")
    dtype = values.dtype.name
    if driver == "zarr":
        metadata = {"shape": values.shape, "chunks": chunks, "dtype": values.dtype.str}
    else:
        inner = [LITTLE, {"name": "gzip", "configuration": {"level": 1}}]
        index = [LITTLE, {"name": "crc32c"}]
        shards = {"chunk_shape": chunks, "codecs": inner, "index_codecs": index}
        metadata = {
            "shape": values.shape,
            "data_type": dtype,
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [2 * chunk for chunk in chunks]}},
            "codecs": [{"name": "sharding_indexed", "configuration": shards}],
        }
    place = {"driver": "file", "path": str(path)}
    array = tensorstore.open({"driver": driver, "kvstore": place, "metadata": metadata}, create=True).result()
    array[...] = values


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "20240930"
    write(folder / "traces", TRACES, "zarr3")
    write(folder / "stimuli_features", STIMULI, "zarr")
    return folder


def read(path, **choices):
    selection = Selection(**choices)
    return Session.from_recording(ZapBenchReader().read(path, "fish", selection), selection)


def test_conditions_follow_each_other_and_taxis_is_held_out():
    assert CONDITIONS[0].start == 0
    assert all(first.stop == second.start for first, second in itertools.pairwise(CONDITIONS))
    assert [(c.name, c.start, c.stop) for c in CONDITIONS if c.held_out] == [("taxis", 3078, 3735)]
    assert (len(CONDITIONS), CONDITIONS[-1].stop) == (9, T)


@pytest.mark.parametrize(("driver", "chunks"), [("zarr3", (2000, 2)), ("zarr", (400, 3)), ("zarr", (1, N))])
def test_bins_are_frames_and_segments_are_conditions(tmp_path, driver, chunks):
    if chunks[0] == 1:
        chunks = (50, N)  # frames that are stored together are read together
    write(tmp_path / "traces", TRACES, driver, chunks)
    assert ZapBenchReader().recognises(tmp_path / "traces")
    session = read(tmp_path / "traces")
    np.testing.assert_array_equal(session.activity, TRACES.T)
    assert session.segment.tolist() == [[c.start, c.stop] for c in CONDITIONS]
    assert (session.bin_size, session.neuron_id[4]) == (FRAME_DURATION, "zapbench/4")
    assert any("taxis 3078-3735 (held out), turning 3735-5047" in note for note in session.notes)


def test_the_traces_are_held_once(folder):
    recording = ZapBenchReader().read(folder / "traces", "fish", Selection())
    session = Session.from_recording(recording)
    assert np.shares_memory(session.activity.numpy(), recording.activity.values)


def test_stimuli_beside_the_traces_are_a_behaviour_and_no_recording(folder):
    found = find_recordings(folder.parent, [ZapBenchReader()])
    assert {name: own.path for name, own in found.items()} == {"20240930": folder / "traces"}
    session = read(folder / "traces", behaviour=["stimuli_features"])
    np.testing.assert_allclose(session.behaviour, STIMULI, rtol=1e-6)
    assert len(ZapBenchReader().files(folder / "traces")) == 2


def test_one_condition_is_its_frames(folder):
    session = read(folder / "traces", intervals="taxis")
    np.testing.assert_array_equal(session.activity, TRACES[3078:3735].T)
    assert read(folder / "traces", exclude=["taxis"]).num_bins == T - 657
    assert read(folder / "traces", intervals="conditions").segment.tolist() == read(folder / "traces").segment.tolist()


def test_describes_by_the_header(folder):
    rows = dict(ZapBenchReader().describe(folder / "traces"))
    assert rows["neurons"] == "5"
    assert rows["behaviour"] == "stimuli_features, 3 columns"
    assert rows["next"].startswith("synapsnet convert")


def test_other_folders_are_no_traces(tmp_path):
    for shape in ([T - 1, N], [T, N, 2], "T"):
        (tmp_path / "zarr.json").write_text(json.dumps({"shape": shape}))
        assert not ZapBenchReader().recognises(tmp_path)
    assert not ZapBenchReader().recognises(tmp_path / "none")


def test_names_that_there_are_not(folder, tmp_path):
    with pytest.raises(ValueError, match=r"behaviour among stimuli_features of .*got 'speed'"):
        read(folder / "traces", behaviour=["speed"])
    with pytest.raises(ValueError, match=r"intervals among conditions, gain, .*got 'trials'"):
        read(folder / "traces", intervals="trials")


def test_a_missing_chunk_is_no_silence(tmp_path):
    write(tmp_path / "traces", TRACES, "zarr3")
    next(path for path in (tmp_path / "traces" / "c").rglob("*") if path.is_file()).unlink()
    with pytest.raises(ValueError, match=r"all chunks of the traces of .* fetch the folder anew"):
        read(tmp_path / "traces")


def test_a_damaged_header(tmp_path):
    pytest.importorskip("tensorstore")
    (tmp_path / "zarr.json").write_text(json.dumps({"shape": [T, N], "zarr_format": 3}))
    with pytest.raises(ValueError, match=r"its header is damaged"):
        read(tmp_path)
