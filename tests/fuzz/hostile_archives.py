"""Sizes and places that a file only claims."""

import io
import struct
import zipfile
import zlib

import h5py
import numpy as np
import scipy.io
import scipy.sparse
import torch
from matlab73 import write_v73

from fuzz.corpus import CONVERT
from fuzz.scenes import Meeting, Scene
from synapsnet_pyg import read_connectivity
from synapsnet_pyg.data.session import Session


def numbers_never_written_are_not_read(scene: Scene) -> Meeting:
    with h5py.File(scene.folder / "session.h5", "r+") as file:
        del file["activity"]
        file.create_dataset("activity", (6, 2 * 10**9), "f4", chunks=(6, 10**5), compression="gzip")
    return Meeting(("inspect", "session.h5"), ("session.h5",))


def a_field_never_written_is_not_read(scene: Scene) -> Meeting:
    with h5py.File(scene.folder / "session.h5", "r+") as file:
        file.create_dataset("more", (6, 10**9), "f8", chunks=(1, 10**5), compression="gzip")
    return Meeting(("inspect", "session.h5"), ("session.h5",))


def arrays_never_written_are_not_read(scene: Scene) -> Meeting:
    with h5py.File(scene.folder / "x.hdf5", "w") as file:
        file.create_dataset("activity", (6, 2 * 10**9), "f8", chunks=(6, 10**5), compression="gzip")
    return Meeting(("convert", "x.hdf5", "o.h5", *CONVERT), ("x.hdf5",))


def arrays_never_written_are_inspected_without_them(scene: Scene) -> Meeting:
    with h5py.File(scene.folder / "x.hdf5", "w") as file:
        file.create_dataset("activity", (6, 2 * 10**9), "f8", chunks=(6, 10**5), compression="gzip")
    return Meeting(("inspect", "x.hdf5"), ("x.hdf5",), may_load=True)


def an_archive_of_zeros_does_not_fill_the_memory(scene: Scene) -> Meeting:
    _bomb(scene, "x.npz", "activity", (6, 10**9))
    return Meeting(("convert", "x.npz", "o.h5", *CONVERT), ("x.npz",))


def a_connectivity_of_zeros_does_not_fill_the_memory(scene: Scene) -> Meeting:
    _bomb(scene, "x.npz", "connectivity", (30000, 30000))
    session = Session.load(scene.folder / "session.h5")
    return Meeting(named=("x.npz",), read=lambda: read_connectivity(scene.folder / "x.npz", session))


def an_array_is_as_long_as_its_file(scene: Scene) -> Meeting:
    (scene.folder / "x.npy").write_bytes(_header((6, 10**12)) + bytes(1000))
    return Meeting(("convert", "x.npy", "o.h5", *CONVERT[2:]), ("x.npy",))


def a_matlab_array_is_as_long_as_its_file(scene: Scene) -> Meeting:
    scipy.io.savemat(scene.folder / "x.mat", {"activity": np.ones((6, 50))})
    data = (scene.folder / "x.mat").read_bytes()
    (scene.folder / "x.mat").write_bytes(data.replace(struct.pack("<II", 6, 50), struct.pack("<II", 6, 2**30)))
    return Meeting(("convert", "x.mat", "o.h5", *CONVERT), ("x.mat",))


def what_a_checkpoint_builds_is_compared_with_its_weights(scene: Scene) -> Meeting:
    path = scene.folder / "run/best.ckpt"
    saved = torch.load(path, weights_only=True)
    saved["description"]["arguments"]["hidden_size"] = 20000
    torch.save(saved, path)
    return Meeting(("evaluate", "run"), ("best.ckpt",))


def neurons_of_a_checkpoint_are_compared_with_its_weights(scene: Scene) -> Meeting:
    path = scene.folder / "run/best.ckpt"
    saved = torch.load(path, weights_only=True)
    session = list(saved["description"]["sessions"][0])
    place = next(i for i, value in enumerate(session) if isinstance(value, list | tuple) and len(value) == 6)
    session[place] = [f"n{i}" for i in range(30000)]
    saved["description"]["sessions"] = [tuple(session)]
    torch.save(saved, path)
    return Meeting(("evaluate", "run"), ("best.ckpt",))


def names_in_an_archive_lead_nowhere(scene: Scene) -> Meeting:
    arrays = io.BytesIO()
    np.save(arrays, np.random.default_rng(0).normal(size=(6, 50)))
    with zipfile.ZipFile(scene.folder / "x.npz", "w") as archive:
        archive.writestr("../../up.npy", arrays.getvalue())
        archive.writestr("/tmp/up.npy", arrays.getvalue())
        archive.writestr("activity.npy", arrays.getvalue())
        link = zipfile.ZipInfo("link.npy")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, str(scene.secret))
    return Meeting(("convert", "x.npz", "o.h5", *CONVERT), ("x.npz",), may_load=True)


def rows_of_a_sparse_matrix_are_within_it(scene: Scene) -> Meeting:
    matrix = scipy.sparse.random(6, 6, 0.5, format="csr", random_state=0)
    arrays = {"indices": matrix.indices + 10**8, "indptr": matrix.indptr, "data": matrix.data}
    np.savez(scene.folder / "x-sparse.npz", format=np.array(b"csr"), shape=np.array([6, 6]), **arrays)
    session = Session.load(scene.folder / "session.h5")
    return Meeting(named=("x-sparse.npz",), read=lambda: read_connectivity(scene.folder / "x-sparse.npz", session))


def columns_of_a_sparse_matrix_are_within_it(scene: Scene) -> Meeting:
    matrix = scipy.sparse.random(6, 6, 0.5, format="csc", random_state=0)
    arrays = {"indices": matrix.indices, "indptr": matrix.indptr * 10**6, "data": matrix.data}
    np.savez(scene.folder / "x-sparse.npz", format=np.array(b"csc"), shape=np.array([6, 6]), **arrays)
    session = Session.load(scene.folder / "session.h5")
    return Meeting(named=("x-sparse.npz",), read=lambda: read_connectivity(scene.folder / "x-sparse.npz", session))


def rows_of_a_sparse_matlab_matrix_are_within_it(scene: Scene) -> Meeting:
    matrix = scipy.sparse.csc_matrix(np.random.default_rng(0).poisson(1, (6, 50)).astype(float))
    matrix.indices[3:9] = 10**8
    scipy.io.savemat(scene.folder / "x.mat", {"activity": matrix})
    return Meeting(("convert", "x.mat", "o.h5", *CONVERT), ("x.mat",))


def rows_of_a_sparse_matrix_of_new_matlab_are_within_it(scene: Scene) -> Meeting:
    matrix = scipy.sparse.csc_matrix(np.random.default_rng(0).poisson(1, (6, 50)).astype(float))
    write_v73(scene.folder / "x.mat", {"activity": matrix})
    with h5py.File(scene.folder / "x.mat", "r+") as file:
        rows = file["activity/ir"][()]
        rows[3:9] = 10**12
        file["activity/ir"][...] = rows
    return Meeting(("convert", "x.mat", "o.h5", *CONVERT), ("x.mat",))


def edges_of_a_session_are_within_it(scene: Scene) -> Meeting:
    with h5py.File(scene.folder / "session.h5", "r+") as file:
        file["edge_index"][...] = np.array([[0, 2], [10**9, -5]])
    return Meeting(("inspect", "session.h5"), ("session.h5",))


def spikes_end_within_their_array(scene: Scene) -> Meeting:
    with h5py.File(scene.folder / "x.nwb", "w") as file:
        file.attrs.update(nwb_version="2.7.0", neurodata_type="NWBFile", namespace="core")
        file["units/spike_times"] = np.linspace(0, 20, 200)
        file["units/spike_times_index"] = np.array([100, 2**62])
        file["units/id"] = np.arange(2)
    return Meeting(("convert", "x.nwb", "o.h5", "--bin-size", "0.1"), ("x.nwb",))


def one_spike_far_off_does_not_fill_the_memory(scene: Scene) -> Meeting:
    np.savez(scene.folder / "x.npz", times=np.append(np.linspace(0, 20, 200), 1e13), neuron=np.arange(201) % 3)
    words = ("convert", "x.npz", "o.h5", "--spike-times", "times", "--spike-neuron", "neuron", "--bin-size", "0.001")
    return Meeting(words, ("x.npz",))


def _header(shape: tuple[int, ...]) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": "<f8", "fortran_order": False, "shape": shape})
    return stream.getvalue()


def _bomb(scene: Scene, name: str, key: str, shape: tuple[int, ...]) -> None:
    """Writes an archive whose array of zeros is far larger than the archive."""
    header = _header(shape)
    size = len(header) + 8 * int(np.prod([float(n) for n in shape]))
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(header) + packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)
    zeros = packer.compress(bytes(2**24)) + packer.flush(zlib.Z_FULL_FLUSH)
    data = block + zeros * (size // 2**24) + packer.flush()
    info = struct.pack("<HHHHHIII", 20, 0, 8, 0, 0, 0, len(data), 0xFFFFFFFF)
    entry = f"{key}.npy".encode()
    more = struct.pack("<HHQQ", 1, 16, size, len(data))
    local = b"PK\3\4" + info + struct.pack("<HH", len(entry), len(more)) + entry + more
    where = len(local) + len(data)
    central = b"PK\1\2" + struct.pack("<H", 45) + info
    central += struct.pack("<HHHHHII", len(entry), 12, 0, 0, 0, 0, 0) + entry + struct.pack("<HHQ", 1, 8, size)
    end = b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(central), where, 0)
    (scene.folder / name).write_bytes(local + data + central + end)
