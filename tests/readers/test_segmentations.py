import numpy as np
import pytest

from synapsnet_pyg.intake.notes import DataWarning
from synapsnet_pyg.intake.recording import Selection
from synapsnet_pyg.readers.segmentations import Segmentation, SegmentationReader, oriented, stated_rate


def test_traces_are_oriented_by_the_number_of_cells():
    traces = np.arange(12.0).reshape(3, 4)
    assert oriented(traces, (3, None), "it") is traces
    assert oriented(traces[:1].ravel(), (1, 4), "it").shape == (1, 4)
    with pytest.warns(DataWarning, match="it has axes"):
        assert oriented(traces, (4, 3), "it").tolist() == traces.T.tolist()
    for shape in ((5, 4), (3, 4, 1)):
        with pytest.raises(ValueError, match=r"traces of 3 cells in it"):
            oriented(np.zeros(shape), (3, 4), "it")
    with pytest.raises(ValueError, match="real numbers in it"):
        oriented(np.array([["a"]]), (1, 1), "it")


def test_only_one_number_above_zero_is_a_rate():
    assert stated_rate(np.int16(4), "here") == (4.0, "here")
    for value in (b"NoneType", [1.0, 2.0], -1, np.nan, np.zeros((0, 0)), np.inf):
        assert stated_rate(value, "here") is None


def test_a_format_needs_no_more_than_what_it_found(tmp_path):
    class Demo(SegmentationReader):
        name = "demo"
        usual = ("x",)

        def found(self, path):
            traces = {"y": lambda: np.zeros((2, 3)), "x": lambda: np.arange(6.0).reshape(2, 3)}
            return Segmentation(traces, (2, None), times=np.array([0.0, 0.5, 1.0]), labels=["a", "b"])

    recording = Demo().read(tmp_path, "s", Selection())
    assert recording.activity.values.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert recording.activity.times.tolist() == [0.0, 0.5, 1.0]
    assert recording.notes == ["activity x (also there: y; --activity for another)"]
    rows = Demo().describe(tmp_path)
    assert rows[0] == ("cells", "2")
    assert rows[-1][0] == "next"
    assert "--frame-rate" not in rows[-1][1]
