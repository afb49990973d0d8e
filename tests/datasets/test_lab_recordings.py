import pickle

import numpy as np
import pytest
import scipy.io
from helpers import told
from labs import write_phy

from synapsnet_pyg.datasets.lab_recordings import BehaviourFile, LabRecordings, read_session, recordings_at
from synapsnet_pyg.intake.recording import Selection
from synapsnet_pyg.readers.array_keys import ArrayKeys


def test_one_recording_of_a_known_format(tmp_path):
    folder = write_phy(tmp_path / "m1" / "sorted")
    session = read_session(folder, Selection(bin_size=0.5, where="group==good"), name="m1")
    assert (session.num_neurons, session.group) == (1, ["good"])
    times, clusters = (np.load(folder / f"{stem}.npy") for stem in ("spike_times", "spike_clusters"))
    own = times[clusters == 0] / 30_000
    assert session.activity.sum() == np.histogram(own, own.min() + 0.5 * np.arange(session.num_bins + 1))[0].sum()
    assert any("2 left out by group==good (1 noise, 1 mua)" in note for note in session.notes)


def test_behaviours_of_a_file_beside_the_recording(tmp_path):
    folder = write_phy(tmp_path / "sorted")
    clock = np.arange(0, 20_500, 20)
    lines = [f"{t};{str(np.sin(t / 1000)).replace('.', ',')}" for t in clock]
    (tmp_path / "tracking.csv").write_text("\n".join(["time;x", *lines]))
    session, _ = told(
        lambda: read_session(
            folder,
            Selection(bin_size=0.5, behaviour=["x"], behaviour_rate=1000.0, start=0, stop=20),
            behaviour_file=BehaviourFile(str(tmp_path / "tracking.csv"), "time"),
        )
    )
    np.testing.assert_allclose(session.behaviour[:, 0], np.sin(0.25 + 0.5 * np.arange(40)), atol=1e-4)


def test_each_recording_has_a_file_of_behaviours_of_its_own(tmp_path):
    for name, level in (("m1", 3.0), ("m2", 5.0)):
        write_phy(tmp_path / name / "kilosort4")
        rows = "".join(f"{t},{level}\n" for t in range(21))
        (tmp_path / name / "tracking.csv").write_text(f"time,x\n{rows}")
    beside = BehaviourFile("tracking.csv", "time")
    for name, level in (("m1", 3.0), ("m2", 5.0)):
        session = read_session(tmp_path / name, Selection(bin_size=0.5, behaviour=["x"]), behaviour_file=beside)
        assert session.behaviour.unique().tolist() == [level]


def test_a_table_of_neurons_beside_the_recording(tmp_path):
    folder = write_phy(tmp_path / "sorted")
    (tmp_path / "areas.csv").write_text("cluster_id,area\n2,CA3\n0,CA1\n9,DG\n1,CA2\n")
    keys = ArrayKeys(neuron_table=str(tmp_path / "areas.csv"))
    session = read_session(folder, Selection(bin_size=0.5, where="area!=CA2"), keys=keys)
    assert (session.area, session.group) == (["CA1", "CA3"], ["good", "mua"])


def test_a_condition_on_another_field_leaves_the_formats_own_choice(tmp_path):
    folder = write_phy(tmp_path / "sorted")
    (folder / "cluster_depth.tsv").write_text("cluster_id\tdepth\n0\t10\n1\t20\n2\t30\n")
    assert read_session(folder, Selection(bin_size=0.5, where="depth>5")).group == ["good", "mua"]
    both = read_session(folder, Selection(bin_size=0.5, where="depth>5, group!=none"))
    assert both.group == ["good", "noise", "mua"]


def test_keys_that_a_format_reads_itself_do_not_make_it_arrays(tmp_path):
    folder = write_phy(tmp_path / "sorted")
    own = ArrayKeys(spike_times="spike_times", spike_neuron="spike_clusters")
    assert read_session(folder, Selection(bin_size=0.5), keys=own).num_neurons == 2  # noise is left out
    recording = next(iter(recordings_at(folder).values()))
    assert recording.reader.name == "phy"


def test_all_recordings_of_a_folder(tmp_path):
    write_phy(tmp_path / "data" / "m1")
    write_phy(tmp_path / "data" / "m2")
    (tmp_path / "data" / "m2" / "spike_times.npy").write_bytes(b"broken")
    np.savez(tmp_path / "data" / "other.npz", x=np.eye(3))
    dataset, messages = told(
        lambda: LabRecordings(tmp_path / "data", Selection(bin_size=0.5), processed=tmp_path / "p")
    )
    assert dataset.names == ["m1"]
    assert len(messages) == 1
    assert messages[0].startswith("m2 is left out:")
    assert "spike_times.npy" in messages[0]
    assert dataset[0].num_neurons == 2
    with pytest.raises(ValueError, match=r"one recording in .* \(found m1, m2"):
        read_session(tmp_path / "data")


def test_pickles_are_never_loaded(tmp_path):
    path = tmp_path / "data" / "fish.pkl"
    path.parent.mkdir()
    path.write_bytes(pickle.dumps({"M": np.ones((2, 3))}))
    for place in (path, path.parent):
        with pytest.raises(ValueError, match=r"fish\.pkl'.* never loaded.*numpy\.savez\('session\.npz', M=traces\)"):
            recordings_at(place)


def test_nothing_that_can_be_read(tmp_path):
    (tmp_path / "notes.md").write_text("none")
    with pytest.raises(FileNotFoundError, match=r"a known format \(nwb, suite2p, .*found none"):
        recordings_at(tmp_path)
    with pytest.raises(ValueError, match="a format among nwb"):
        recordings_at(tmp_path, "plexonx")


def test_trials_and_a_value_for_each_come_from_a_file_beside_the_spikes(tmp_path):
    folder = write_phy(tmp_path / "sorted")
    clock = np.arange(0, 20.5, 0.02)[None]  # rows, as MATLAB saves vectors
    starts, contrast = np.array([[1.0, 6.0, 12.0]]), np.array([[0.5, 0.25, 1.0]])
    task = {"wheel": {"t": clock, "speed": np.sin(clock)}}
    task["trials"] = {"stimOn": starts, "stimOff": starts + 2, "contrast": contrast}
    scipy.io.savemat(tmp_path / "task.mat", task)
    beside, names = BehaviourFile(str(tmp_path / "task.mat")), ["wheel/speed", "trials/contrast"]
    selection = Selection(bin_size=0.5, behaviour=names, events=["trials"], intervals="trials")
    session = read_session(folder, selection, behaviour_file=beside)
    assert session.segment.tolist() == [[0, 4], [4, 8], [8, 12]]
    times = np.concatenate([start + 0.25 + 0.5 * np.arange(4) for start in starts[0]])
    np.testing.assert_allclose(session.behaviour[:, 0], np.sin(times), atol=1e-3)
    assert session.behaviour[::4, 1].tolist() == contrast[0].tolist()
    assert session.behaviour[3::4, 1].tolist() == contrast[0].tolist()
    assert session.behaviour[:, 2].tolist() == [1.0] * 12
    with pytest.raises(FileNotFoundError, match=r"^Expected a file of arrays \(there is no file 'tusk.mat'\)"):
        read_session(folder, selection, behaviour_file=BehaviourFile("tusk.mat"))
