import os
import re
import shlex
from contextlib import suppress
from itertools import pairwise

import h5py
import numpy as np
import pytest
from helpers import told
from nwb_files import (
    add_imaging,
    bare,
    loop,
    new_file,
    put_intervals,
    put_series,
    put_units,
    texts,
    trains,
    with_planes,
    write,
)
from pynwb import TimeSeries
from pynwb.behavior import BehavioralEpochs, CompassDirection, SpatialSeries
from pynwb.misc import IntervalSeries
from pynwb.ophys import Fluorescence, ImageSegmentation, RoiResponseSeries

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.datasets.nwb import NWBRecording
from synapsnet_pyg.intake.recording import Selection
from synapsnet_pyg.readers.nwb import NWBReader

random = np.random.default_rng(1)
SPIKES = [np.sort(random.uniform(0.2, 20, n)) for n in (40, 90, 15)]
POSITION_TIMES = np.sort(random.uniform(0, 21, 200))
POSITION = random.standard_normal((200, 2))
TRACES = random.uniform(0, 5, (50, 4))  # [frame, cell]


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
            id=10 + u, spike_times=times, quality=["good", "mua", "good"][u], depth=100.0 * u, electrodes=[2 - u],
            electrode_group=group, waveform_mean=np.zeros((5, 1)),
        )  # fmt: skip
    behaviour = file.create_processing_module(name="behavior", description="behaviour")
    behaviour.add(TimeSeries(name="position", data=POSITION, unit="m", timestamps=POSITION_TIMES, conversion=0.5))
    lick = TimeSeries(name="lick", data=np.arange(210.0), unit="n", starting_time=0.0, rate=10.0)
    behaviour.add(lick)
    behaviour.add(CompassDirection(spatial_series=SpatialSeries(
        name="heading", data=(3 * POSITION_TIMES) % (2 * np.pi), unit="radians", timestamps=POSITION_TIMES,
        reference_frame="north",
    )))  # fmt: skip
    epochs = IntervalSeries(name="running", data=[1, -1, 1, -1], timestamps=[1.0, 2.0, 9.0, 10.5])
    behaviour.add(BehavioralEpochs(interval_series=epochs))
    file.add_trial_column(name="go", description="cue")
    for a, b in ((2.0, 5.0), (5.0, 8.0), (12.0, 15.05)):
        file.add_trial(start_time=a, stop_time=b, go=a + 0.5)
    file.add_invalid_time_interval(start_time=6.0, stop_time=7.0, tags=["noise"])
    return write(file, path)


def with_traces(path, swapped=False, gap=False, rate=None):
    file = new_file()
    masks = ImageSegmentation(name="ImageSegmentation")
    table = masks.create_plane_segmentation(name="cells", description="cells", imaging_plane=add_imaging(file))
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


def read(path, **given):
    """A session and the messages, without a file of it."""
    selection = Selection(**given)
    return told(lambda: Session.from_recording(NWBReader().read(path, path.stem, selection), selection))


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
    assert session.position_unit == "μm"
    assert session.quality == ["good", "mua", "good"]
    assert session.electrode_group == ["shank"] * 3
    assert session.depth.tolist() == [0, 100, 200]
    assert "waveform_mean" not in session.neuron_fields


def test_behaviour_is_interpolated_at_the_middle_of_bins(units):
    session = load(units, bin_size=0.5, intervals="trials", behaviour=["position", "behavior/lick"])[0][0]
    assert session.behaviour_name == ["position 0", "position 1", "behavior/lick"]
    assert session.segment.tolist() == [[0, 6], [6, 8], [8, 10], [10, 16]]
    at = np.concatenate([a + 0.5 * (np.arange(n) + 0.5) for a, n in ((2, 6), (5, 2), (7, 2), (12, 6))])
    for k in range(2):
        expected = np.interp(at, POSITION_TIMES, 0.5 * POSITION[:, k])
        np.testing.assert_allclose(session.behaviour[:, k], expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(session.behaviour[:, 2], at * 10, rtol=1e-5)


def test_a_compass_direction_goes_round_its_circle(units):
    session, _ = read(units, bin_size=0.05, behaviour=("heading",), start=1.0, stop=5.0)
    at = 1.0 + 0.05 * (np.arange(80) + 0.5)
    error = (session.behaviour[:, 0].numpy() - 3 * at + np.pi) % (2 * np.pi) - np.pi
    near = np.abs(at[:, None] - POSITION_TIMES).min(1) < 0.2
    assert np.abs(error[near]).max() < 0.01


@pytest.mark.parametrize(("unit", "scale"), [("degrees", 180 / np.pi), ("radians", 1.0), ("meters", 1.0)])
def test_the_circle_of_a_direction_follows_from_its_unit(tmp_path, unit, scale):
    t = np.arange(0, 20.2, 0.05)
    with bare(tmp_path / "a.nwb") as file:
        put_units(file, trains())
        file.create_group("processing/b/CompassDirection").attrs["neurodata_type"] = "CompassDirection"
        put_series(file, "processing/b/CompassDirection/hd", scale * (2 * t % (2 * np.pi)), t, unit=unit)
    session, _ = read(tmp_path / "a.nwb", bin_size=0.1, behaviour=("hd",), start=0.0, stop=20.0)
    expected = 2 * 0.1 * (np.arange(200) + 0.5)
    error = (session.behaviour[:, 0].numpy() / scale - expected + np.pi) % (2 * np.pi) - np.pi
    assert np.abs(error).max() < 0.01


def test_events_and_intervals_of_any_place_become_behaviours(units):
    session, _ = read(
        units, bin_size=0.5, start=0.5, stop=16.0, events=("trials", "running", "trials/go"), exclude=("0:0.1",)
    )
    edge = np.concatenate([0.5 + 0.5 * np.arange(11), 7.0 + 0.5 * np.arange(18)])
    trial = sum(np.clip(np.minimum(edge + 0.5, b) - np.maximum(edge, a), 0, None) for a, b in ((2, 8), (12, 15.05)))
    on = sum(np.clip(np.minimum(edge + 0.5, b) - np.maximum(edge, a), 0, None) for a, b in ((1, 2), (9, 10.5)))
    np.testing.assert_allclose(session.behaviour[:, 0], trial / 0.5, atol=1e-6)
    np.testing.assert_allclose(session.behaviour[:, 1], on / 0.5, atol=1e-6)
    assert session.behaviour[:, 2].tolist() == [float(any(e <= g < e + 0.5 for g in (2.5, 5.5, 12.5))) for e in edge]
    session, _ = read(units, bin_size=0.5, exclude=("BehavioralEpochs", "12:13"))
    blocks = len(session.segment)
    assert blocks == 5  # invalid time, two runs and the literal interval


def test_rows_can_be_chosen(units):
    assert load(units, bin_size=0.1, where={"quality": "good"})[0][0].neuron_id == ["rat/10", "rat/12"]
    assert load(units, bin_size=0.1, where="area==CA3|DG, depth<50")[0][0].neuron_id == ["rat/10"]
    with pytest.raises(ValueError, match=r"quality==best .*quality is good, mua"):
        load(units, bin_size=0.1, where={"quality": "best"})
    with pytest.raises(ValueError, match="'snr'"):
        load(units, bin_size=0.1, where={"snr": 2})


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("rate", [None, 5.0])
def test_traces_keep_their_frames(tmp_path, swapped, rate):
    path = with_traces(tmp_path / "fish.nwb", swapped, rate=rate)
    dataset, messages = load(path, where="accepted==0|1")
    session = dataset[0]
    np.testing.assert_array_equal(session.activity, TRACES.T.astype(np.float32))
    assert session.bin_size == pytest.approx(0.2)
    assert session.neuron_id == ["fish/100", "fish/102", "fish/103", "fish/105"]
    assert session.area == ["VISp"] * 4
    assert any("transposed" in one for one in messages) == swapped
    kept, _ = read(path)
    np.testing.assert_array_equal(kept.activity, TRACES.T[[0, 2, 3]].astype(np.float32))
    assert any("kept 3 of 4 cells: 1 are marked as rejected by 'accepted'" in note for note in kept.notes)


def test_a_gap_between_frames_ends_a_segment(tmp_path):
    dataset, messages = load(with_traces(tmp_path / "fish.nwb", gap=True))
    assert dataset[0].segment.tolist() == [[0, 30], [30, 50]]
    assert any("1 gaps" in one for one in messages)


def test_frames_are_joined_and_excluded(tmp_path):
    path = with_traces(tmp_path / "fish.nwb")
    session, _ = read(path, rebin=5, exclude=("3:5",))
    expected = TRACES.T[[0, 2, 3]][:, np.r_[0:10, 20:50]].reshape(3, 8, 5).mean(-1)
    np.testing.assert_allclose(session.activity, expected, rtol=1e-6)
    assert session.segment.tolist() == [[0, 2], [2, 8]]


def test_planes_are_joined_and_kinds_are_asked_for(tmp_path):
    clock = np.arange(20) * 0.1
    path = with_planes(tmp_path / "s.nwb", {"DfOverF": 0.0, "Deconvolved": 1000.0}, [clock, clock + 0.02])
    with pytest.raises(ValueError, match=r"one activity .*Deconvolved, processing/ophys/DfOverF"):
        read(path)
    session, _ = read(path, activity="Deconvolved")
    first = 1000 + np.arange(60).reshape(20, 3) % 13
    second = 1100 + np.arange(40).reshape(20, 2) % 13
    np.testing.assert_array_equal(session.activity, np.concatenate([first.T, second.T]))
    assert session.plane == ["plane0"] * 3 + ["plane1"] * 2
    assert session.area == ["VISp"] * 3 + ["VISl"] * 2
    assert session.neuron_id == [f"s/plane{p}/{c}" for p, n in enumerate((3, 2)) for c in range(n)]
    assert any("also there: processing/ophys/DfOverF" in note for note in session.notes)
    with pytest.raises(ValueError, match="it fits processing/ophys/Deconvolved/plane1"):
        read(path, activity="plane1")
    one, _ = read(path, activity="processing/ophys/DfOverF/plane1")
    np.testing.assert_array_equal(one.activity, second.T - 1000)
    command = dict(NWBReader().describe(path))["next"]
    assert shlex.split(command)[4:] == ["--activity", "processing/ophys/DfOverF"]


def test_traces_that_the_file_claims_and_does_not_hold_are_refused(tmp_path):
    path = with_planes(tmp_path / "s.nwb", {"DfOverF": 0.0}, [np.arange(0, 4, 0.2)] * 2)
    with h5py.File(path, "r+") as file:
        series = file["processing/ophys/DfOverF/plane0"]
        del series["data"]
        series.create_dataset("data", (20, 10**7), "f8", chunks=(1, 15625), compression="gzip")
    assert path.stat().st_size < 1e6
    with pytest.raises(ValueError, match=r"DfOverF/plane0/data' of '.*s.nwb' in the file .* GiB, of which it holds 0"):
        read(path)


def test_planes_of_other_lengths_or_clocks_are_told(tmp_path):
    clock = np.arange(20) * 0.1
    path = with_planes(tmp_path / "s.nwb", {"DfOverF": 0.0}, [clock, clock[:19] + 0.06])
    session, messages = read(path)
    assert session.num_bins == 19
    assert any("planes have 20, 19 frames" in one for one in messages)
    assert any("0.06 s" in one for one in messages)
    path = with_planes(tmp_path / "t.nwb", {"DfOverF": 0.0}, [clock, clock + 5])
    with pytest.raises(ValueError, match=r"one clock of all planes .*give --activity"):
        read(path)
    path = with_planes(tmp_path / "u.nwb", {"DfOverF": 0.0}, [clock, clock[:9]])
    with pytest.raises(ValueError, match="planes of equal length"):
        read(path)


def test_kinds_of_trace_of_the_same_cells_are_not_planes(tmp_path):
    with bare(tmp_path / "a.nwb") as file:
        cells = file.create_group("processing/ophys/ImageSegmentation/cells")
        cells["id"] = np.arange(3)
        for kind in ("RoiResponseSeries", "Neuropil"):
            group = put_series(file, f"processing/ophys/Fluorescence/{kind}", np.eye(7, 3), rate=10)
            group["rois"] = np.arange(3)
            group["rois"].attrs["table"] = cells.ref
    with pytest.raises(ValueError, match=r"give --activity processing/ophys/Fluorescence/"):
        read(tmp_path / "a.nwb")
    assert read(tmp_path / "a.nwb", activity="Neuropil")[0].num_neurons == 3


@pytest.mark.parametrize("marks", ["iscell", "rejected", "valid_roi"])
def test_rejected_cells_go_out(tmp_path, marks):
    columns = {
        "iscell": np.array([[1, 0.9], [0, 0.1], [1, 0.8]]),
        "rejected": np.array([0, 1, 0], dtype=np.uint8),
        "valid_roi": np.array([True, False, True]),
    }
    with bare(tmp_path / "a.nwb") as file:
        cells = file.create_group("processing/ophys/ImageSegmentation/cells")
        cells["id"], cells[marks] = np.array([7, 8, 9]), columns[marks]
        group = put_series(file, "processing/ophys/DfOverF/R", np.arange(30.0).reshape(10, 3), rate=10)
        group["rois"] = np.arange(3)
        group["rois"].attrs["table"] = cells.ref
    session, _ = read(tmp_path / "a.nwb")
    assert session.neuron_id == ["a/7", "a/9"]
    assert session.activity[:, 1].tolist() == [3.0, 5.0]
    if marks == "iscell":
        np.testing.assert_allclose(session.cell_probability, [0.9, 0.8])
        assert read(tmp_path / "a.nwb", where="cell_probability<0.5")[0].neuron_id == ["a/8"]


@pytest.mark.parametrize("shape", ["frames", "one cell", "turned without a list"])
def test_axes_of_traces(tmp_path, shape):
    values = np.random.default_rng(0).standard_normal((40, 3)).astype(np.float32)
    data = {"frames": values[:, 0], "one cell": values[:, :1], "turned without a list": values.T}[shape]
    with bare(tmp_path / "a.nwb") as file:
        put_series(file, "processing/ophys/DfOverF/R", data, np.arange(40) / 10, kind="RoiResponseSeries", offset=2.0)
    session, _ = read(tmp_path / "a.nwb")
    np.testing.assert_allclose(session.activity, values.T[: len(session.activity)] + 2.0, rtol=1e-6)
    assert session.num_bins == 40


def test_a_clock_that_misses_a_frame_is_told(tmp_path):
    for name, count in (("a", 39), ("b", 20)):
        with bare(tmp_path / f"{name}.nwb") as file:
            put_series(file, "processing/ophys/DfOverF/R", np.eye(40, 3), np.arange(count) / 10)
    session, messages = read(tmp_path / "a.nwb")
    assert session.num_bins == 39
    assert any("39 times for 40 frames" in one for one in messages)
    with pytest.raises(ValueError, match=r"got 20 times for data \[40, 3\]"):
        read(tmp_path / "b.nwb")


def test_what_was_not_observed_is_no_silence(tmp_path):
    file = new_file()
    spikes = [np.concatenate([t[t < 10], t[t >= 10] + 30]) for t in trains(3)]
    for train in spikes:
        file.add_unit(spike_times=train, obs_intervals=[[0.0, 10.0], [40.0, 50.0]])
    path = write(file, tmp_path / "a.nwb")
    session, _ = read(path, bin_size=0.05)
    assert session.segment.tolist() == [[0, 200], [200, 400]]
    for row, train in zip(session.activity, spikes, strict=True):
        assert row.tolist() == loop(train, 0.0, 200, 0.05) + loop(train, 40.0, 200, 0.05)
    assert dict(NWBReader().describe(path))["observed"].startswith("0.0 to 10.0 s, 40.0 to 50.0 s")


def test_observed_intervals_of_other_writers(tmp_path):
    spikes = trains(2)
    with bare(tmp_path / "turned.nwb") as file:
        put_units(
            file, spikes, obs_intervals=np.array([[0.0, 4, 0, 4, 8], [3, 7, 3, 7, 9]]), obs_intervals_index=[2, 5]
        )
    assert len(read(tmp_path / "turned.nwb", bin_size=0.5)[0].segment) == 2
    with bare(tmp_path / "endless.nwb") as file:
        put_units(file, spikes, obs_intervals=np.array([[0.0, np.inf]]), obs_intervals_index=[1, 1])
    session, _ = read(tmp_path / "endless.nwb", bin_size=0.5)
    assert len(session.segment) == 1
    assert session.num_neurons == 2
    with bare(tmp_path / "odd.nwb") as file:
        put_units(file, spikes, obs_intervals=np.zeros((1, 2)), obs_intervals_index=[1, 7])
    assert any("does not fit" in one for one in read(tmp_path / "odd.nwb", bin_size=0.5)[1])


def test_columns_of_every_kind(tmp_path):
    with bare(tmp_path / "a.nwb") as file:
        table = put_units(
            file, trains(3), id=[4, 4, 9], neuron_id=[100, 101, 102], activity=[1.5, 2.5, np.nan],
            cluster=np.array([1, 2, 3], dtype="u4"), half=np.array([0.5, 1, 2], dtype=np.float16),
            big=np.array([1.0, 2, 3], dtype=">f8"), kind=np.array([0, 1, 0], dtype=np.uint8),
            kind_elements=texts(["FS", "RS"]), label=texts(["a", "", "c"]), short=[1, 2], image=np.zeros((3, 4, 4)),
            centre=np.arange(6.0).reshape(3, 2), waveform=np.zeros((3, 30)), one=[5.0, 6.0], one_index=[1, 1, 2],
            **{"spike width (ms)": [0.1, 0.2, 0.3]},
        )  # fmt: skip
        table["kind"].attrs["elements"] = table["kind_elements"].ref
        flag = h5py.enum_dtype({"quiet": 0, "loud": 1}, basetype="i1")
        table.create_dataset("level", data=np.array([1, 0, 1]), dtype=flag)
    session, messages = read(tmp_path / "a.nwb", bin_size=0.5)
    assert session.neuron_id == ["a/0", "a/1", "a/9"]
    assert any("come more than once" in one for one in messages)
    assert any("2 entries for 3 neurons" in one for one in messages)
    fields = {key: value if isinstance(value, list) else value.tolist() for key, value in session.neuron_fields.items()}
    assert fields.pop("nwb_activity")[:2] == [1.5, 2.5]
    assert fields == {
        "nwb_neuron_id": [100, 101, 102],
        "cluster": [1, 2, 3],
        "half": [0.5, 1.0, 2.0],
        "big": [1.0, 2.0, 3.0],
        "kind": ["FS", "RS", "FS"],
        "label": ["a", "", "c"],
        "level": ["loud", "quiet", "loud"],
        "centre": [[0, 1], [2, 3], [4, 5]],
        "spike_width_ms": pytest.approx([0.1, 0.2, 0.3]),
    }
    assert read(tmp_path / "a.nwb", bin_size=0.5, where="kind==FS")[0].num_neurons == 2


def test_a_unit_without_an_electrode_has_no_area(tmp_path):
    with bare(tmp_path / "a.nwb") as file:
        put_units(file, trains(4), peak_channel_id=np.array([10.0, np.nan, 12.0, 99.0]))
        table = file.create_group("general/extracellular_ephys/electrodes")
        table["id"], table["location"] = np.arange(10, 14), texts(["CA1", "CA3", "DG", "CA1"])
        table["x"], table["y"], table["z"] = np.ones(4), np.arange(4.0), np.zeros(4)
    session, _ = read(tmp_path / "a.nwb", bin_size=0.5)
    assert session.area == ["CA1", "", "DG", ""]
    assert session.position[:, 1].isnan().tolist() == [False, True, False, True]


def test_series_with_other_clocks(tmp_path):
    t = np.arange(0, 21, 0.02)
    with bare(tmp_path / "a.nwb") as file:
        put_units(file, trains())
        put_series(file, "processing/m/pairs", np.sin(t), np.stack([t, t + 0.02]))
        put_series(file, "processing/m/turned", np.sin(t), np.stack([t, t + 0.02], axis=1))
        milli = put_series(file, "processing/m/milli", 2 * np.sin(t), 1000 * t, conversion=0.5)
        milli["timestamps"].attrs["unit"] = "milliseconds"
        put_series(file, "processing/m/wide", np.stack([np.sin(t), np.cos(t)]), t)
        linked = put_series(file, "processing/m/linked", np.sin(t))
        linked["timestamps"] = h5py.SoftLink("/processing/m/turned/timestamps")
        fits = file.create_group("processing/m/fits")
        fits["timestamps"], fits["width"] = t, np.sin(t)
        put_series(file, "processing/m/volts", np.sin(t), rate=20)
    with pytest.raises(ValueError, match=r"a sample every 0\.05 s\); give it as --behaviour"):
        read(tmp_path / "a.nwb", bin_size=0.05, events=("volts",))
    names = ("pairs", "turned", "milli", "linked", "fits/width", "wide")
    session, _ = read(tmp_path / "a.nwb", bin_size=0.05, start=0.0, stop=20.0, behaviour=names)
    at = 0.05 * (np.arange(400) + 0.5)
    assert session.num_behaviours == 7
    for k in range(6):
        np.testing.assert_allclose(session.behaviour[:, k], np.sin(at), atol=1e-3)


def test_texts_become_states(tmp_path):
    with bare(tmp_path / "a.nwb") as file:
        put_units(file, trains())
        put_series(file, "processing/b/state", texts(["run", "rest", "run", "groom"]), [0.0, 5.0, 10.0, 15.0])
    session, _ = read(tmp_path / "a.nwb", bin_size=1.0, start=0.0, stop=20.0, behaviour=("state",))
    assert session.behaviour_name == ["state groom", "state rest", "state run"]
    assert session.behaviour[:, 1].tolist() == [0] * 5 + [1] * 5 + [0] * 10


@pytest.mark.parametrize(("scale", "unit", "rate"), [(1000, "ms", None), (1000, None, 1000.0), (30000, None, 30000.0)])
def test_spike_times_in_ticks(tmp_path, scale, unit, rate):
    spikes = [np.round(train * scale) for train in trains(3)]
    with bare(tmp_path / "a.nwb") as file:
        table = put_units(file, spikes)
        if unit:
            table["spike_times"].attrs["unit"] = unit
        last = 20.0 if rate else 20.0 * scale  # in seconds, or as the spike times are
        table["obs_intervals"], table["obs_intervals_index"] = np.tile([[0.0, last]], (3, 1)), [1, 2, 3]
    if unit is None:
        with pytest.raises(ValueError, match="--sampling-rate"):
            read(tmp_path / "a.nwb")
        assert "--sampling-rate" in dict(NWBReader().describe(tmp_path / "a.nwb"))["clock"]
    session, _ = read(tmp_path / "a.nwb", bin_size=0.1, start=0.0, stop=20.0, sampling_rate=rate)
    ticks = scale // 10
    for row, train in zip(session.activity, spikes, strict=True):
        assert row.tolist() == np.bincount((train // ticks).astype(int), minlength=201)[:200].tolist()


def test_several_tables_of_units_are_asked_for(tmp_path):
    with bare(tmp_path / "a.nwb") as file:
        put_units(file, trains(3))
        put_units(file, trains(2, seed=4), where="processing/ecephys/units")
    with pytest.raises(ValueError, match="it has processing/ecephys/units, units"):
        read(tmp_path / "a.nwb")
    assert read(tmp_path / "a.nwb", activity="units", bin_size=0.5)[0].num_neurons == 3
    assert read(tmp_path / "a.nwb", activity="ecephys/units", bin_size=0.5)[0].num_neurons == 2


def test_other_series_are_an_activity_by_name_alone(tmp_path):
    values = np.random.default_rng(0).standard_normal((60, 4))
    with bare(tmp_path / "a.nwb") as file:
        group = put_series(file, "acquisition/rates", values, rate=20, conversion=2.0)
        group["channel_conversion"] = [1.0, 2.0, 3.0, 4.0]
    with pytest.raises(ValueError, match=r"it has none\); --activity takes .*acquisition/rates"):
        read(tmp_path / "a.nwb")
    session, _ = read(tmp_path / "a.nwb", activity="rates")
    np.testing.assert_allclose(session.activity, (2 * values * [1, 2, 3, 4]).T, rtol=1e-6)
    assert session.bin_size == 0.05


def test_nwb_1(tmp_path):
    spikes = trains(3)
    with h5py.File(tmp_path / "old.nwb", "w") as file:
        file["nwb_version"] = "NWB-1.0.6"
        module = file.create_group("processing/sorting/UnitTimes")
        module["unit_list"] = texts(["unit_10", "unit_2", "unit_3"])
        for name, train in zip(("unit_10", "unit_2", "unit_3"), spikes, strict=True):
            module.create_group(name)["times"] = train
        for k, (start, stop) in enumerate([(1.0, 4.0), (6.0, 9.0)]):
            epoch = file.create_group(f"epochs/trial_{k}")
            epoch["start_time"], epoch["stop_time"] = start, stop
        put_series(file, "processing/behavior/BehavioralTimeSeries/speed", np.arange(210.0), rate=10)
    session, _ = read(tmp_path / "old.nwb", bin_size=0.5, intervals="epochs", behaviour=("speed",))
    assert session.neuron_id == ["old/unit_10", "old/unit_2", "old/unit_3"]
    assert session.segment.tolist() == [[0, 6], [6, 12]]
    for row, train in zip(session.activity, spikes, strict=True):
        assert row.tolist() == loop(train, 1.0, 6, 0.5) + loop(train, 6.0, 6, 0.5)
    rows = NWBReader().describe(tmp_path / "old.nwb")
    assert rows[0][1].startswith("NWB 1.0.6")
    assert ("intervals", "epochs: 2 rows, 6.0 s") in rows


def test_old_traces_without_a_table_of_cells(tmp_path):
    values = np.random.default_rng(0).standard_normal((3, 40)).astype(np.float32)
    with h5py.File(tmp_path / "old.nwb", "w") as file:
        file["nwb_version"] = "1.0.5"
        group = put_series(file, "processing/brain/DfOverF/plane_1", values, np.arange(40) / 10)
        group["roi_names"] = texts(["c7", "c8", "c9"])
    session, _ = read(tmp_path / "old.nwb")
    np.testing.assert_array_equal(session.activity, values)
    assert session.neuron_id == ["old/c7", "old/c8", "old/c9"]


def test_a_folder_of_files(tmp_path):
    (tmp_path / "a").mkdir()
    with_traces(tmp_path / "a" / "fish.nwb")
    with_units(tmp_path / "rat.nwb")
    (tmp_path / "._rat.nwb").write_bytes(b"\0\5\x16\7\0\2\0\0Mac OS X        ")
    (tmp_path / "notes.nwb").mkdir()
    (tmp_path / "b").mkdir()
    os.symlink(tmp_path / "rat.nwb", tmp_path / "same.nwb")
    (tmp_path / "zz.nwb").write_bytes(b"no file of NWB")
    dataset, messages = load(tmp_path, bin_size=0.2)
    assert dataset.names == ["fish", "rat"]
    assert any("same.nwb' is left out: it is the same file as" in one for one in messages)
    assert any("zz is left out" in one and "no HDF5 file" in one for one in messages)


def test_recognises_what_is_nwb(units, tmp_path):
    reader = NWBReader()
    (tmp_path / "x.nwb").mkdir()
    with h5py.File(tmp_path / "arrays.h5", "w") as file:
        file["x"] = 1
    with bare(tmp_path / "lab.h5"):
        pass
    assert reader.recognises(units)
    assert reader.recognises(tmp_path / "lab.h5")
    assert not reader.recognises(tmp_path / "x.nwb")
    assert not reader.recognises(tmp_path / "arrays.h5")


def test_says_what_the_file_has(units, tmp_path):
    for arguments, wanted in (
        ({"activity": "dff"}, "an activity among units"),
        ({"intervals": "epochs"}, "intervals among .*trials"),
        ({"behaviour": ["wheel"]}, "a behaviour among .*position"),
        ({"events": ["wheel"]}, "events or intervals among .*trials"),
        ({"exclude": ["laser"]}, "intervals to exclude among .*trials"),
    ):
        with pytest.raises(ValueError, match=wanted):
            load(units, bin_size=0.1, **arguments)
    with pytest.raises(ValueError, match="above 0"):
        load(units, bin_size=-1)
    with pytest.raises(FileNotFoundError, match="no file or folder"):
        NWBRecording(tmp_path / "none.nwb", bin_size=0.1)
    empty = write(new_file(), tmp_path / "empty.nwb")
    with pytest.raises(ValueError, match=r"one activity in .* \(it has none\)"):
        NWBRecording(empty, bin_size=0.1)


def test_describe_tells_all(units):
    rows = NWBReader().describe(units)
    known = dict(rows)
    first, last = min(t[0] for t in SPIKES), max(t[-1] for t in SPIKES)
    assert known["units"] == "units: 3 with 145 spikes, 0 silent"
    assert known["time"].startswith(f"{first:.1f} to {last:.1f} s, {145 / (last - first) / 3:.3g} Hz a unit")
    assert known["quality"] == "good 2, mua 1"
    assert known["electrodes"] == "CA1 1, CA3 1, DG 1"
    assert ("TimeSeries", "processing/behavior/position [200, 2] m") in rows
    assert ("intervals", f"intervals/trials: 3 rows, {9.05:.1f} s") in rows
    command = shlex.split(known["next"])
    assert command[:4] == ["synapsnet", "convert", str(units), "out.h5"]
    assert command[4:] == ["--bin-size", "0.0333"]


def test_spikes_that_start_over_are_described_rightly(tmp_path):
    spikes = [np.concatenate([t[30:], t[:30]]) for t in trains(2)]
    with bare(tmp_path / "a.nwb") as file:
        put_units(file, spikes)
    everything = np.concatenate(spikes)
    span = f"{everything.min():.1f} to {everything.max():.1f} s"
    assert dict(NWBReader().describe(tmp_path / "a.nwb"))["time"].startswith(span)


def test_no_spikes_one_neuron_and_nan(tmp_path):
    file = new_file()
    file.add_unit(id=0, spike_times=np.array([1.0, np.nan, 0.5, 3.0]))
    file.add_unit(id=1, spike_times=np.array([]))
    session = load(write(file, tmp_path / "odd.nwb"), bin_size=0.5)[0][0]
    assert session.activity.sum(1).tolist() == [2.0, 0.0]  # the last spike stands at the end of the last bin
    file = new_file()
    file.add_unit(id=0, spike_times=np.array([]))
    with pytest.raises(ValueError, match="Expected spikes"):
        load(write(file, tmp_path / "none.nwb"), bin_size=0.5)


def test_trials_in_another_unit_are_refused(tmp_path):
    with bare(tmp_path / "a.nwb") as file:
        put_units(file, trains())
        put_intervals(file, "intervals/trials", [1000.0, 5000.0], [3000.0, 7000.0])
    with pytest.raises(ValueError, match="all 2 lie outside"):
        read(tmp_path / "a.nwb", intervals="trials")


def test_truncated_at_any_place_is_one_clear_line(units, tmp_path):
    whole = units.read_bytes()
    path = tmp_path / "cut.nwb"
    for cut in np.linspace(0, len(whole) - 1, 50).astype(int):
        path.write_bytes(whole[:cut])
        with pytest.raises(ValueError, match=r"cut\.nwb") as error:
            NWBRecording(path, bin_size=0.1)
        assert len(str(error.value).splitlines()) == 1


@pytest.mark.slow
def test_no_byte_changed_on_disk_makes_it_crash(units, tmp_path):
    whole = bytearray(units.read_bytes())
    path = tmp_path / "hurt.nwb"
    for place in np.random.default_rng(0).integers(0, len(whole), 60):
        hurt = bytearray(whole)
        hurt[place : place + 16] = b"\xff" * len(hurt[place : place + 16])
        path.write_bytes(hurt)
        with suppress(ValueError):  # any other error would be a crash
            session, _ = read(path, bin_size=0.1, behaviour=("position",))
            assert bool(session.activity.isfinite().all())
        with suppress(ValueError):
            told(lambda: NWBReader().describe(path))


def test_ends_that_do_not_fit_are_told(units, tmp_path):
    path = tmp_path / "ends.nwb"
    for ends in ([40, 30, 145], [40, 130, 146], [0.5, 1.5, 2.5]):
        path.write_bytes(units.read_bytes())
        with h5py.File(path, "r+") as file:
            del file["units/spike_times_index"]
            file["units/spike_times_index"] = np.array(ends)
        with pytest.raises(ValueError, match="spike_times"):
            NWBRecording(path, bin_size=0.1)


def test_time_in_which_only_some_were_observed(tmp_path):
    def written(rows, start=0.0, stop=50.0):
        path = tmp_path / "a.nwb"
        with bare(path) as file:
            table = put_units(file, [start + train for train in trains(4, stop)])
            table["obs_intervals"], table["obs_intervals_index"] = np.array(rows), np.arange(1, 5)
        return path

    session, _ = read(written([[0.0, 50], [0, 40], [10, 50], [0, 50]]), bin_size=0.05)
    assert session.num_bins == 600
    assert "30.0 s of 50.0 s were observed in all 4 neurons" in session.notes
    assert any(re.match(r"\d+ of 258 spikes are left out", note) for note in session.notes)
    with pytest.raises(ValueError, match=r"at different times.*--where"):
        read(written([[0.0, 25], [0, 25], [25, 50], [25, 50]]), bin_size=0.05)
    milliseconds = written([[0.0, 50_000.0]] * 4)
    with pytest.raises(ValueError, match=r"milliseconds.*--start 0 --stop 50 takes") as refused:
        read(milliseconds, bin_size=0.05)
    start, stop = re.search(r"--start (\S+) --stop (\S+)", str(refused.value)).groups()
    assert read(milliseconds, bin_size=0.05, start=float(start), stop=float(stop))[0].num_bins == 1000


@pytest.mark.parametrize(
    ("codes", "wanted", "alone"),
    [
        ([1, -1, 1, -1], [(1, 2), (3, 5)], 0),
        ([-1, 1, -1, 1], [(2, 3)], 2),
        ([1, 2, -1, -2], [(1, 3), (2, 5)], 0),
        ([1, 0, 1, 0], [(1, 2), (3, 5)], 0),
    ],
)
def test_on_and_off_of_every_code(tmp_path, codes, wanted, alone):
    with bare(tmp_path / "a.nwb") as file:
        put_units(file, trains())
        group = file.create_group("stimulus/presentation/light")
        group.attrs["neurodata_type"] = "IntervalSeries"
        group["data"], group["timestamps"] = np.array(codes, dtype="i1"), np.array([1.0, 2, 3, 5])
        put_intervals(file, "intervals/broken", [1.0, 2.0], [3.0])
    session, messages = read(tmp_path / "a.nwb", bin_size=0.5, start=0.0, events=["light"])
    share = [sum(max(0.0, min(b, k + 0.5) - max(a, k)) for a, b in wanted) / 0.5 for k in np.arange(12) * 0.5]
    np.testing.assert_allclose(session.behaviour[:12, 0], np.minimum(share, 1.0))
    assert any(f"{alone} starts or stops" in message for message in messages) == bool(alone)
    rows, _ = told(lambda: NWBReader().describe(tmp_path / "a.nwb"))
    assert sum("Expected as many starts as stops" in text for _, text in rows) == 1


def test_planes_stand_in_natural_order(tmp_path):
    with bare(tmp_path / "a.nwb") as file:
        for plane in range(12):
            put_series(file, f"processing/ophys/DfOverF/plane{plane}", np.full((9, 1), plane) + np.eye(9, 1), rate=5)
    session, _ = read(tmp_path / "a.nwb")
    assert session.activity[:, -1].tolist() == list(range(12))
    assert session.plane == [f"plane{plane}" for plane in range(12)]


@pytest.mark.parametrize(("ticks", "option"), [(1e3, "1000"), (3e4, "30000"), (1 / 86400, "1.15741e-05")])
def test_the_proposed_command_tells_the_likely_ticks(tmp_path, ticks, option):
    with bare(tmp_path / "spikes.nwb") as file:
        put_units(file, [train * ticks for train in trains()])
    with bare(tmp_path / "frames.nwb") as file:
        put_series(
            file,
            "processing/ophys/DfOverF/R",
            np.random.default_rng(0).normal(size=(60, 2)),
            np.arange(60) / 30 * ticks,
        )
    for name, usual in (("spikes", 0.0333), ("frames", 1 / 30)):
        command = dict(NWBReader().describe(tmp_path / f"{name}.nwb"))["next"]
        assert command.endswith(f" --sampling-rate {option}")
        size = usual if name == "spikes" else None
        session, _ = read(tmp_path / f"{name}.nwb", bin_size=size, sampling_rate=float(option))
        assert session.bin_size == pytest.approx(usual, rel=1e-4)


def test_no_command_is_proposed_for_units_without_spikes(tmp_path):
    with bare(tmp_path / "a.nwb") as file:
        put_units(file, [np.zeros(0)] * 3)
    assert dict(NWBReader().describe(tmp_path / "a.nwb"))["activity"] == "none that is known"


def test_a_series_without_a_clock_asks_for_read(tmp_path):
    with bare(tmp_path / "a.nwb") as file:
        put_series(file, "processing/ophys/DfOverF/R", np.random.default_rng(0).normal(size=(60, 2)))
        put_series(file, "processing/behavior/speed", np.ones(9))
    assert dict(NWBReader().describe(tmp_path / "a.nwb"))["next"].endswith("--frame-rate 30")
    assert read(tmp_path / "a.nwb", frame_rate=30, rebin=2)[0].bin_size == pytest.approx(1 / 15)
    with pytest.raises(ValueError, match="timestamps or a rate in 'processing/behavior/speed'"):
        read(tmp_path / "a.nwb", frame_rate=30, behaviour=["speed"])


def test_intervals_in_milliseconds_become_behaviour(tmp_path):
    with bare(tmp_path / "a.nwb") as file:
        put_units(file, trains())
        put_intervals(file, "intervals/trials", np.arange(5) * 3000.0, np.arange(5) * 3000.0 + 2000)
        put_intervals(file, "intervals/none", [], [])
    _, messages = read(tmp_path / "a.nwb", bin_size=0.5, events=["trials", "none"])
    assert "only 1 of 5 lie within the recording" in messages[0]
    assert "--behaviour-rate" in messages[0]
    session, messages = read(
        tmp_path / "a.nwb", bin_size=0.5, start=0.0, stop=15.0, behaviour=["trials"], behaviour_rate=1e3
    )
    assert messages == []
    assert session.behaviour[:, 0].tolist() == [1.0 * (k % 6 < 4) for k in range(30)]
