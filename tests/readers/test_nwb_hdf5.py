import h5py
import pytest

from synapsnet_pyg.readers.nwb_hdf5 import check_start, hdf5_of_nwb


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "empty"), (b"version https://git-lfs.github.com/spec/v1", "not fetched"), (b"no HDF5 at all", "no HDF5")],
)
def test_the_reason_is_told(tmp_path, content, reason):
    path = tmp_path / "a.nwb"
    path.write_bytes(content)

    def opened():
        check_start(path)
        return hdf5_of_nwb(path, str(path))

    with pytest.raises(ValueError, match=f"a.nwb.*{reason}"):
        opened()


def test_a_file_that_is_cut_short(tmp_path):
    path = tmp_path / "a.nwb"
    with h5py.File(path, "w") as file:
        file["x"] = [1.0] * 1000
    path.write_bytes(path.read_bytes()[:4000])
    with pytest.raises(ValueError, match="cut short; fetch or copy it again"):
        hdf5_of_nwb(path, str(path))
