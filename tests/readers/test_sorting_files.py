import h5py
import numpy as np
import pytest
import scipy.io

from synapsnet_pyg.readers.sorting_files import hdsort, klusta, saved_folder, waveclus

TIMES = {1000: [105, 400], 1001: [130, 131, 250], 2003: [900]}


def write_hdsort(path):
    """Units as a struct array of MATLAB v7.3: a reference to each entry of each field."""
    with h5py.File(path, "w", userblock_size=512) as file:
        units = file.create_group("Units")
        units.attrs["MATLAB_class"] = np.bytes_("struct")
        for field in ("ID", "spikeTrain"):
            refs = units.create_dataset(field, (len(TIMES), 1), dtype=h5py.ref_dtype)
            for i, (unit, train) in enumerate(TIMES.items()):
                values = np.array([[unit]] if field == "ID" else [train], dtype=float)
                entry = file.create_dataset(f"#refs#/{field}{i}", data=values.T)
                entry.attrs["MATLAB_class"] = np.bytes_("double")
                refs[i, 0] = entry.ref
        file["MultiElectrode/x"] = np.zeros((1, 1))
        file["samplingRate"] = np.array([[200.0]])
        file["sortingInfo/startTimes"] = np.array([[100.0]])


def test_units_of_hdsort(tmp_path):
    path = tmp_path / "hdsort.mat"
    write_hdsort(path)
    source = hdsort(path)
    assert source.neurons.labels.tolist() == [*TIMES]
    survey = source.spikes.survey()
    assert survey.counts.tolist() == [2, 3, 1]
    assert (survey.first, survey.last) == (0.025, 4.0)


@pytest.mark.parametrize("v73", [False, True])
def test_clusters_of_waveclus(tmp_path, v73):
    path = tmp_path / "times_x.mat"
    table = np.array([[2, 1500.0], [0, 1600.0], [2, 2500.5]])
    if v73:
        with h5py.File(path, "w", userblock_size=512) as file:
            file["cluster_class"] = table.T
            file["cluster_class"].attrs["MATLAB_class"] = np.bytes_("double")
    else:
        scipy.io.savemat(path, {"cluster_class": table})
    source = waveclus(path)
    assert source.neurons.labels.tolist() == [0, 2]
    pieces = list(source.spikes.pieces())
    assert pieces[0].times.tolist() == [1.5, 1.6, 2.5005]
    assert pieces[0].neuron.tolist() == [1, 0, 1]
    scipy.io.savemat(path, {"cluster_class": table[:, :1]})
    with pytest.raises(ValueError, match="two columns"):
        waveclus(path)


def test_damaged_files_are_named(tmp_path):
    (tmp_path / "x.kwik").write_text("no")
    with pytest.raises(ValueError, match=r"Klusta in .*x\.kwik"):
        klusta(tmp_path / "x.kwik")
    (tmp_path / "numpysorting_info.json").write_text("{")
    with pytest.raises(ValueError, match="its files are damaged"):
        saved_folder(tmp_path)
