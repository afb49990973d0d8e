import h5py
import pytest
import torch
from helpers import make_session

from synapsnet_pyg.analysis.dynamic_connectivity_file import read_dynamic_connectivity, write_dynamic_connectivity
from synapsnet_pyg.analysis.running_summaries import ConnectivityBatch
from synapsnet_pyg.intake.notes import DataWarning

N, M = 5, 23


def written(path) -> torch.Tensor:
    """Writes a file in uneven batches; returns all weights."""
    session, weights = make_session(N=N, name="demo"), torch.randn(M, N, N, generator=torch.Generator().manual_seed(0))
    bins = torch.arange(M) + 4
    batches = [ConnectivityBatch(*pair) for pair in zip(bins.split(9), weights.split(9), strict=True)]
    write_dynamic_connectivity(path, session, bins, batches)
    return weights


def test_a_file_knows_its_session(tmp_path):
    written(tmp_path / "all.h5")
    saved = read_dynamic_connectivity(tmp_path / "all.h5")
    assert (saved.name, saved.bin_size, saved.neuron_id) == ("demo", 0.1, make_session(N=N).neuron_id)
    assert saved.bins.tolist() == list(range(4, M + 4))
    assert [path.name for path in tmp_path.iterdir()] == ["all.h5"]


def test_a_large_file_is_read_in_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr("synapsnet_pyg.analysis.dynamic_connectivity_file._CHUNK", 4 * N**2)
    weights = written(tmp_path / "all.h5")
    batches = list(read_dynamic_connectivity(tmp_path / "all.h5"))
    assert [len(batch.bins) for batch in batches] == [4, 4, 4, 4, 4, 3]
    assert torch.equal(torch.cat([batch.connectivity for batch in batches]), weights)


def test_foreign_and_damaged_files_are_refused(tmp_path):
    path = tmp_path / "all.h5"
    written(path)
    whole = path.read_bytes()
    foreign = {
        "session.h5": lambda p: make_session().save(p),
        "text.h5": lambda p: p.write_text("bins"),
        "cut.h5": lambda p: p.write_bytes(whole[: len(whole) // 2]),
        "newer.h5": lambda p: (p.write_bytes(whole), edit(p, lambda file: file.attrs.update(version=99))),
        "bins.h5": lambda p: (p.write_bytes(whole), edit(p, lambda file: file.pop("bins"))),
        "fewer.h5": lambda p: (p.write_bytes(whole), edit(p, fewer_neurons)),
    }
    for name, make in foreign.items():
        make(tmp_path / name)
        with pytest.raises(ValueError, match=rf"^.*{name}'.*\.$"):
            read_dynamic_connectivity(tmp_path / name)
    with pytest.raises(FileNotFoundError, match="there is no file"):
        read_dynamic_connectivity(tmp_path / "none.h5")


def edit(path, change):
    with h5py.File(path, "r+") as file:
        change(file)


def fewer_neurons(file):
    del file["neuron_id"]
    file.create_dataset("neuron_id", data=["a", "b"], dtype=h5py.string_dtype())


def test_damaged_weights_are_refused_when_they_are_read(tmp_path):
    path = tmp_path / "all.h5"
    written(path)
    with h5py.File(path) as file:
        where = file["connectivity"].id.get_chunk_info(0)
    content = bytearray(path.read_bytes())
    content[where.byte_offset : where.byte_offset + where.size] = bytes(where.size)
    path.write_bytes(content)
    with pytest.raises(ValueError, match="its checksum is not"):
        read_dynamic_connectivity(path)
    path.write_bytes(content[: content.rindex(b"\nsynapsnet dynamic")])  # as an earlier version wrote it
    with pytest.warns(DataWarning, match="no checksum"):
        saved = read_dynamic_connectivity(path)
    with pytest.raises(ValueError, match=r"all.h5' is not a readable .* cut short or damaged"):
        list(saved)


def test_weights_that_are_not_finite_are_refused(tmp_path):
    session, bins = make_session(N=N), torch.arange(2)
    batch = ConnectivityBatch(bins, torch.full((2, N, N), torch.inf))
    write_dynamic_connectivity(tmp_path / "a.h5", session, bins, [batch])
    with pytest.raises(ValueError, match=r"Expected finite 'connectivity' in .*a.h5"):
        list(read_dynamic_connectivity(tmp_path / "a.h5"))
