from contextlib import suppress
from datetime import UTC, datetime
from itertools import pairwise

import h5py
import numpy as np
import pytest
from helpers import told
from pynwb import NWBHDF5IO, NWBFile, TimeSeries, validate
from pynwb.ophys import (
    Fluorescence,
    ImageSegmentation,
    OpticalChannel,
    RoiResponseSeries,
)

from synapsnet_pyg.datasets.nwb import NWBRecording
from synapsnet_pyg.datasets.nwb_file import apart, merged, without

random = np.random.default_rng(1)
SPIKES = [np.sort(random.uniform(0.2, 20, n)) for n in (40, 90, 15)]
POSITION_TIMES = np.sort(random.uniform(0, 21, 200))
POSITION = random.standard_normal((200, 2))
TRACES = random.uniform(0, 5, (50, 4))  # [frame, cell]


def new_file():
    return NWBFile(
        session_description="a lab's own", identifier="lab-1", session_start_time=datetime(2024, 5, 1, tzinfo=UTC)
    )


def write(file, path):
    with NWBHDF5IO(path, "w") as io:
        io.write(file)
    with NWBHDF5IO(path, "r") as io:
        assert validate(io=io) == []
    return path


def with_units(path):
    file = new_file()
    device = file.create_device(name="probe")
    group = file.create_electrode_group(name="shank", description="one", location="CA1", device=device)
    for c in range(3):
        file.add_electrode(x=1.0 + c, y=2.0, z=3.0, location=["CA1", "CA3", "DG"][c], group=group)
    file.add_unit_column(name="quality", description="by hand")
    file.add_unit_column(name="depth", description="micrometres")
    for u, times in enumerate(SPIKES):
        file.add_unit(
            id=10 + u, spike_times=times, quality=["good", "mua", "good"][u], depth=100.0 * u, electrodes=[2 - u]
        )
    behaviour = file.create_processing_module(name="behavior", description="behaviour")
    behaviour.add(TimeSeries(name="position", data=POSITION, unit="m", timestamps=POSITION_TIMES, conversion=0.5))
    behaviour.add(TimeSeries(name="lick", data=np.arange(210.0), unit="n", starting_time=0.0, rate=10.0))
    for a, b in ((2.0, 5.0), (5.0, 8.0), (12.0, 15.05)):
        file.add_trial(start_time=a, stop_time=b)
    file.add_invalid_time_interval(start_time=6.0, stop_time=7.0, tags=["noise"])
    return write(file, path)


def with_traces(path, swapped=False, gap=False, rate=None):
    file = new_file()
    device = file.create_device(name="scope")
    channel = OpticalChannel(name="green", description="green", emission_lambda=510.0)
    plane = file.create_imaging_plane(
        name="plane", optical_channel=channel, description="V1", device=device, excitation_lambda=920.0,
        indicator="GCaMP6s", location="VISp", imaging_rate=5.0,
    )  # fmt: skip
    masks = ImageSegmentation(name="ImageSegmentation")
    table = masks.create_plane_segmentation(name="cells", description="cells", imaging_plane=plane)
    table.add_column(name="accepted", description="by Suite2p")
    for cell in range(6):
        table.add_roi(id=100 + cell, pixel_mask=[(cell, cell, 1.0)], accepted=cell != 2)
    region = table.create_roi_table_region(description="recorded", region=[0, 2, 3, 5])
    times = 1.0 + np.arange(50) * 0.2 + (np.arange(50) >= 30) * (4.0 if gap else 0.0)
    clock = {"timestamps": times} if rate is None else {"starting_time": 1.0, "rate": rate}
    trace = RoiResponseSeries(name="dff", data=TRACES, unit="dF/F", rois=region, **clock)
    ophys = file.create_processing_module(name="ophys", description="imaging")
    ophys.add(masks)
    fluorescence = Fluorescence(name="Fluorescence")
    ophys.add(fluorescence)
    fluorescence.add_roi_response_series(trace)
    write(file, path)
    if swapped:  # as other writers leave it; pynwb refuses
        with h5py.File(path, "r+") as written:
            group = written["processing/ophys/Fluorescence/dff"]
            del group["data"]
            group["data"] = TRACES.T
    return path


@pytest.fixture(scope="module")
def units(tmp_path_factory):
    return with_units(tmp_path_factory.mktemp("units") / "rat.nwb")


def load(*arguments, **given):
    return told(lambda: NWBRecording(*arguments, **given))


def test_units_in_bins(units):
    session = load(units, bin_size=0.1)[0][0]
    begin = min(times[0] for times in SPIKES)
    end = max(times[-1] for times in SPIKES)
    # The invalid second is cut out, and what is before and after are two segments.
    for row, times in zip(session.activity, SPIKES, strict=True):
        edges = begin + 0.1 * np.arange(int((6.0 - begin) / 0.1) + 1)
        after = 7.0 + 0.1 * np.arange(int((end - 7.0) / 0.1) + 1)
        expected = [((times >= a) & (times < b)).sum() for e in (edges, after) for a, b in pairwise(e)]
        assert row.tolist() == expected
    assert session.neuron_id == ["rat/10", "rat/11", "rat/12"]
    assert session.area == ["DG", "CA3", "CA1"]
    assert session.position.tolist() == [[3, 2, 3], [2, 2, 3], [1, 2, 3]]
    assert session.quality == ["good", "mua", "good"]
    assert session.depth.tolist() == [0, 100, 200]


def test_behaviour_is_interpolated_at_the_middle_of_bins(units):
    session = load(units, bin_size=0.5, intervals="trials", behaviour=["position", "behavior/lick"])[0][0]
    assert session.behaviour_name == ["position 0", "position 1", "behavior/lick"]
    assert session.segment.tolist() == [[0, 6], [6, 8], [8, 10], [10, 16]]
    at = np.concatenate([a + 0.5 * (np.arange(n) + 0.5) for a, n in ((2, 6), (5, 2), (7, 2), (12, 6))])
    for k in range(2):
        expected = np.interp(at, POSITION_TIMES, 0.5 * POSITION[:, k])
        np.testing.assert_allclose(session.behaviour[:, k], expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(session.behaviour[:, 2], at * 10, rtol=1e-5)


def test_rows_can_be_chosen(units):
    assert load(units, bin_size=0.1, where={"quality": "good"})[0][0].neuron_id == ["rat/10", "rat/12"]
    with pytest.raises(ValueError, match="rows with quality = best"):
        load(units, bin_size=0.1, where={"quality": "best"})
    with pytest.raises(ValueError, match="column 'snr'"):
        load(units, bin_size=0.1, where={"snr": 2})


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("rate", [None, 5.0])
def test_traces_keep_their_frames(tmp_path, swapped, rate):
    path = with_traces(tmp_path / "fish.nwb", swapped, rate=rate)
    dataset, messages = load(path)
    session = dataset[0]
    np.testing.assert_array_equal(session.activity, TRACES.T.astype(np.float32))
    assert session.bin_size == pytest.approx(0.2)
    assert session.neuron_id == ["fish/100", "fish/102", "fish/103", "fish/105"]
    assert any("transposed" in one for one in messages) == swapped
    assert load(path, where={"accepted": True})[0][0].num_neurons == 3


def test_a_gap_between_frames_ends_a_segment(tmp_path):
    dataset, messages = load(with_traces(tmp_path / "fish.nwb", gap=True))
    assert dataset[0].segment.tolist() == [[0, 30], [30, 50]]
    assert any("1 gaps" in one for one in messages)


def test_a_folder_of_files(tmp_path):
    (tmp_path / "a").mkdir()
    with_traces(tmp_path / "a" / "fish.nwb")
    with_units(tmp_path / "rat.nwb")
    dataset, _ = load(tmp_path, bin_size=0.1)
    assert dataset.names == ["fish", "rat"]


def test_says_what_the_file_has(units, tmp_path):
    for arguments, wanted in (
        ({}, "bin_size in seconds"),
        ({"activity": "dff"}, "an activity among units"),
        ({"bin_size": 0.1, "intervals": "epochs"}, "intervals among trials"),
        ({"bin_size": 0.1, "behaviour": ["wheel"]}, "behaviour among .*position"),
        ({"bin_size": -1}, "above 0"),
    ):
        with pytest.raises(ValueError, match=wanted):
            load(units, **arguments)
    with pytest.raises(FileNotFoundError, match="NWB file or a folder"):
        NWBRecording(tmp_path / "none.nwb", bin_size=0.1)
    empty = write(new_file(), tmp_path / "empty.nwb")
    with pytest.raises(ValueError, match=r"one activity in .* \(it has none\)"):
        NWBRecording(empty, bin_size=0.1)


def test_no_spikes_one_neuron_and_nan(tmp_path):
    file = new_file()
    file.add_unit(id=0, spike_times=np.array([1.0, np.nan, 0.5, 3.0]))
    file.add_unit(id=1, spike_times=np.array([]))
    dataset, messages = load(write(file, tmp_path / "odd.nwb"), bin_size=0.5)
    session = dataset[0]
    assert any("1 spikes of" in one for one in messages)
    assert session.activity.sum(1).tolist() == [2.0, 0.0]  # the last spike stands at the end of the last bin
    file = new_file()
    file.add_unit(id=0, spike_times=np.array([]))
    with pytest.raises(ValueError, match="Expected spikes"):
        load(write(file, tmp_path / "none.nwb"), bin_size=0.5)


def test_truncated_at_any_place_is_one_clear_line(units, tmp_path):
    whole = units.read_bytes()
    path = tmp_path / "cut.nwb"
    for cut in np.linspace(0, len(whole) - 1, 50).astype(int):
        path.write_bytes(whole[:cut])
        with pytest.raises(ValueError, match=r"cut\.nwb") as error:
            NWBRecording(path, bin_size=0.1)
        assert len(str(error.value).splitlines()) == 1


def test_no_byte_changed_on_disk_makes_it_crash(units, tmp_path):
    whole = bytearray(units.read_bytes())
    path = tmp_path / "hurt.nwb"
    for place in np.random.default_rng(0).integers(0, len(whole), 60):
        hurt = bytearray(whole)
        hurt[place : place + 16] = b"\xff" * len(hurt[place : place + 16])
        path.write_bytes(hurt)
        with suppress(ValueError):  # any other error would be a crash
            assert bool(load(path, bin_size=0.1, processed=tmp_path / str(place))[0][0].activity.isfinite().all())


def test_ends_that_do_not_fit_are_told(units, tmp_path):
    path = tmp_path / "ends.nwb"
    for ends in ([40, 30, 145], [40, 130, 146], [0.5, 1.5, 2.5]):
        path.write_bytes(units.read_bytes())
        with h5py.File(path, "r+") as file:
            del file["units/spike_times_index"]
            file["units/spike_times_index"] = np.array(ends)
        with pytest.raises(ValueError, match="spike_times"):
            NWBRecording(path, bin_size=0.1)


def test_blocks():
    assert merged([(0, 1), (1.5, 2), (4, 5)], 0.5) == [(0, 2), (4, 5)]
    assert merged([(0, 5), (1, 2)]) == [(0, 5)]
    assert without([(0, 10), (12, 14)], [(3, 4), (9, 13)]) == [(0, 3), (4, 9), (13, 14)]
    assert without([(0, 1)], [(0, 2)]) == []
    assert apart([(0, 3), (2, 4), (4, 5), (4, 4.5)]) == [(0, 3), (3, 4), (4, 5)]
