import warnings
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.io

from synapsnet_pyg import Session
from synapsnet_pyg.intake.notes import DataWarning
from synapsnet_pyg.intake.recording import Selection
from synapsnet_pyg.readers.reader import find_recordings
from synapsnet_pyg.readers.sortings import SortingReader

RATE, BIN = 20_000.0, 0.1
TRAINS = {3: [500, 4000, 4100, 39_000], 7: [2500, 2501, 30_000], 12: [600, 20_000, 20_001, 20_002, 41_999]}


def spike_interface():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        core = pytest.importorskip("spikeinterface.core")
        return core, pytest.importorskip("spikeinterface.extractors")


def sorting(segments=1):
    core, _ = spike_interface()
    dicts = [{unit: np.array(train) + 10 * i for unit, train in TRAINS.items()} for i in range(segments)]
    made = core.NumpySorting.from_unit_dict(dicts, sampling_frequency=RATE)
    made.set_property("group", np.array(["good", "noise", "mua"]))
    return made


def read(path, **choices):
    selection = Selection(bin_size=BIN, **choices)
    with warnings.catch_warnings():
        warnings.simplefilter("error", DataWarning)
        return Session.from_recording(SortingReader().read(Path(path), "s", selection), selection)


def counted(trains, bins, ticks=RATE * BIN):
    first = min(min(train) for train in trains)
    counts = np.zeros((len(trains), bins))
    for row, train in enumerate(trains):
        for time in train:
            if (slot := int((time - first) // ticks)) < bins:
                counts[row, slot] += 1
    return counts


def check(session, units):
    assert session.neuron_id == [f"s/{unit}" for unit in units]
    np.testing.assert_array_equal(session.activity, counted([TRAINS[int(u)] for u in units], session.num_bins))


def test_folders_that_spikeinterface_saved(tmp_path):
    made = sorting()
    for form in ("numpy_folder", "zarr"):
        folder = tmp_path / ("b.zarr" if form == "zarr" else "a") / ("" if form == "zarr" else "sorting")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made.save(folder=folder, format=form)
        assert SortingReader().recognises(folder)
        session = read(folder)
        check(session, [3, 12])
        assert session.group == ["good", "mua"]
        assert any("kept 2 of 3: 1 noise" in note for note in session.notes)
        check(read(folder, where="group==good|noise"), [3, 7])
    assert list(find_recordings(tmp_path, [SortingReader()])) == ["a", "b"]
    assert dict(SortingReader().describe(tmp_path / "a" / "sorting"))["sorting"].startswith("of spikeinterface")


def test_pickled_properties_are_never_loaded(tmp_path):
    folder = tmp_path / "saved"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sorting().save(folder=folder, format="numpy_folder")
    np.save(folder / "properties" / "marks.npy", np.array([{}, "a", None], dtype=object), allow_pickle=True)
    selection = Selection(bin_size=BIN)
    with pytest.warns(DataWarning, match="hold pickled objects, which are never read, and are left out: marks"):
        recording = SortingReader().read(folder, "s", selection)
    assert "marks" not in recording.neurons.columns
    (folder / "numpysorting_info.json").write_text("{}")
    with pytest.raises(ValueError, match="its files are damaged"):
        read(folder)


def test_segments_follow_each_other(tmp_path):
    folder = tmp_path / "saved"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sorting(2).save(folder=folder, format="numpy_folder")
    session = read(folder, where="group!=none")
    bins = session.num_bins // 2
    assert session.segment.tolist() == [[0, bins], [bins, 2 * bins]]
    expected = counted([*TRAINS.values()], bins)
    np.testing.assert_array_equal(session.activity, np.concatenate([expected, expected], axis=1))


def test_firings_of_mountainsort_need_the_sampling_rate(tmp_path):
    _, extractors = spike_interface()
    path = tmp_path / "firings.mda"
    extractors.extractor_classes.MdaSortingExtractor.write_sorting(sorting(), path)
    with pytest.raises(ValueError, match=r"mda does not state it.*--sampling-rate"):
        read(path)
    check(read(path, sampling_rate=RATE), [3, 7, 12])
    assert "--sampling-rate" in dict(SortingReader().describe(path))["next"]


def test_an_archive_of_spikeinterface(tmp_path):
    core, _ = spike_interface()
    path = tmp_path / "sorting.npz"
    core.NpzSortingExtractor.write_sorting(sorting(), path)
    assert SortingReader().recognises(path)
    check(read(path), [3, 7, 12])
    np.savez(tmp_path / "other.npz", unit_ids=np.arange(3))
    assert not SortingReader().recognises(tmp_path / "other.npz")


def test_clusters_of_klusta_by_their_groups(tmp_path):
    path = tmp_path / "mouse.kwik"
    times = np.concatenate([*TRAINS.values()])
    clusters = np.concatenate([np.full(len(train), unit) for unit, train in TRAINS.items()])
    order = np.argsort(times, kind="stable")
    with h5py.File(path, "w") as file:
        file.create_group("recordings/0").attrs["sample_rate"] = RATE
        group = file.create_group("channel_groups/0")
        group["spikes/time_samples"] = times[order].astype("u8")
        group["spikes/clusters/main"] = clusters[order].astype("u4")
        for unit, number in zip(TRAINS, (2, 0, 1), strict=True):
            group.create_group(f"clusters/main/{unit}").attrs["cluster_group"] = number
    (tmp_path / "mouse.prm").write_text("raise SystemExit\n")
    assert SortingReader().recognises(path)
    session = read(path)
    check(session, [3, 12])
    assert session.group == ["good", "mua"]
    with h5py.File(path, "a") as file:
        del file["recordings"]
    with pytest.raises(ValueError, match="damaged or incomplete"):
        read(path)


def test_clusters_of_waveclus(tmp_path):
    spike_interface()
    path = tmp_path / "times_ch1.mat"
    rows = [
        (cluster, time / RATE * 1000)
        for cluster, train in zip((0, 1, 2), TRAINS.values(), strict=True)
        for time in train
    ]
    scipy.io.savemat(path, {"cluster_class": np.array(rows), "par": {"sr": RATE}})
    assert SortingReader().recognises(path)
    session = read(path)
    assert session.neuron_id == ["s/1", "s/2"]
    np.testing.assert_array_equal(session.activity, counted([TRAINS[7], TRAINS[12]], session.num_bins))
    assert any("spikes without a cluster" in note for note in session.notes)
    assert read(path, where="cluster>=0").num_neurons == 3


def test_templates_of_spyking_circus(tmp_path):
    spike_interface()
    (tmp_path / "rec").mkdir()
    (tmp_path / "rec.params").write_text("[data]\nsampling_rate = 20000 # Hz\n")
    with h5py.File(tmp_path / "rec" / "rec.result.hdf5", "w") as file:
        for unit, train in TRAINS.items():
            file[f"spiketimes/temp_{unit}"] = np.array(train)
    assert SortingReader().recognises(tmp_path)
    session = read(tmp_path)
    assert sorted(session.neuron_id) == ["s/12", "s/3", "s/7"]
    order = [int(name.split("/")[1]) for name in session.neuron_id]
    np.testing.assert_array_equal(session.activity, counted([TRAINS[unit] for unit in order], session.num_bins))


def test_clusters_of_herdingspikes_and_yass(tmp_path):
    spike_interface()
    times = np.concatenate([*TRAINS.values()])
    clusters = np.concatenate([np.full(len(train), unit) for unit, train in TRAINS.items()])
    path = tmp_path / "hs.hdf5"
    with h5py.File(path, "w") as file:
        file["Sampling"], file["times"], file["cluster_id"] = RATE, times, clusters
        file["centres"] = np.zeros((3, 2))
    check(read(path), [3, 7, 12])
    folder = tmp_path / "yass"
    (folder / "tmp" / "output").mkdir(parents=True)
    np.save(folder / "tmp" / "output" / "spike_train.npy", np.column_stack([times, clusters]))
    (folder / "config.yaml").write_text("recordings:\n  sampling_rate: 20000\n")
    if pytest.importorskip("yaml"):
        check(read(folder), [3, 7, 12])


def test_clusters_of_mclust(tmp_path):
    spike_interface()
    for unit, train in TRAINS.items():
        header = b"%%BEGINHEADER\n% Program: matlab\n%%ENDHEADER\n"
        (tmp_path / f"TT1_{unit}.t").write_bytes(header + (np.array(train) // 2).astype(">u4").tobytes())
    assert SortingReader().recognises(tmp_path)
    session = read(tmp_path, sampling_rate=RATE)
    trains = {
        int(name.split("/")[1]): [time // 2 for time in TRAINS[int(name.split("/")[1])]] for name in session.neuron_id
    }
    np.testing.assert_array_equal(session.activity, counted([*trains.values()], session.num_bins, 1000))


def test_says_what_is_wrong(tmp_path):
    spike_interface()
    assert not SortingReader().recognises(tmp_path)
    with pytest.raises(ValueError, match="--activity among spikeinterface, klusta, waveclus"):
        read(tmp_path, activity="kilosort9")
    with pytest.raises(ValueError, match=r"a sorting of yass in .*files are missing or damaged"):
        read(tmp_path, activity="yass")
    with pytest.raises(ImportError, match="pip install tridesclous"):
        read(tmp_path, activity="tridesclous")
    with pytest.raises(ValueError, match="which holds none"):
        read(tmp_path, events=["x"])


def test_the_quality_of_spikeinterface_marks_noise_too(tmp_path):
    made = sorting()
    made.delete_property("group")
    made.set_property("quality", np.array(["good", "Noise", "mua"]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made.save(folder=tmp_path / "s", format="numpy_folder")
    session = read(tmp_path / "s")
    check(session, [3, 12])
    assert any("1 noise (--where 'quality!=none' takes all)" in note for note in session.notes)


def test_a_name_of_waveclus_does_not_make_its_file(tmp_path):
    for name, variable in (("times_mouse.mat", "spikes"), ("times_ch1.mat", "cluster_class")):
        scipy.io.savemat(tmp_path / name, {variable: np.eye(4, 2)})
        assert SortingReader().recognises(tmp_path / name) == (variable == "cluster_class")
