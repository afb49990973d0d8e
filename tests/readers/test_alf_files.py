import numpy as np
import pytest

from synapsnet_pyg.intake.notes import DataWarning
from synapsnet_pyg.readers.alf_files import alf_files, attributes_of, columns_of, has_spikes, times_of


def write(folder, **arrays):
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in arrays.items():
        np.save(folder / f"{name.replace('__', '.')}.npy", array, allow_pickle=True)


def test_names_are_split_into_object_and_attribute(tmp_path):
    write(tmp_path, spikes__times__uuid=np.zeros(2), _ibl_wheel__position=np.ones(3), plain=np.ones(1))
    write(tmp_path / "#2020-01-01#", _ibl_wheel__position=np.full(3, 2.0))
    write(tmp_path / "#2020-01-10#", _ibl_wheel__position=np.full(3, 3.0))
    write(tmp_path / "other", _ibl_licks__times=np.ones(1))
    objects = alf_files([tmp_path, tmp_path / "other"])
    assert {name: sorted(own) for name, own in objects.items()} == {
        "spikes": ["times"],
        "wheel": ["position"],
        "licks": ["times"],
    }
    assert objects["wheel"]["position"].revision == "2020-01-10"
    assert columns_of(objects["wheel"]["position"], "position")["position"].tolist() == [3, 3, 3]


def test_spikes_may_lie_in_a_revision(tmp_path):
    assert not has_spikes(tmp_path / "none")
    write(tmp_path, spikes__times=np.zeros(2))
    assert not has_spikes(tmp_path)
    write(tmp_path / "#2020-01-01#", spikes__clusters=np.zeros(2))
    assert has_spikes(tmp_path)


def test_times_of_samples(tmp_path):
    write(tmp_path, a__timestamps=np.array([[0, 1.0], [4, 3.0]]), b__times=np.arange(3.0)[:, None], c__x=np.zeros(2))
    objects = alf_files([tmp_path])
    assert times_of(objects["a"], 5).tolist() == [1, 1.5, 2, 2.5, 3]
    assert times_of(objects["b"], 3).tolist() == [0, 1, 2]
    assert times_of(objects["c"], 2) is None


def test_attributes_and_columns_of_an_object(tmp_path):
    write(tmp_path, clusters__depths=np.arange(3.0), clusters__bad=np.array([{}], dtype=object))
    (tmp_path / "clusters.metrics.csv").write_text("cluster_id,label\n0,1.0\n2,0.5\n")
    with pytest.warns(DataWarning, match="pickled objects.*'bad' is left out"):
        columns = attributes_of(alf_files([tmp_path])["clusters"], ["depths"])
    assert {key: list(values) for key, values in columns.items()} == {"cluster_id": [0, 2], "label": [1.0, 0.5]}
    (tmp_path / "clusters.metrics.pqt").write_bytes(b"no parquet")
    files = alf_files([tmp_path])["clusters"]
    assert files["metrics"].extension == "pqt"
    with pytest.raises(ValueError, match=r"a table in .*metrics\.pqt' \(it is damaged"):
        columns_of(files["metrics"], "metrics")
