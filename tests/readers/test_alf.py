import numpy as np
import pandas as pd
import pytest

from synapsnet_pyg import Session
from synapsnet_pyg.intake.notes import DataWarning
from synapsnet_pyg.intake.recording import Selection
from synapsnet_pyg.readers.alf import AlfReader
from synapsnet_pyg.readers.reader import find_recordings

BIN = 0.25


def write_probe(folder, seed, ids=(0, 2, 5), clusters=7, spikes=400, metrics="pqt"):
    random = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    times = np.sort(random.uniform(1.5, 21.0, spikes))
    of_spike = random.choice(ids, spikes)
    np.save(folder / "spikes.times.aaaa-bbbb.npy", times)
    np.save(folder / "spikes.clusters.npy", of_spike.astype("u2"))
    np.save(folder / "spikes.samples.npy", (times * 29_999.7).astype("u8"))
    np.save(folder / "clusters.channels.npy", np.arange(clusters) % 4)
    np.save(folder / "clusters.depths.npy", np.arange(clusters) * 20.0)
    pd.DataFrame({"uuids": [f"uuid-{seed}-{i}" for i in range(clusters)]}).to_csv(
        folder / "clusters.uuids.csv", index=False
    )
    np.save(folder / "channels.brainLocationIds_ccf_2017.npy", np.array([10, 20, 30, 40]) + seed)
    np.save(folder / "channels.mlapdv.npy", np.arange(12.0).reshape(4, 3))
    table = pd.DataFrame({"cluster_id": [5, 0, 2], "label": [1.0, 0.5, 1.0], "firing_rate": [3.0, 4.0, 5.0]})
    if metrics == "pqt":
        table.to_parquet(folder / "clusters.metrics.pqt")
    elif metrics:
        table.to_csv(folder / f"clusters.metrics.{metrics}", index=False)
    return times, of_spike


def write_session(alf):
    alf.mkdir(parents=True, exist_ok=True)
    clock = np.arange(0, 25, 0.01)
    np.save(alf / "_ibl_wheel.timestamps.npy", clock)
    np.save(alf / "_ibl_wheel.position.npy", np.sin(clock))
    np.save(alf / "licks.times.npy", np.array([2.0, 2.1, 9.9]))
    trials = pd.DataFrame({"intervals_0": [2.0, 10.0], "intervals_1": [6.0, 15.0], "stimOn_times": [2.5, 10.5]})
    trials.to_parquet(alf / "_ibl_trials.table.pqt")
    np.save(alf / "_ibl_passivePeriods.intervals.npy", np.array([[14.5, 18.0]]))


def read(path, **choices):
    selection = Selection(bin_size=BIN, **choices)
    return Session.from_recording(AlfReader().read(path, "s", selection), selection)


def counted(times, of_spike, ids, first, bins):
    counts = np.zeros((len(ids), bins))
    for time, cluster in zip(times.tolist(), of_spike.tolist(), strict=True):
        slot = int((time - first) // BIN)
        if slot < bins:
            counts[ids.index(cluster), slot] += 1
    return counts


def test_clusters_of_a_probe_at_the_synchronised_times(tmp_path):
    times, of_spike = write_probe(tmp_path / "alf" / "probe00" / "pykilosort", 1)
    session = read(tmp_path / "alf" / "probe00")
    assert session.neuron_id == ["s/0", "s/2", "s/5"]
    np.testing.assert_array_equal(session.activity, counted(times, of_spike, [0, 2, 5], times[0], session.num_bins))
    assert session.label.tolist() == [0.5, 1.0, 1.0]  # by cluster_id, not by row
    assert session.firing_rate.tolist() == [4.0, 5.0, 3.0]
    assert session.depths.tolist() == [0, 40, 100]
    assert session.uuids == ["uuid-1-0", "uuid-1-2", "uuid-1-5"]
    assert session.atlas_id.tolist() == [11, 31, 21]
    assert session.position.tolist() == [[0, 1, 2], [6, 7, 8], [3, 4, 5]]
    assert any("2 of 3 clusters pass all of the IBL's criteria" in note for note in session.notes)
    assert read(tmp_path / "alf" / "probe00", where="label==1").neuron_id == ["s/2", "s/5"]


def test_probes_of_a_session_are_joined(tmp_path):
    alf = tmp_path / "Subjects" / "KS1" / "2021-05-01" / "001" / "alf"
    made = {f"probe0{i}": write_probe(alf / f"probe0{i}", i, metrics="csv") for i in range(2)}
    (found,) = find_recordings(tmp_path / "Subjects", [AlfReader()]).items()
    assert found[0] == "KS1-2021-05-01-001"
    assert found[1].path == alf
    session = read(alf)
    assert session.neuron_id == [f"s/{probe}/{i}" for probe in made for i in (0, 2, 5)]
    first = min(times[0] for times, _ in made.values())
    counts = [counted(*own, [0, 2, 5], first, session.num_bins) for own in made.values()]
    np.testing.assert_array_equal(session.activity, np.concatenate(counts))
    assert session.probe == ["probe00"] * 3 + ["probe01"] * 3
    assert "2 probes joined: probe00, probe01" in session.notes
    np.save(alf / "probe01" / "clusters.extra.npy", np.arange(7))
    with pytest.warns(DataWarning, match="some probes lack the fields extra"):
        read(alf)


def test_behaviours_events_and_intervals_by_object(tmp_path):
    alf = tmp_path / "alf"
    write_probe(alf / "probe00", 1)
    write_session(alf)
    choices = {
        "behaviour": ["wheel"],
        "events": ["licks", "trials.stimOn_times", "passivePeriods"],
        "intervals": "trials",
    }
    for path in (alf, alf / "probe00"):
        session = read(path, **choices)
        assert session.segment.tolist() == [[0, 16], [16, 36]]
        centres = np.concatenate([2.0 + BIN * (np.arange(16) + 0.5), 10.0 + BIN * (np.arange(20) + 0.5)])
        clock = np.arange(0, 25, 0.01)
        np.testing.assert_allclose(session.behaviour[:, 0], np.interp(centres, clock, np.sin(clock)), atol=1e-6)
        assert session.behaviour[:, 1].nonzero().ravel().tolist() == [0]
        assert session.behaviour[:, 2].nonzero().ravel().tolist() == [2, 18]
        assert session.behaviour_name == ["wheel", "licks", "trials.stimOn_times", "passivePeriods"]
        assert session.behaviour[:, 3].nonzero().ravel().tolist() == [34, 35]
    whole = read(alf, exclude=["passivePeriods", "5:6"])
    assert len(whole.segment) == 3
    assert read(alf, behaviour=["wheel.position"]).num_behaviours == 1


def test_timestamps_of_even_steps_and_one_column(tmp_path):
    alf = tmp_path / "alf"
    write_probe(alf / "probe00", 1)
    write_session(alf)
    even = read(alf, behaviour=["wheel"]).behaviour
    np.save(alf / "_ibl_wheel.timestamps.npy", np.array([[0, 0.0], [2499, 24.99]]))
    np.save(alf / "_ibl_wheel.position.npy", np.load(alf / "_ibl_wheel.position.npy")[:, None])
    np.testing.assert_allclose(read(alf, behaviour=["wheel"]).behaviour, even, atol=1e-6)


def test_the_last_revision_counts(tmp_path):
    folder = tmp_path / "alf" / "probe00"
    write_probe(folder, 1)
    for revision, factor in (("#2021-06-03#", 2.0), ("#2022-01-10#", 3.0)):
        (folder / revision).mkdir()
        np.save(folder / revision / "clusters.depths.npy", np.arange(7) * factor)
    session = read(tmp_path / "alf")
    assert session.depths.tolist() == [0, 6, 15]
    assert "revisions 2022-01-10" in session.notes
    for name in ("times.aaaa-bbbb", "clusters"):  # spikes in a revision only
        (folder / f"spikes.{name}.npy").rename(folder / "#2022-01-10#" / f"spikes.{name}.npy")
    assert AlfReader().recognises(tmp_path / "alf")
    assert read(tmp_path / "alf").num_neurons == 3


def test_tables_may_lack_clusters_or_be_absent(tmp_path):
    folder = tmp_path / "alf"
    times, _ = write_probe(folder, 1, clusters=4, metrics=None)
    session = read(folder)
    np.testing.assert_array_equal(session.depths, [0, 40, np.nan])
    assert session.uuids == ["uuid-1-0", "uuid-1-2", ""]
    assert session.num_bins == int((times[-1] - times[0]) // BIN)
    np.save(folder / "clusters.peakToTrough.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.warns(DataWarning, match=r"pickled objects.*'peakToTrough' is left out"):
        assert "peakToTrough" not in read(folder)


def test_describes_what_is_there(tmp_path):
    alf = tmp_path / "alf"
    write_probe(alf / "probe00", 1)
    write_session(alf)
    rows = dict(AlfReader().describe(alf))
    assert rows["probe00"].startswith("400 spikes, up to 2")
    assert rows["wheel"] == "position, timestamps"
    assert rows["next"].endswith("--behaviour wheel")
    assert any(path.name == "_ibl_trials.table.pqt" for path in AlfReader().files(alf))
    assert not AlfReader().recognises(tmp_path)


def test_says_what_is_wrong(tmp_path):
    alf = tmp_path / "alf"
    _, of_spike = write_probe(alf / "probe00", 1)
    with pytest.raises(ValueError, match="object of ALF among none"):
        read(alf, behaviour=["wheel"])
    write_session(alf)
    with pytest.raises(ValueError, match=r"among licks, passivePeriods, trials, wheel \(got 'pupil'\)"):
        read(alf, behaviour=["pupil"])
    with pytest.raises(ValueError, match=r"attribute of 'trials' among intervals_0, intervals_1, stimOn_times"):
        read(alf, events=["trials.goCue"])
    with pytest.raises(ValueError, match="starts and stops"):
        read(alf, intervals="wheel.position")
    with pytest.raises(ValueError, match=r"times of 'trials\.stimOn_times'"):
        read(alf, behaviour=["trials.stimOn_times"])
    with pytest.raises(ValueError, match="no --activity"):
        read(alf, activity="lfp")
    np.save(alf / "probe00" / "spikes.clusters.npy", of_spike[1:])
    with pytest.raises(ValueError, match="a cluster for each of the 400 spikes"):
        read(alf)


def test_a_damaged_table_costs_its_fields_only(tmp_path):
    write_probe(tmp_path / "alf" / "probe00", 1)
    (tmp_path / "alf" / "probe00" / "clusters.metrics.pqt").write_bytes(b"PAR1")
    with pytest.warns(DataWarning, match=r"metrics\.pqt.*'metrics' is left out"):
        session = read(tmp_path / "alf")
    assert session.num_neurons == 3
    assert "label" not in session


def test_times_in_samples_are_asked_about_and_understood(tmp_path):
    folder = tmp_path / "probe00"
    times, of_spike = write_probe(folder, 1)
    samples = np.round(times * 30_000)
    np.save(folder / "spikes.times.aaaa-bbbb.npy", samples)
    with pytest.raises(ValueError, match="--sampling-rate"):
        read(folder)
    session = read(folder, sampling_rate=30_000.0)
    expected = counted(samples / 30_000, of_spike, [0, 2, 5], samples.min() / 30_000, session.num_bins)
    np.testing.assert_array_equal(session.activity, expected)
