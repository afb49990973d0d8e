import json

import numpy as np
import pytest

from synapsnet_pyg import Session
from synapsnet_pyg.intake.notes import DataWarning
from synapsnet_pyg.intake.recording import Selection
from synapsnet_pyg.readers.worm_wide_web import WormWideWebReader

N, T = 3, 50
random = np.random.default_rng(0)
VALUES, ORIGINAL, VELOCITY = random.standard_normal((N, T)), random.random((T, N)), random.standard_normal(T)
LABELS = {
    "1": {"label": "AVAL", "neuron_class": "AVA", "LR": "L", "confidence": 4.5},
    "3": {"label": "DB?", "neuron_class": "DB", "LR": "undefined", "confidence": 2},
}
WORM = {
    "uid": "2022-08-02-01",
    "trace_array": VALUES.tolist(),
    "trace_original": ORIGINAL.tolist(),
    "timestamp_confocal": (5 + 0.6 * np.arange(T)).tolist(),
    "avg_timestep": 0.01,
    "labeled": LABELS,
    "velocity": VELOCITY.tolist(),
    "max_t": T,
}


@pytest.fixture
def path(tmp_path):
    (tmp_path / "worm.json").write_text(json.dumps(WORM))
    return tmp_path / "worm.json"


def read(path, **choices):
    selection = Selection(**choices)
    return Session.from_recording(WormWideWebReader().read(path, "w", selection), selection)


def test_traces_names_and_behaviour(path):
    assert WormWideWebReader().recognises(path)
    session = read(path, behaviour=["velocity"])
    np.testing.assert_allclose(session.activity, VALUES, rtol=1e-6)
    np.testing.assert_allclose(session.behaviour[:, 0], VELOCITY, rtol=1e-6)
    assert session.neuron_id == ["AVAL", "w/1", "w/2"]  # a name in doubt is no id
    assert session.cell_type == ["AVA", "", "DB"]
    assert session.bin_size == pytest.approx(0.6)
    np.testing.assert_allclose(read(path, activity="trace_original").activity, ORIGINAL.T, rtol=1e-6)


def test_without_times_the_mean_step_is_in_minutes(path):
    path.write_text(json.dumps({key: value for key, value in WORM.items() if key != "timestamp_confocal"}))
    assert read(path).bin_size == pytest.approx(0.6)
    path.write_text(json.dumps({"trace_array": VALUES.tolist()}))
    with pytest.raises(ValueError, match=r"'timestamp_confocal' in seconds with 50 entries, or 'avg_timestep'"):
        read(path)


def test_behaviours_of_newer_files_lie_below_one_key(path):
    path.write_text(json.dumps({**WORM, "behavior": {"pumping": [None, *[1.0] * (T - 1)]}}))
    with pytest.warns(DataWarning, match="1 NaN or missing samples"):
        session = read(path, behaviour=["pumping"])
    assert session.recorded_share == pytest.approx([1 - 1 / T])
    rows = dict(WormWideWebReader().describe(path))
    assert (rows["behaviours"], rows["neurons"]) == ("velocity, pumping", "3, 1 with a name")


def test_what_is_not_there(path):
    with pytest.raises(ValueError, match=r"behaviours among velocity, .*got speed, trials"):
        read(path, behaviour=["speed"], intervals="trials")
    path.write_text(json.dumps({**WORM, "trace_array": [[1.0], [1.0, 2.0]]}))
    with pytest.raises(ValueError, match=r"rows of numbers of the same length"):
        read(path)
    path.write_text(json.dumps(WORM)[:-20])
    with pytest.raises(ValueError, match=r"damaged or cut short"):
        read(path)
    path.write_text('{"labeled": {}}')
    assert not WormWideWebReader().recognises(path)
