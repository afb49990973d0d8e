import h5py
import numpy as np
import pytest

from synapsnet_pyg import Session
from synapsnet_pyg.intake.notes import DataWarning
from synapsnet_pyg.intake.recording import Selection
from synapsnet_pyg.readers.minian import MinianReader
from synapsnet_pyg.readers.reader import find_recordings

UNITS, FRAMES = [4, 11, 30], np.arange(2, 25)


def values(seed):
    made = np.random.default_rng(seed).normal(size=(len(UNITS), len(FRAMES)))
    made[:, 5] *= np.array([0.0, 1.0, 1.0])  # a zero is no missing value
    return made


def write_minian(folder, together=False, frames=FRAMES, dims=("unit_id", "frame")):
    """Arrays as xarray leaves them in Zarr folders: the names of the axes are an attribute."""
    zarr = pytest.importorskip("zarr")
    for seed, name in enumerate(("C", "S", "A")):
        group = zarr.open_group(str(folder if together else folder / f"{name}.zarr"), mode="a")
        traces = values(seed) if dims[0] == "unit_id" else values(seed).T
        images = np.zeros((len(UNITS), 6, 7))
        arrays = {name: (images, ("unit_id", "height", "width")) if name == "A" else (traces, dims)}
        arrays |= {"unit_id": (np.array(UNITS), ("unit_id",)), "frame": (np.array(frames), ("frame",))}
        for key, (array, axes) in arrays.items():
            if key not in group:
                group.create_dataset(key, data=array, shape=array.shape).attrs["_ARRAY_DIMENSIONS"] = list(axes)


def write_times(path, first=0, last=30):
    rows = [f"{i},{1000 + 50 * i + i % 3},12" for i in range(first, last)]
    path.write_text("\n".join(["Frame Number,Time Stamp (ms),Buffer Index", *rows]) + "\n")


def read(path, **choices):
    selection = Selection(**choices)
    return Session.from_recording(MinianReader().read(path, "m", selection), selection)


@pytest.mark.parametrize("dims", [("unit_id", "frame"), ("frame", "unit_id")])
@pytest.mark.parametrize("together", [False, True])
def test_units_keep_their_numbers_and_frames_their_times(tmp_path, together, dims):
    folder = tmp_path / "mouse" / "minian"
    write_minian(folder, together, dims=dims)
    write_times(tmp_path / "mouse" / "timeStamps.csv")
    assert MinianReader().recognises(folder)
    session = read(folder)
    np.testing.assert_allclose(session.activity, values(0), rtol=1e-6)
    assert session.neuron_id == ["m/4", "m/11", "m/30"]
    assert session.bin_size == pytest.approx(0.05, rel=0.01)
    assert "activity C (also there: S; --activity for another)" in session.notes
    assert "frame times by timeStamps.csv" in session.notes
    np.testing.assert_allclose(read(folder, activity="S").activity, values(1), rtol=1e-6)
    assert list(find_recordings(tmp_path, [MinianReader()])) == ["mouse"]


def test_without_times_the_frame_rate_is_asked_for(tmp_path):
    write_minian(tmp_path)
    with pytest.raises(ValueError, match=r"not stated in a timeStamps.csv beside it.*--frame-rate"):
        read(tmp_path)
    assert read(tmp_path, frame_rate=20.0).bin_size == 0.05
    assert dict(MinianReader().describe(tmp_path))["next"].endswith("--frame-rate 30")
    assert any(path.name == ".zarray" for path in MinianReader().files(tmp_path))


def test_gaps_of_frames_end_segments(tmp_path):
    frames = np.concatenate([np.arange(10), np.arange(15, 28)])
    write_minian(tmp_path, frames=frames)
    with pytest.warns(DataWarning, match="have gaps, which count as no time"):
        assert len(read(tmp_path, frame_rate=20.0).segment) == 1
    write_times(tmp_path / "timeStamps.csv")
    with pytest.warns(DataWarning, match="1 gaps"):
        assert read(tmp_path).segment.tolist() == [[0, 10], [10, 23]]


def test_frame_times_that_do_not_fit(tmp_path):
    write_minian(tmp_path)
    write_times(tmp_path / "timeStamps.csv", 100, 130)
    with pytest.raises(ValueError, match=r"times of frames 2 to 24 in .*timeStamps.csv' \(it has none\)"):
        read(tmp_path)
    write_times(tmp_path / "timeStamps.csv", 5)
    with pytest.warns(DataWarning, match="3 times that are not a number"):
        assert read(tmp_path).num_bins == 20
    (tmp_path / "timeStamps.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match="'Frame Number' and 'Time Stamp"):
        read(tmp_path)
    (tmp_path / "timeStamps.csv").write_text("Frame Number,Time Stamp (ms)\n1,x\n")
    with pytest.raises(ValueError, match="numbers in the columns"):
        read(tmp_path)


def test_a_netcdf_file(tmp_path):
    path = tmp_path / "minian.nc"
    with h5py.File(path, "w") as file:
        file["unit_id"], file["frame"] = UNITS, FRAMES
        file["C"] = values(0).T
        for axis, name in enumerate(("frame", "unit_id")):
            file[name].make_scale(name)
            file["C"].dims[axis].attach_scale(file[name])
    assert MinianReader().recognises(path)
    session = read(path, frame_rate=10.0)
    np.testing.assert_allclose(session.activity, values(0), rtol=1e-6)
    assert session.neuron_id == ["m/4", "m/11", "m/30"]


def test_damaged_and_other_folders(tmp_path):
    assert not MinianReader().recognises(tmp_path)
    write_minian(tmp_path)
    (tmp_path / "C.zarr" / "C" / ".zarray").write_text("{")
    with pytest.raises(ValueError, match="damaged or incomplete"):
        read(tmp_path, frame_rate=1.0)
