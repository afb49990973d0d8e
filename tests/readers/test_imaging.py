import h5py
import numpy as np
import pytest
import scipy.io
import scipy.sparse

from synapsnet_pyg import Session
from synapsnet_pyg.intake.notes import DataWarning
from synapsnet_pyg.intake.recording import Selection
from synapsnet_pyg.readers.imaging import CaimanReader, CnmfeReader, ExtractReader

N, T = 5, 31


def values(seed, shape=(N, T)):
    return np.random.default_rng(seed).normal(size=shape)


def read(reader, path, **choices):
    selection = Selection(**choices)
    return Session.from_recording(reader.read(path, "m", selection), selection)


def write_caiman(path, home="estimates", rate=12.5, none="NoneType", **extra):
    """A file as CaImAn's recursively_save_dict leaves it: None is a text, sparse matrices are groups."""
    A = scipy.sparse.csc_matrix(np.random.default_rng(0).random((12, N)) > 0.5, dtype=float)
    fields = {"C": values(1), "S": values(2), "YrA": values(3), "F_dff": none, "idx_components": none, "R": none}
    fields |= {"SNR_comp": np.arange(N) * 1.0, "r_values": np.linspace(0, 1, N), "cnn_preds": none, "nr": N, "sn": none}
    with h5py.File(path, "w") as file:
        group = file.require_group(home) if home else file
        for key, value in (fields | extra).items():
            if value is not None:
                group[key] = value
        for key, value in {"data": A.data, "indices": A.indices, "indptr": A.indptr, "shape": A.shape}.items():
            group[f"A/{key}"] = value
        if rate is not None:
            file["params/data/fr"] = rate
    return fields | extra


def test_accepted_components_of_caiman(tmp_path):
    path = tmp_path / "analysis.hdf5"
    made = write_caiman(path, F_dff=values(4), idx_components=np.array([0, 3, 4]), idx_components_bad=np.array([1, 2]))
    assert CaimanReader().recognises(path)
    session = read(CaimanReader(), path)
    np.testing.assert_allclose(session.activity, made["F_dff"][[0, 3, 4]], rtol=1e-6)
    assert session.bin_size == pytest.approx(1 / 12.5)
    assert session.SNR_comp.tolist() == [0, 3, 4]
    assert session.r_values.tolist() == [0, 0.75, 1]
    assert session.neuron_id == ["m/0", "m/3", "m/4"]
    assert "activity F_dff (also there: C, S, YrA, C+YrA; --activity for another)" in session.notes
    assert "12.5 frames a second by params/data/fr" in session.notes
    assert any("kept 3 of 5" in note and "--where 'accepted==0|1'" in note for note in session.notes)
    every = read(CaimanReader(), path, where="accepted==0|1", activity="C+YrA")
    np.testing.assert_allclose(every.activity, made["C"] + made["YrA"], rtol=1e-5, atol=1e-6)
    with pytest.warns(DataWarning, match=r"--frame-rate 5 replaces the 12.5 frames a second of params/data/fr"):
        assert read(CaimanReader(), path, where="SNR_comp>2.5", frame_rate=5.0).bin_size == 0.2


@pytest.mark.parametrize("idx", [None, "NoneType", np.zeros(0), np.zeros(0, dtype=int)])
def test_components_that_were_not_evaluated_are_all_kept(tmp_path, idx):
    path = tmp_path / "analysis.h5"
    made = write_caiman(path, idx_components=idx)
    session = read(CaimanReader(), path)
    np.testing.assert_allclose(session.activity, made["C"], rtol=1e-6)
    assert any("were not evaluated" in note for note in session.notes)
    assert "activity C (also there: S, YrA, C+YrA; --activity for another)" in session.notes
    assert "cnn_preds" not in session


def test_one_accepted_component_none_and_wrong_ones(tmp_path):
    path = tmp_path / "analysis.hdf5"
    write_caiman(path, idx_components=np.int64(2))
    np.testing.assert_allclose(read(CaimanReader(), path).activity, values(1)[[2]], rtol=1e-6)
    write_caiman(path, idx_components=np.zeros(0), idx_components_bad=np.arange(N))
    with pytest.raises(ValueError, match=r"all 5 go out.*--where"):
        read(CaimanReader(), path)
    write_caiman(path, idx_components=np.array([1, N]))
    with pytest.raises(ValueError, match=r"idx_components of the 5 components .*got up to 5"):
        read(CaimanReader(), path)


def test_older_layout_and_transposed_traces(tmp_path):
    path = tmp_path / "old.hdf5"
    made = write_caiman(path, home="", idx_components=np.array([1, 2]))
    assert CaimanReader().recognises(path)
    np.testing.assert_allclose(read(CaimanReader(), path).activity, made["C"][[1, 2]], rtol=1e-6)
    write_caiman(path, C=values(1).T)
    with pytest.warns(DataWarning, match=r"'C' of .* has axes \[frame, cell\] and was transposed"):
        np.testing.assert_allclose(read(CaimanReader(), path).activity, values(1), rtol=1e-6)


def test_more_components_than_frames(tmp_path):
    path = tmp_path / "short.hdf5"
    write_caiman(path, C=values(1)[:, :4], S=values(2)[:, :4], YrA="NoneType")
    with pytest.warns(DataWarning, match="more neurons"):
        assert read(CaimanReader(), path).activity.shape == (N, 4)


def test_a_rate_that_is_not_stated_is_asked_for(tmp_path):
    path = tmp_path / "analysis.hdf5"
    for rate in (None, "NoneType", 0.0):
        write_caiman(path, rate=rate)
        with pytest.raises(ValueError, match=r"not stated in params/data/fr.*--frame-rate"):
            read(CaimanReader(), path)
    assert read(CaimanReader(), path, frame_rate=4.0).bin_size == 0.25
    rows = dict(CaimanReader().describe(path))
    assert rows["cells"] == "5"
    assert rows["frames"] == "31"
    assert rows["next"].endswith("--frame-rate 30")
    with pytest.raises(ValueError, match="--activity among C, S, YrA"):
        read(CaimanReader(), path, activity="F_dff")
    with pytest.raises(ValueError, match="which holds none"):
        read(CaimanReader(), path, behaviour=["running"])


def write_mat(path, name, fields, v73):
    """A struct as MATLAB saves it; v7.3 has its axes reversed."""
    if not v73:
        scipy.io.savemat(path, {name: fields})
        return
    with h5py.File(path, "w", userblock_size=512) as file:
        group = file.create_group(name)
        group.attrs["MATLAB_class"] = np.bytes_("struct")
        for key, value in fields.items():
            if isinstance(value, dict):
                inner = group.create_group(key)
                inner.attrs["MATLAB_class"] = np.bytes_("struct")
                for sub, number in value.items():
                    inner[sub] = np.atleast_2d(number).T
                    inner[sub].attrs["MATLAB_class"] = np.bytes_("double")
            else:
                group[key] = np.atleast_2d(value).T
                group[key].attrs["MATLAB_class"] = np.bytes_("double")


@pytest.mark.parametrize("v73", [False, True])
@pytest.mark.parametrize("name", ["neuron", "results"])
def test_neurons_of_cnmfe(tmp_path, v73, name):
    path = tmp_path / "out.mat"
    fields = {"A": values(0, (12, N)), "C": values(1), "C_raw": values(2), "S": values(3), "Fs": 10.0}
    write_mat(path, name, fields | {"ids": np.arange(N) + 7.0}, v73)
    assert CnmfeReader().recognises(path)
    assert not ExtractReader().recognises(path)
    session = read(CnmfeReader(), path)
    np.testing.assert_allclose(session.activity, fields["C"], rtol=1e-6)
    assert session.bin_size == 0.1
    assert session.neuron_id == [f"m/{i}" for i in range(7, 7 + N)]
    assert "activity C (also there: C_raw, S; --activity for another)" in session.notes
    np.testing.assert_allclose(read(CnmfeReader(), path, activity="C_raw").activity, fields["C_raw"], rtol=1e-6)
    write_mat(path, name, fields | {"Fs": np.zeros((0, 0)), "C": values(1).T}, v73)
    with pytest.raises(ValueError, match=r"not stated in Fs.*--frame-rate"):
        read(CnmfeReader(), path)


@pytest.mark.parametrize("v73", [False, True])
def test_signals_extracted_by_cnmfe(tmp_path, v73):
    path = tmp_path / "cnmfe.mat"
    fields = {"extractedSignals": values(1), "extractedImages": values(0, (3, 4, N)), "time": {"totalTime": 6.2}}
    write_mat(path, "cnmfeAnalysisOutput", fields, v73)
    session = read(CnmfeReader(), path)
    np.testing.assert_allclose(session.activity, values(1), rtol=1e-6)
    assert session.bin_size == pytest.approx(0.2)
    assert any("by time/totalTime" in note for note in session.notes)


@pytest.mark.parametrize("v73", [False, True])
def test_cells_of_extract(tmp_path, v73):
    path = tmp_path / "extract.mat"
    fields = {
        "temporal_weights": values(1).T,
        "spatial_weights": values(0, (3, 4, N)),
        "config": {"avg_cell_radius": 7},
    }
    write_mat(path, "output", fields, v73)
    assert ExtractReader().recognises(path)
    with pytest.raises(ValueError, match=r"not stated in output.config.*--frame-rate"):
        read(ExtractReader(), path)
    session = read(ExtractReader(), path, frame_rate=20.0)
    np.testing.assert_allclose(session.activity, values(1), rtol=1e-6)
    assert session.bin_size == 0.05
    legacy = {"traces": values(2), "filters": values(0, (3, 4, N)), "time": {"totalTime": 3.1}}
    write_mat(path, "extractAnalysisOutput", legacy, v73)
    session = read(ExtractReader(), path)
    np.testing.assert_allclose(session.activity, values(2), rtol=1e-6)
    assert session.bin_size == pytest.approx(0.1)


def test_other_files_are_not_recognised(tmp_path):
    (tmp_path / "text.hdf5").write_text("no")
    (tmp_path / "text.mat").write_text("no")
    scipy.io.savemat(tmp_path / "arrays.mat", {"C": values(1), "A": values(0), "output": {"a": 1.0}})
    with h5py.File(tmp_path / "arrays.h5", "w") as file:
        file["C"], file["A"] = values(1), values(0)
    for path in (*tmp_path.iterdir(), tmp_path, tmp_path / "none.mat"):
        assert not any(reader.recognises(path) for reader in (CaimanReader(), CnmfeReader(), ExtractReader()))


def test_damaged_files_are_named(tmp_path):
    path = tmp_path / "analysis.hdf5"
    write_caiman(path)
    with h5py.File(path, "a") as file:
        del file["estimates/C"]
        file["estimates/C"] = h5py.SoftLink("/lost")
    with pytest.raises(ValueError, match=r"components of CaImAn in .*analysis\.hdf5"):
        read(CaimanReader(), path)
    write_caiman(path)
    path.write_bytes(path.read_bytes()[:1000])
    assert not CaimanReader().recognises(path)
