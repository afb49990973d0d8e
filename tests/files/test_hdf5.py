import h5py
import numpy as np
import pytest

from synapsnet_pyg.files import writing
from synapsnet_pyg.files.hdf5 import Field, atomic_hdf5, open_hdf5


def test_a_long_write_learns_in_between_that_the_disk_is_full(tmp_path, monkeypatch):
    def refused(*_):
        raise OSError(28, "No space left on device")

    def write():
        with atomic_hdf5(tmp_path / "a.h5", "synapsnet test") as (file, check):
            file["values"] = np.arange(1000)
            file.flush()
            check()
            pytest.fail("asked and not told")

    monkeypatch.setattr(writing._LateErrors, "_write", refused)
    with pytest.raises(OSError, match="No space left on the disk of"):
        write()
    assert not list(tmp_path.iterdir())


FIELDS = {"values": Field("f", 2), "rows": Field("iu", 1), "names": Field("T", 1)}


def written(path, change=lambda file: None):
    """Writes a file whose checksum holds, so that only its contents can be refused."""
    with atomic_hdf5(path, "synapsnet test") as (file, _):
        file.attrs["version"] = 1
        file.create_dataset("values", data=np.arange(2000.0).reshape(20, 100), compression="gzip", shuffle=True)
        file["rows"] = np.arange(5)
        file.create_dataset("names", data=["a", "b"], dtype=h5py.string_dtype())
        change(file)
    return path


def read(path):
    with open_hdf5(path, "synapsnet test", 1, remedy="make it anew") as own:
        return {name: own.read(name, FIELDS[name]) for name in FIELDS}


def test_fields_come_back_in_the_byte_order_of_the_machine(tmp_path):
    def turned(file):
        del file["rows"]
        file["rows"] = np.arange(5, dtype=">u2")

    fields = read(written(tmp_path / "a.h5", turned))
    assert fields["values"].shape == (20, 100)
    assert fields["rows"].tolist() == list(range(5))
    assert fields["rows"].dtype.isnative
    assert fields["names"] == ["a", "b"]


def instead(name, make):
    """Returns a change that replaces a field."""

    def change(file):
        del file[name]
        make(file)

    return change


def elsewhere(file):
    layout = h5py.VirtualLayout((20, 100), "f8")
    layout[:] = h5py.VirtualSource("secret.h5", "values", (20, 100))
    file.create_virtual_dataset("values", layout)


@pytest.mark.parametrize(
    ("name", "make", "message"),
    [
        ("values", lambda file: None, "Expected a field 'values'"),
        ("values", lambda file: file.update(values=h5py.ExternalLink("secret.h5", "/values")), "a link elsewhere"),
        ("values", lambda file: file.update(values=h5py.SoftLink("/rows")), "a link elsewhere"),
        ("values", lambda file: file.create_group("values"), "a group"),
        ("values", elsewhere, "values that another file holds"),
        (
            "values",
            lambda file: file.create_dataset("values", (1, 8), "f8", external=[("secret.txt", 0, 64)]),
            "values that another file holds",
        ),
        ("values", lambda file: file.update(values=np.zeros((2, 2), int)), "floating-point numbers (got int64)"),
        ("values", lambda file: file.update(values=np.zeros((2, 2), complex)), "floating-point numbers (got complex"),
        ("values", lambda file: file.update(values=np.zeros(3)), "an array with 2 axes (got [3])"),
        ("values", lambda file: file.update(values=h5py.Empty("f8")), "an array with 2 axes (got None)"),
        ("rows", lambda file: file.update(rows=np.zeros(3)), "whole numbers or counts (got float64)"),
        ("rows", lambda file: file.update(rows=np.zeros(3, bool)), "(got bool)"),
        ("names", lambda file: file.update(names=np.zeros(3)), "to be texts (got float64)"),
        (
            "values",
            lambda file: file.create_dataset("values", (6, 10**12), "f8", chunks=(6, 1000), compression="gzip"),
            "48000000000000 bytes, as its shape [6, 1000000000000] claims",
        ),
        (
            "values",
            lambda file: file.create_dataset("values", (6, 1000), "f8", chunks=(6, 500), compression="gzip"),
            "0 of 2 chunks in the file",
        ),
        ("values", lambda file: file.create_dataset("values", (6, 100), "f8"), "0 bytes in the file"),
        (
            "values",
            lambda file: file.create_dataset("values", data=np.ones((9, 9)), chunks=True, compression="lzf"),
            "compressed by gzip or not at all",
        ),
    ],
)
def test_a_field_that_is_not_as_declared_is_refused_in_a_line(tmp_path, name, make, message):
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["values"] = np.ones((20, 100))
    (tmp_path / "secret.txt").write_bytes(bytes(64))
    path = written(tmp_path / "a.h5", instead(name, make))
    with pytest.raises(ValueError) as told:  # noqa: PT011
        read(path)
    assert message in str(told.value)
    assert str(path) in str(told.value)
    assert "\n" not in str(told.value)


def test_many_names_of_one_long_text_are_refused(tmp_path):
    """A text of a megabyte to which a thousand entries point is a gigabyte."""

    def change(file):
        file.create_dataset("names", data=["x" * 10**5], dtype=h5py.string_dtype())

    path = written(tmp_path / "a.h5", instead("names", change))
    assert read(path)["names"] == ["x" * 10**5]
    with h5py.File(path, "r+") as file:
        place = file["names"].id.get_offset()
        file.create_dataset("many", (300,), h5py.string_dtype())
        file["many"][:] = "y"
        second = file["many"].id.get_offset()
        del file["names"]
        file.move("many", "names")
    content = bytearray(path.read_bytes())
    content[second : second + 300 * 16] = content[place : place + 16] * 300
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"a.h5.*(bytes of text|damaged)"):
        read(path)


def test_other_formats_and_newer_versions_are_refused(tmp_path):
    path = written(tmp_path / "a.h5", lambda file: file.attrs.update(version=2))
    with pytest.raises(ValueError, match=r"a.h5' has version 2 of its format, this program reads 1"):
        read(path)
    path = written(tmp_path / "b.h5", lambda file: file.attrs.update(version="one"))
    with pytest.raises(ValueError, match=r"Expected 'version' of '.*b.h5' to be one int \(got 'one'\)"):
        read(path)
    path = written(tmp_path / "c.h5", lambda file: file.attrs.update(format="other"))
    with pytest.raises(ValueError, match=r"c.h5' is HDF5 but no test file; make it anew\."):
        read(path)
    with pytest.raises(FileNotFoundError, match="Expected a test file"):
        read(tmp_path / "none.h5")


def test_more_than_the_free_memory_is_refused(tmp_path, monkeypatch):
    path = written(tmp_path / "a.h5")
    monkeypatch.setattr("synapsnet_pyg.files.memory.free_memory", lambda: 1000)
    with pytest.raises(ValueError, match=r"the fields of '.*a.h5' to fit into memory|a chunk of 'values'"):
        read(path)
