import zipfile

import numpy as np
import pytest

from synapsnet_pyg.files.archives import check_archive, read_npz
from synapsnet_pyg.files.memory import require_memory


def test_arrays_come_back(tmp_path):
    arrays = {"a": np.arange(6.0).reshape(2, 3), "b": np.array(["x", "yz"]), "c": np.asfortranarray(np.eye(3)),
              "d": np.arange(4, dtype=">i4"), "e": np.array("csr"), "f": np.zeros((0, 3))}  # fmt: skip
    np.savez_compressed(tmp_path / "a.npz", **arrays)
    read = read_npz(tmp_path / "a.npz", (), "file")
    assert read.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(read[name], array)
    assert read["d"].dtype.isnative
    assert list(read_npz(tmp_path / "a.npz", ("b", "z"), "file")) == ["b"]


def written(path, **members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return path


def header(shape, descr="<f8"):
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (header((10**9,)) + bytes(80), "Expected an array 'a.npy' in"),
        (header((-1, -10)) + bytes(80), "a shape of"),
        (header((10,), "|O") + bytes(80), "an array of object"),
        (b"numbers", "Expected an array"),
    ],
)
def test_what_is_no_array_is_refused(tmp_path, content, message):
    with pytest.raises(ValueError, match=message) as told:
        read_npz(written(tmp_path / "n.npz", a=content), (), "file")
    assert "n.npz" in str(told.value)
    assert "\n" not in str(told.value)


def test_zeros_that_need_more_than_the_memory_are_refused_before_they_are_unpacked(tmp_path, monkeypatch):
    path = written(tmp_path / "zeros.npz", a=bytes(10**7))
    assert path.stat().st_size < 20_000
    monkeypatch.setattr("synapsnet_pyg.files.memory.free_memory", lambda: 1e6)
    with pytest.raises(ValueError, match=r"the contents of '.*zeros.npz' to fit into memory"):
        check_archive(path, "file")
    with pytest.raises(ValueError, match="1 to fit"):
        require_memory(10**7, "1")


def test_a_member_that_differs_from_its_checksum_is_refused(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, a=np.arange(1000.0))
    content = bytearray(path.read_bytes())
    content[3000] ^= 4
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"a.npz' is not a readable file: .*CRC"):
        check_archive(path, "file")
