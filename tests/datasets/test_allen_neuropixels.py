import h5py
import numpy as np
import pytest
from helpers import told
from nwb_files import bare, put_units, trains
from on_disk import CHANNELS, write_allen, write_channels
from pynwb import NWBHDF5IO, validate

from synapsnet_pyg.datasets.allen_neuropixels import AllenNeuropixels

SCENES = [(10.0, 30.0), (40.0, 44.0), (45.5, 58.0)]  # what is left between invalid times


def cache(root, *sessions, kind="brain_observatory_1.1", **given):
    return {one: write_allen(root / f"session_{one}" / f"session_{one}.nwb", one, kind, **given) for one in sessions}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    root = tmp_path_factory.mktemp("allen")
    put = cache(root, 715093703, 719161530)
    put |= cache(root, 766640955, kind="functional_connectivity")
    return root, put


def load(root, *arguments, **given):
    return told(lambda: AllenNeuropixels(root, *arguments, **given))


def brute_force(times, blocks, size):
    """A loop over bins, as a reader would define them."""
    counts = []
    for start, stop in blocks:
        for k in range(int((stop - start) / size + 1e-6)):
            counts.append(int(((times >= start + size * k) & (times < start + size * (k + 1))).sum()))
    return counts


def centres(blocks, size):
    return np.concatenate([a + size * (np.arange(int((b - a) / size + 1e-6)) + 0.5) for a, b in blocks])


def test_fixture_is_valid_nwb(written):
    root, _ = written
    for path in root.rglob("*.nwb"):
        with NWBHDF5IO(path, "r") as io:
            assert validate(io=io) == []


def test_counts_are_those_of_a_loop_over_bins(written):
    root, put = written
    dataset, messages = load(root)
    assert dataset.names == ["allen-715093703", "allen-719161530"]
    assert any("allen-766640955 is left out: it has no natural scenes (but spontaneous)" in one for one in messages)
    for session, one in zip(dataset, put.values(), strict=False):
        assert session.neuron_id == [f"allen/{unit}" for unit in one.kept]
        for row, unit in zip(session.activity, one.kept, strict=True):
            assert row.tolist() == brute_force(one.spikes[unit], SCENES, 1 / 30)
        assert session.segment.tolist() == [[0, 600], [600, 720], [720, 1095]]


def test_running_speed_stands_still_in_the_gaps(written):
    root, put = written
    session, one = load(root)[0][0], put[715093703]
    at = centres(SCENES, 1 / 30)
    expected = np.interp(at, one.running_times, one.running)
    gap = (at > 20.05) & (at < 22.95)
    np.testing.assert_allclose(
        session.behaviour[~((at > 19.9) & (at < 23.1)), 0], expected[~((at > 19.9) & (at < 23.1))], rtol=1e-6
    )
    assert session.behaviour[gap].abs().max() == 0
    straight = load(root, still=None)[0][0]
    np.testing.assert_allclose(straight.behaviour[:, 0], expected, rtol=1e-6)


def test_filters_are_arguments(written):
    root, put = written
    one = put[715093703]
    ids = list(one.spikes)
    strict = load(root, presence_ratio=0.95)[0][0]
    assert strict.neuron_id == [f"allen/{unit}" for unit in one.kept if unit != ids[1]]
    loose = load(root, quality=None, amplitude_cutoff=np.inf, presence_ratio=0.0)[0][0]
    assert loose.neuron_id == [f"allen/{unit}" for u, unit in enumerate(ids) if u not in (4, 6, 7)]
    (dataset, messages) = load(root, areas=["CA1"])
    assert dataset[0].area == ["CA1"]
    with pytest.raises(ValueError, match="all are left out"):
        load(root, areas=["PF"])
    assert any("left out" in one for one in messages)


def test_position_of_the_files_lacks_left_right_and_that_is_told(written, tmp_path):
    root, _ = written
    dataset, messages = load(root)
    assert any("copy of y as z" in one for one in messages)
    assert dataset[0].position[:, 2].isnan().all()
    assert dataset[0].position[0, :2].tolist() == [8000.0, 1000.0]
    cache(tmp_path, 715093703, z_copies_y=False)
    dataset, messages = load(tmp_path)
    assert not any("copy of y" in one for one in messages)
    assert dataset[0].position[0].tolist() == [8000.0, 1000.0, 6000.0]
    true = write_channels(tmp_path / "channels.csv")
    session = load(tmp_path)[0][0]
    np.testing.assert_array_equal(session.position, [true[CHANNELS[c]] for c in (0, 1, 2, 3)])
    assert load(tmp_path, positioned=True)[0][0].num_neurons == 3


def test_spontaneous_ends_at_the_laser(written):
    root, put = written
    dataset, _ = load(root, "spontaneous")
    assert len(dataset) == 3
    session = dataset[0]
    blocks = [(1.0, 3.0), (60.0, 80.0), (85.01, 90.0)]
    times = put[715093703].spikes[put[715093703].kept[0]]
    assert session.activity[0].tolist() == brute_force(times, blocks, 1 / 30)
    assert load(root, "spontaneous", shortest=10.0)[0][0].segment.tolist() == [[0, 600]]
    # Gratings pause between rows and are one block all the same.
    assert load(root, "drifting gratings")[0][0].segment.tolist() == [[0, 420]]
    several = load(root, ["natural scenes", "drifting gratings"])[0][0]
    assert len(several.segment) == 4
    whole = load(root, None)[0][0]
    assert whole.num_bins > 30 * 100


def test_dandi_folders_and_files_without_units(tmp_path):
    one = write_allen(tmp_path / "sub-774672354" / "sub-774672354_ses-794812542.nwb", 794812542)
    with h5py.File(tmp_path / "sub-774672354" / "sub-774672354_ses-794812542_probe-1_ecephys.nwb", "w") as lfp:
        lfp.create_group("acquisition")
    with h5py.File(tmp_path / "other.nwb", "w") as other:
        other.create_group("acquisition")
    dataset, _ = load(tmp_path)
    assert dataset.names == ["allen-794812542"]
    assert dataset[0].num_neurons == len(one.kept)


def test_unsigned_ends_do_not_wrap(tmp_path):
    (one,) = cache(tmp_path, 715093703).values()
    path = next(tmp_path.rglob("*.nwb"))
    with h5py.File(path, "r+") as file:
        ends = file["units/spike_times_index"][()]
        del file["units/spike_times_index"]
        file["units/spike_times_index"] = ends.astype(np.uint16)
    assert load(tmp_path)[0][0].activity[0].tolist() == brute_force(one.spikes[one.kept[0]], SCENES, 1 / 30)


def test_behaviour_that_is_missing_is_told_and_marked(tmp_path):
    cache(tmp_path, 715093703)
    with h5py.File(next(tmp_path.rglob("*.nwb")), "r+") as file:
        del file["processing/running/running_speed"]
    dataset, messages = load(tmp_path, behaviour=["running speed", "pupil area"])
    assert dataset[0].behaviour.abs().max() == 0
    assert not dataset[0].behaviour_recorded.any()
    assert any("running speed was not recorded" in one for one in messages)
    assert any("pupil area was not recorded" in one for one in messages)


def test_truncated_at_any_place_is_one_clear_line(tmp_path):
    cache(tmp_path, 715093703)
    path = next(tmp_path.rglob("*.nwb"))
    whole = path.read_bytes()
    for cut in np.linspace(0, len(whole) - 1, 50).astype(int):
        path.write_bytes(whole[:cut])
        with pytest.raises(ValueError, match=r"session_715093703\.nwb") as error:
            load(tmp_path)
        assert len(str(error.value).splitlines()) == 1


LOST = ["units/peak_channel_id", "units/spike_times_index", "units/id", "general/extracellular_ephys/electrodes"]


@pytest.mark.parametrize("lost", [*LOST, "intervals/natural_scenes_presentations/stop_time"])
def test_a_missing_part_is_named(tmp_path, lost):
    cache(tmp_path, 715093703)
    with h5py.File(next(tmp_path.rglob("*.nwb")), "r+") as file:
        del file[lost]
    with pytest.raises(ValueError, match=lost.rsplit("/", 1)[-1]):
        load(tmp_path)


def test_a_missing_metric_leaves_its_filter_off(tmp_path):
    cache(tmp_path, 715093703)
    with h5py.File(next(tmp_path.rglob("*.nwb")), "r+") as file:
        del file["units/presence_ratio"]
    dataset, messages = load(tmp_path)
    assert dataset[0].num_neurons == 5
    assert any("no column 'presence_ratio'" in one for one in messages)


def test_refuses_arguments_that_cannot_be(written):
    root, _ = written
    with pytest.raises(ValueError, match="above 0"):
        load(root, bin_size=0)
    with pytest.raises(ValueError, match="behaviours among running speed"):
        AllenNeuropixels(root, behaviour=["licking"])


def change(path, name, values):
    """Replaces an array of a file."""
    with h5py.File(path, "r+") as file:
        attributes = dict(file[name].attrs)
        del file[name]
        file[name] = values
        file[name].attrs.update(attributes)


def only_file(root):
    return next(root.rglob("*.nwb"))


LOCATION = "general/extracellular_ephys/electrodes/location"


def test_subregions_belong_to_their_area(tmp_path):
    cache(tmp_path, 715093703)
    areas = ["LGd-sh", "VISpm", "LGd-co", "LGd", "None", "VISl"]
    change(only_file(tmp_path), LOCATION, np.array(areas, dtype=h5py.string_dtype()))
    dataset, _ = load(tmp_path, areas=["LGd"])
    assert dataset[0].area == ["LGd-sh", "LGd-co", "LGd"]
    assert any("area LGd includes LGd-co, LGd-sh" in note for note in dataset[0].notes)
    assert load(tmp_path, areas=["LGd-sh"])[0][0].area == ["LGd-sh"]
    with pytest.raises(ValueError, match="all are left out"):
        load(tmp_path, areas=["VISp"])


@pytest.mark.parametrize("kind", ["nan", "unknown"])
def test_units_without_electrode_are_told(tmp_path, kind):
    (one,) = cache(tmp_path, 715093703).values()
    with h5py.File(only_file(tmp_path)) as file:
        peak = file["units/peak_channel_id"][()].astype(float)
    peak[0] = np.nan if kind == "nan" else 7.0
    change(only_file(tmp_path), "units/peak_channel_id", peak)
    dataset, messages = load(tmp_path)
    assert dataset[0].neuron_id == [f"allen/{unit}" for unit in one.kept[1:]]
    assert any("1 of 9 units have no electrode" in message for message in messages)


def test_coordinates_of_minus_one_are_unknown(tmp_path):
    cache(tmp_path, 715093703, z_copies_y=False)
    for axis, value in zip("xyz", (8000.0, 1000.0, 6000.0), strict=True):
        values = np.full(6, value)
        values[0] = -1.0
        change(only_file(tmp_path), f"general/extracellular_ephys/electrodes/{axis}", values)
    position = load(tmp_path)[0][0].position
    assert position[0].isnan().all()
    assert position[1].tolist() == [8000.0, 1000.0, 6000.0]
    write_channels(tmp_path / "channels.csv")
    text = (tmp_path / "channels.csv").read_text().replace("7001.0,1501.0,9001.0", "-1,-1,-1")
    (tmp_path / "channels.csv").write_text("\ufeff" + text)
    position = load(tmp_path)[0][0].position
    assert position[1].isnan().all()
    assert position[0].tolist() == [7000.0, 1500.0, 9000.0]
    lines = (tmp_path / "channels.csv").read_text().splitlines()
    (tmp_path / "channels.csv").write_text("\n".join(lines[:1] + lines[2:]))
    _, messages = load(tmp_path)
    assert any("1 peak channels" in message and "not in" in message for message in messages)


def test_running_speed_in_other_units(tmp_path):
    (one,) = cache(tmp_path, 715093703).values()
    expected = load(tmp_path)[0][0].behaviour
    with h5py.File(only_file(tmp_path), "r+") as file:
        data = file["processing/running/running_speed/data"]
        data.attrs["unit"] = "m/s"
        data[()] = one.running
        data.attrs["conversion"] = 0.01
    np.testing.assert_allclose(load(tmp_path)[0][0].behaviour, expected, rtol=1e-5)
    with h5py.File(only_file(tmp_path), "r+") as file:
        file["processing/running/running_speed/data"].attrs["unit"] = "turns"
    assert any("has unit 'turns'" in message for message in load(tmp_path)[1])


def test_a_behaviour_outside_the_stimulus_is_marked(tmp_path):
    cache(tmp_path, 715093703)
    with h5py.File(only_file(tmp_path), "r+") as file:
        file["processing/running/running_speed/timestamps"][()] += 1e6
    dataset, messages = load(tmp_path)
    assert not dataset[0].behaviour_recorded.any()
    assert any("running speed was not recorded" in message for message in messages)


def test_folder_and_file_of_a_session_as_root(tmp_path):
    cache(tmp_path, 715093703)
    true = write_channels(tmp_path / "channels.csv")
    path = only_file(tmp_path)
    for root in (path, path.parent, tmp_path):
        dataset, _ = load(root)
        assert dataset.names == ["allen-715093703"]
        np.testing.assert_array_equal(dataset[0].position[0], true[CHANNELS[0]])
        assert len(list(root.rglob("*.h5") if root.is_dir() else path.parent.rglob("*.h5"))) >= 1


def test_links_that_were_not_fetched_are_named(tmp_path):
    cache(tmp_path / "here", 715093703)
    (tmp_path / "session_719161530").mkdir()
    (tmp_path / "session_719161530" / "session_719161530.nwb").symlink_to(tmp_path / ".git/annex/objects/none")
    dataset, messages = load(tmp_path)
    assert dataset.names == ["allen-715093703"]
    assert any("allen-719161530 is left out" in one and "'datalad get'" in one for one in messages)


def test_other_labs_are_not_called_allen(tmp_path):
    with bare(tmp_path / "mouse1.nwb") as file:
        put_units(file, trains())
    with bare(tmp_path / "session_20240101.nwb") as file:
        put_units(file, trains())
    (tmp_path / "broken.nwb").write_bytes(b"no file")
    (tmp_path / "._session_715093703.nwb").write_bytes(b"Mac OS X")
    assert AllenNeuropixels.find(tmp_path) == {}
    with pytest.raises(FileNotFoundError, match="found none"):
        AllenNeuropixels(tmp_path)


def test_a_stimulus_that_no_session_has(written):
    root, _ = written
    with pytest.raises(ValueError, match=r"a stimulus among .*natural scenes, spontaneous \(no session has gabors, "):
        load(root, "gabors")
    _, messages = load(root, ["gabors", "spontaneous"])
    assert any("no session has gabors" in message for message in messages)
    assert load(root, "natural_scenes")[0][0].num_bins == 1095


def test_the_same_session_twice_is_told(tmp_path):
    cache(tmp_path / "one", 715093703)
    cache(tmp_path / "two", 715093703)
    dataset, messages = load(tmp_path)
    assert len(dataset) == 1
    assert any("session allen-715093703 is in" in message for message in messages)
