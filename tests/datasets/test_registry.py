from pathlib import Path

import pytest

from synapsnet_pyg.datasets.recordings import RecordingDataset
from synapsnet_pyg.datasets.registry import DATASETS, PUBLIC_DATASETS, READERS, dataset_class, open_dataset, readers

README = (Path(__file__).parents[2] / "data" / "README.md").read_text()


@pytest.mark.parametrize("name", DATASETS)
def test_every_data_set_is_a_class_with_a_row_in_the_readme(name):
    dataset = dataset_class(name)
    assert issubclass(dataset, RecordingDataset)
    assert (dataset.download.__func__ is not RecordingDataset.download.__func__) == (name in PUBLIC_DATASETS)
    assert f"synapsnet prepare {name} " in README or f"| `{name}` |" in README
    assert f"synapsnet download {name} " in README or name not in PUBLIC_DATASETS


def test_refuses_unknown_names_arguments_and_downloads(tmp_path):
    with pytest.raises(ValueError, match="a data set among bugeon"):
        dataset_class("steinmetz")
    with pytest.raises(ValueError, match=r"arguments of 'nwb' among .* \(got stimulus\)"):
        open_dataset("nwb", tmp_path, {"stimulus": "gabors"})
    with pytest.raises(ValueError, match="reads your own files"):
        dataset_class("suite2p").download(tmp_path)


@pytest.mark.parametrize("name", READERS)
def test_every_format_is_a_reader_with_a_row_in_the_readme(name):
    reader = readers(name)[0]
    assert reader.name == name
    assert f"`{name}`" in README
