import numpy as np
import pytest
import xarray
import zarr

from synapsnet_pyg.readers.array_files import ArrayFile

COUNTS = np.random.default_rng(0).poisson(1.0, (3, 7)).astype(float)


@pytest.mark.parametrize("engine", ["netcdf4", "scipy"])
def test_netcdf_with_fills_scales_and_coordinates(tmp_path, engine):
    rates = xarray.DataArray(
        np.where(COUNTS == 0, np.nan, COUNTS),
        dims=("neuron", "time"),
        coords={"time": ("time", np.arange(7) * 100.0, {"units": "ms"}), "neuron": ["a", "b", "c"]},
    )
    data = xarray.Dataset({"rates": rates})
    path = tmp_path / "a.nc"
    data.to_netcdf(path, engine=engine, encoding={"rates": {"dtype": "i2", "scale_factor": 0.5, "_FillValue": -9}})
    with ArrayFile(path) as file:
        assert file.keys == ["neuron", "rates", "time"]
        np.testing.assert_array_equal(file.numbers("rates"), np.where(COUNTS == 0, np.nan, COUNTS))
        assert file.entry("rates").axes == ("neuron", "time")
        assert file.texts("neuron") == ["a", "b", "c"]
        assert file.rate("time") == 1000


def test_groups_of_netcdf(tmp_path):
    path = tmp_path / "a.nc"
    xarray.Dataset({"x": ("t", np.arange(4.0))}).to_netcdf(path, group="ephys", engine="netcdf4")
    with ArrayFile(path) as file:
        assert file.numbers("ephys/x").tolist() == [0, 1, 2, 3]


def test_zarr_folders(tmp_path):
    root = zarr.open(str(tmp_path / "a.zarr"), "w")
    root["counts"] = COUNTS
    root.create_group("behaviour")["speed"] = np.arange(7.0)
    scaled = root.array("rates", np.array([[1, -1], [3, 4]], "i2"), fill_value=-1)
    scaled.attrs.update({"_ARRAY_DIMENSIONS": ["neuron", "time"], "scale_factor": 0.5})
    with ArrayFile(tmp_path / "a.zarr") as file:
        assert file.keys == ["behaviour/speed", "counts", "rates"]
        np.testing.assert_array_equal(file.numbers("counts"), COUNTS)
        assert file.sequence("behaviour/speed")[2:4].tolist() == [2, 3]
        np.testing.assert_array_equal(file.numbers("rates"), [[0.5, np.nan], [1.5, 2]])
        assert file.entry("rates").axes == ("neuron", "time")


def test_pickles_in_zarr_are_never_read(tmp_path):
    import numcodecs

    root = zarr.open(str(tmp_path / "a.zarr"), "w")
    root.create_dataset("odd", shape=2, dtype=object, object_codec=numcodecs.Pickle())
    root["x"] = np.arange(3)
    with ArrayFile(tmp_path / "a.zarr") as file:
        assert file.numbers("x").tolist() == [0, 1, 2]
        with pytest.raises(ValueError, match="pickled objects, which are never read"):
            file.get("odd")


def test_a_folder_that_is_no_zarr_is_told(tmp_path):
    (tmp_path / "a.zarr").mkdir()
    (tmp_path / "a.zarr" / ".zgroup").write_text("{")
    with pytest.raises(ValueError, match=r"a\.zarr' cannot be read"), ArrayFile(tmp_path / "a.zarr"):
        pass


def test_damaged_netcdf_is_told(tmp_path):
    (tmp_path / "a.nc").write_bytes(b"CDF\x01 no such thing")
    with pytest.raises(ValueError, match=r"a\.nc' cannot be read: it is damaged, cut short or no \.nc file"):
        ArrayFile(tmp_path / "a.nc").__enter__()


def test_zeros_are_counts_though_zarr_fills_with_them(tmp_path):
    root = zarr.open(str(tmp_path / "a.zarr"), "w")
    array = root.create_dataset("x", data=np.array([0, 1, 0]))  # its fill value is 0
    array.attrs["_ARRAY_DIMENSIONS"] = ["time"]
    with ArrayFile(tmp_path / "a.zarr") as file:
        assert file.numbers("x").tolist() == [0, 1, 0]
