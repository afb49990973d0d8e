import warnings
from itertools import pairwise

import numpy as np
import pytest

from synapsnet_pyg import Session
from synapsnet_pyg.intake.notes import DataWarning
from synapsnet_pyg.intake.recording import Selection
from synapsnet_pyg.readers.phy import PhyReader, sampling_rate

IDS = [2, 5, 11, 40]
GROUPS = {2: "good", 5: "noise", 11: "mua"}


def write_phy(folder, dtype="u8", column=True, clusters="i4", spikes=900):
    random = np.random.default_rng(4)
    folder.mkdir(parents=True, exist_ok=True)
    times = np.sort(random.integers(0, 400_000, spikes))
    of_spike = random.choice(IDS, spikes)
    np.save(folder / "spike_times.npy", times.astype(dtype)[:, None] if column else times.astype(dtype))
    np.save(folder / "spike_clusters.npy", of_spike.astype(clusters))
    (folder / "params.py").write_text(
        "dat_path = 'C:\\Users\\x.dat'\nsample_rate = 20_000.  # Hz\nhp_filtered = True\n"
    )
    (folder / "cluster_group.tsv").write_bytes(
        b"\xef\xbb\xbfcluster_id\tgroup\r\n" + b"".join(f"{i}\t{g}\r\n".encode() for i, g in GROUPS.items())
    )
    return times, of_spike


def read(folder, **choices):
    selection = Selection(bin_size=0.1, **choices)
    return Session.from_recording(PhyReader().read(folder, "probe", selection), selection)


def counted(times, of_spike, ids, rate=20_000.0, first=None):
    """The counts of an independent loop."""
    inside = np.isin(of_spike, ids)
    start = times[inside].min() if first is None else first
    ticks = int(rate / 10)
    bins = int((times[inside].max() - start) // ticks)
    counts = np.zeros((len(ids), bins))
    for time, cluster in zip(times.tolist(), of_spike.tolist(), strict=True):
        slot = (time - start) // ticks
        if cluster in ids and slot < bins:
            counts[ids.index(cluster), slot] += 1
    return counts


@pytest.mark.parametrize(
    ("dtype", "column", "clusters"), [("u8", True, "i4"), ("i8", False, "u4"), (">i4", True, "f8"), ("f8", True, "i8")]
)
def test_noise_goes_out_and_clusters_of_no_table_stay(tmp_path, dtype, column, clusters):
    times, of_spike = write_phy(tmp_path, dtype, column, clusters)
    session = read(tmp_path)
    assert session.neuron_id == ["probe/2", "probe/11", "probe/40"]
    assert session.group == ["good", "mua", ""]
    np.testing.assert_array_equal(session.activity, counted(times, of_spike, [2, 11, 40]))
    assert "4 clusters with spikes: 1 good, 1 noise, 1 mua, 1 unsorted" in session.notes
    assert any(
        "kept 3 of 4: 1 noise (--where 'group==good' chooses the good ones, 'group!=none' takes all)" in note
        for note in session.notes
    )


def test_where_replaces_the_usual_choice(tmp_path):
    times, of_spike = write_phy(tmp_path)
    assert read(tmp_path, where="group==good").neuron_id == ["probe/2"]
    session = read(tmp_path, where="group==good|mua|noise")
    assert session.neuron_id == ["probe/2", "probe/5", "probe/11"]
    np.testing.assert_array_equal(session.activity, counted(times, of_spike, [2, 5, 11]))


def test_tables_are_joined_by_the_cluster(tmp_path):
    write_phy(tmp_path)
    (tmp_path / "cluster_info.tsv").write_text(
        "id\tKSLabel\tgroup\tch\tdepth\tfr\tn_spikes\n40\tmua\t\t7\t220.5\t1.5\t9\n99\tgood\tgood\t1\t3\t2\t8\n"
    )
    (tmp_path / "cluster_bc_unitType.csv").write_text("cluster_id,bc_unitType,\n11,MUA,\n2,GOOD,\n")
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    (tmp_path / "._cluster_x.tsv").write_bytes(b"\x00\x05")
    session = read(tmp_path, where="group!=none")
    assert session.group == ["good", "noise", "mua", ""]
    assert session.bc_unitType == ["GOOD", "", "MUA", ""]
    np.testing.assert_array_equal(session.depth, [np.nan, np.nan, np.nan, 220.5])
    np.testing.assert_array_equal(session.ch, [np.nan, np.nan, np.nan, 7])
    assert read(tmp_path, where="depth>200").neuron_id == ["probe/40"]


def test_disagreeing_and_double_rows_are_told(tmp_path):
    write_phy(tmp_path)
    (tmp_path / "cluster_info.tsv").write_text("cluster_id\tgroup\n2\tmua\n")
    with pytest.warns(DataWarning, match=r"cluster_info.tsv' has another group for 1 clusters"):
        assert read(tmp_path).group == ["good", "mua", ""]
    (tmp_path / "cluster_info.tsv").write_text("cluster_id\tmark\n2\ta\n2\tb\n")
    with pytest.warns(DataWarning, match=r"names clusters twice \(2\)"):
        assert read(tmp_path).mark == ["b", "", ""]


def test_labels_of_kilosort_alone_drop_nothing(tmp_path):
    write_phy(tmp_path)
    table = "cluster_id\tKSLabel\n" + "".join(f"{i}\t{'good' if i == 5 else 'noise'}\n" for i in (2, 5, 11, 40))
    (tmp_path / "cluster_group.tsv").write_text(table.replace("noise", "mua"))  # as Kilosort 4 writes it
    (tmp_path / "cluster_KSLabel.tsv").write_text(table.replace("noise", "mua"))
    session = read(tmp_path)
    assert session.group == session.KSLabel == ["mua", "good", "mua", "mua"]
    assert any("no cluster was sorted by hand" in note for note in session.notes)
    assert any("3 mua, 1 good" in note for note in session.notes)
    (tmp_path / "cluster_group.tsv").unlink()
    (tmp_path / "cluster_KSLabel.tsv").unlink()
    assert read(tmp_path).num_neurons == 4


def test_templates_stand_in_for_clusters_and_give_the_place(tmp_path):
    _, of_spike = write_phy(tmp_path)
    random = np.random.default_rng(0)
    templates = random.normal(0, 0.1, (12, 9, 6)).astype(np.float32)
    for template, channel in ((2, 4), (5, 1), (11, 0), (3, 5)):
        templates[template, 4, channel] = -9
    np.save(tmp_path / "templates.npy", templates)
    np.save(tmp_path / "channel_positions.npy", np.column_stack([np.arange(6) * 10.0, np.arange(6) * 20.0]))
    # cluster 40 was made in phy: it has no template of its own
    of_template = np.where(of_spike == 40, np.where(random.random(len(of_spike)) < 0.7, 3, 2), of_spike)
    np.save(tmp_path / "spike_templates.npy", of_template[:, None].astype("u4"))
    session = read(tmp_path)
    np.testing.assert_array_equal(session.peak_channel, [4, 0, np.nan])
    np.testing.assert_array_equal(session.depth, [80, 0, np.nan])
    np.testing.assert_array_equal(session.position, [[40, 80], [0, 0], [np.nan, np.nan]])
    assert session.position_unit == "μm"
    (tmp_path / "spike_clusters.npy").unlink()
    assert read(tmp_path).neuron_id == ["probe/2", "probe/3", "probe/11"]


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("sample_rate = 30000.\n", 30000),
        ("sample_rate=3e4", 30000),
        ("fs = 25\nsample_rate = fs * 1000", 25000),
        ("sample_rate = float(24414.0625)", 24414.0625),
        ("dat_path = 'C:\\Users\\a'\r\nsample_rate = 20000\r\n", 20000),
        ("# sample_rate = 30000.\n", None),
        ("sample_rate = open('x').read()", None),
        ("sample_rate = 'fast'", None),
        ("sample_rate = 1 / 0", None),
        ("sample_rate = -5", None),
        ("raise SystemExit\nsample_rate = 10", 10),
        ("", None),
    ],
)
def test_the_sampling_rate_is_parsed_and_nothing_runs(tmp_path, text, rate):
    (tmp_path / "params.py").write_text(text)
    assert sampling_rate(tmp_path / "params.py") == rate


def test_a_rate_that_is_not_stated_is_asked_for(tmp_path):
    write_phy(tmp_path)
    (tmp_path / "params.py").write_text("sample_rate = get_rate()\n")
    with pytest.raises(ValueError, match=r"params.py', which is parsed and never run.*--sampling-rate"):
        read(tmp_path)
    assert read(tmp_path, sampling_rate=20_000.0).num_neurons == 3
    (tmp_path / "params.py").unlink()
    with pytest.raises(ValueError, match="--sampling-rate"):
        read(tmp_path)


def test_times_with_fractions_are_seconds(tmp_path):
    times, of_spike = write_phy(tmp_path)
    np.save(tmp_path / "spike_times_sec.npy", times / 20_000 + 0.25)
    session = read(tmp_path, activity="spike_times_sec")
    np.testing.assert_array_equal(session.activity, counted(times, of_spike, [2, 11, 40]))
    assert any("also there: spike_times" in note for note in session.notes)
    np.save(tmp_path / "spike_times.npy", times / 20_000)
    with pytest.warns(DataWarning, match="taken as seconds"):
        np.testing.assert_array_equal(read(tmp_path).activity, session.activity)
    with pytest.raises(ValueError, match="--activity among spike_times"):
        read(tmp_path, activity="spikes")


def test_a_folder_is_recognised_and_described(tmp_path):
    reader = PhyReader()
    assert not reader.recognises(tmp_path)
    write_phy(tmp_path)
    assert reader.recognises(tmp_path)
    (tmp_path / "pc_features.npy").write_bytes(b"large")
    assert "pc_features.npy" not in [path.name for path in reader.files(tmp_path)]
    rows = dict(reader.describe(tmp_path))
    assert rows["sampling rate"] == "20000 Hz"
    assert rows["group"] == "1 good, 1 noise, 1 mua, 1 unsorted"
    assert list(reader.describe(tmp_path))[-1][0] == "next"
    assert rows["next"].startswith("synapsnet convert")


def test_says_what_is_wrong(tmp_path):
    _, of_spike = write_phy(tmp_path)
    with pytest.raises(ValueError, match="holds none"):
        read(tmp_path, behaviour=["wheel"])
    assert read(tmp_path, exclude=["5:7"]).segment.shape == (2, 2)
    np.save(tmp_path / "spike_clusters.npy", np.full(900, -1))
    with pytest.raises(ValueError, match="no spike has a cluster"):
        read(tmp_path)
    np.save(tmp_path / "spike_clusters.npy", of_spike[:-1])
    with pytest.raises(ValueError, match="a cluster for each of the 900"):
        read(tmp_path)
    np.save(tmp_path / "spike_clusters.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="pickled objects"):
        read(tmp_path)
    np.save(tmp_path / "spike_clusters.npy", of_spike)
    (tmp_path / "cluster_group.tsv").write_text("cluster_id\tgroup\n" + "".join(f"{i}\tnoise\n" for i in IDS))
    with pytest.raises(ValueError, match=r"all 4 go out: 4 noise.*--where"):
        read(tmp_path)


def test_one_spike_of_no_cluster_and_very_large_ids(tmp_path):
    times, of_spike = write_phy(tmp_path)
    large = of_spike.astype("i8") + (1 << 40)
    large[7] = -1
    np.save(tmp_path / "spike_clusters.npy", large)
    session = read(tmp_path)
    assert session.neuron_id == [f"probe/{i + (1 << 40)}" for i in IDS]
    keep = np.arange(900) != 7
    np.testing.assert_array_equal(session.activity, counted(times[keep], of_spike[keep], IDS))


@pytest.mark.slow
def test_a_folder_of_spikeinterface(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        core = pytest.importorskip("spikeinterface.core")
        exporters = pytest.importorskip("spikeinterface.exporters")
        recording, sorting = core.generate_ground_truth_recording(
            durations=[3.0], num_channels=5, num_units=4, seed=1, sampling_frequency=20000.0
        )
        analyzer = core.create_sorting_analyzer(sorting, recording, sparse=False, format="memory", verbose=False)
        analyzer.compute(["random_spikes", "waveforms", "templates", "noise_levels"])
        folder = tmp_path / "phy"
        exporters.export_to_phy(
            analyzer, folder, compute_pc_features=False, compute_amplitudes=False, copy_binary=False, verbose=False
        )
        trains = [sorting.get_unit_spike_train(unit) for unit in sorting.unit_ids]
        peaks = core.get_template_extremum_channel(analyzer, mode="peak_to_peak", outputs="index")
    session = read(folder)
    start = min(train.min() for train in trains)
    edges = list(pairwise(range(start, start + 2000 * session.num_bins + 1, 2000)))
    counts = [[sum(1 for time in train if a <= time < b) for a, b in edges] for train in trains]
    np.testing.assert_array_equal(session.activity, counts)
    assert session.group == ["unsorted"] * 4
    assert session.peak_channel.tolist() == [peaks[unit] for unit in sorting.unit_ids]


def test_spikes_without_a_cluster_are_told(tmp_path):
    _, of_spike = write_phy(tmp_path, clusters="f8")
    np.save(tmp_path / "spike_clusters.npy", np.where(of_spike == 11, np.nan, of_spike))
    session = read(tmp_path)
    assert session.neuron_id == ["probe/2", "probe/40"]
    assert f"{(of_spike == 11).sum()} of 900 spikes have no neuron" in " ".join(session.notes)
    assert ("clusters", "3 with spikes") in PhyReader().describe(tmp_path)


def test_damaged_templates_cost_the_places_only(tmp_path):
    write_phy(tmp_path)
    (tmp_path / "templates.npy").write_bytes(b"junk")
    with pytest.warns(DataWarning, match=r"templates\.npy.*channels and places are left out"):
        assert read(tmp_path).num_neurons == 3


def test_parameters_that_are_nested_too_deeply(tmp_path):
    for text in ("-" * 20_000 + "1", "+".join(["1"] * 30_000), "(" * 900 + "1" + ")" * 900):
        (tmp_path / "params.py").write_text(f"n = {text}\nsample_rate = 25000\n")
        assert sampling_rate(tmp_path / "params.py") == 25_000
