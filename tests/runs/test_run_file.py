import json
import math

import pytest
from helpers import make_session

from synapsnet_pyg.data.fingerprint import earlier_fingerprint
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.files.checksums import DamagedFileError
from synapsnet_pyg.intake.notes import DataWarning
from synapsnet_pyg.models.checkpoint import save_model
from synapsnet_pyg.models.registry import build_model
from synapsnet_pyg.runs.recipe import Recipe
from synapsnet_pyg.runs.run import Run
from synapsnet_pyg.runs.run_file import FittedSession, RunRecord, best_epoch, read_history, write_history


def test_a_solved_start_is_kept_unless_an_epoch_is_clearly_better():
    def rows(first, correlations):
        return [
            {"epoch": first + e, "validation_correlation": r, "validation_mse": 1 - r}
            for e, r in enumerate(correlations)
        ]

    assert best_epoch(rows(0, [0.5, 0.504, 0.503]), horizon=1) == 0
    assert best_epoch(rows(0, [0.5, 0.51, 0.512, 0.511]), horizon=1) == 2
    assert best_epoch(rows(1, [0.5, 0.504, 0.503]), horizon=1) == 1
    assert best_epoch(rows(1, [math.nan, 0.1, math.nan]), horizon=1) == 1
    several = [{"epoch": e, "validation_correlation": 0.9 - e, "validation_mse": m} for e, m in enumerate([1, 0.98])]
    assert best_epoch(several, horizon=4) == 1


def record_of(folder):
    """A run of a session file in its folder."""
    session = make_session(N=3, name="demo")
    session.save(folder / "demo.h5")
    fitted = FittedSession.of(session, folder / "demo.h5", folder)
    return RunRecord("gru", {"hidden_size": 4}, [fitted], Recipe(epochs=3), {"python": "3"})


def as_version_2(folder):
    """Rewrites ``run.json`` as the earlier version did, with its fingerprint and without a checksum."""
    values = json.loads((folder / "run.json").read_text())
    del values["checksum"]
    values["version"] = 2
    values["sessions"][0]["fingerprint"] = earlier_fingerprint(Session.load(folder / "demo.h5"))
    (folder / "run.json").write_text(json.dumps(values))


def test_a_record_comes_back_and_damage_is_told(tmp_path):
    record = record_of(tmp_path)
    record.write(tmp_path)
    assert RunRecord.read(tmp_path) == record
    text = (tmp_path / "run.json").read_text()
    (tmp_path / "run.json").write_text(text.replace('"epochs": 3', '"epochs": 2'))
    with pytest.raises(ValueError, match=r"run.json' is damaged, or was changed: its checksum"):
        RunRecord.read(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"recipe": {"epochs": "many"}}, "Expected run.recipe.epochs in '.*run.json' to be a whole number"),
        ({"recipe": {"epochs": 0}}, "Expected a valid run.recipe in '.*run.json' .*at least 1"),
        ({"sessions": [{"name": "demo"}]}, r"Expected run.sessions\[0\].path in '.*run.json' \(there is none\)"),
        ({"model": {"kind": 3, "arguments": {}}}, "Expected run.model.kind in '.*run.json' to be a text"),
        ({"model": None}, "Expected run.model in '.*run.json' to be an object"),
        ({"version": 99}, "run.json' is not a readable run .*newer version"),
        ({"versions": []}, "Expected run.versions"),
        ({"further": 1}, r"got 'further' too"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*no checksum")
def test_each_violation_is_a_line(tmp_path, change, message):
    record_of(tmp_path).write(tmp_path)
    values = json.loads((tmp_path / "run.json").read_text())
    del values["checksum"]
    (tmp_path / "run.json").write_text(json.dumps(values | change))
    with pytest.raises(ValueError, match=message) as told:
        RunRecord.read(tmp_path)
    assert "\n" not in str(told.value)


def test_a_run_of_the_earlier_version_opens_and_can_be_continued(tmp_path):
    record = record_of(tmp_path)
    record.write(tmp_path)
    save_model(build_model("gru", [make_session(N=3, name="demo")], {"hidden_size": 4}), tmp_path / "best.ckpt")
    as_version_2(tmp_path)
    with pytest.warns(DataWarning, match=r"run.json' has no checksum"):
        assert Run.load(tmp_path).sessions["demo"].num_neurons == 3
    with pytest.warns(DataWarning, match="no checksum"):
        record.require_same(tmp_path)


def test_another_bin_size_is_another_recording(tmp_path):
    record_of(tmp_path).write(tmp_path)
    save_model(build_model("gru", [make_session(N=3, name="demo")], {"hidden_size": 4}), tmp_path / "best.ckpt")
    session = Session.load(tmp_path / "demo.h5")
    session.bin_size = 123.0
    session.save(tmp_path / "demo.h5")
    with pytest.raises(ValueError, match=r"demo.h5' is not the recording of the fit"):
        Run.load(tmp_path)


HEAD = "epoch,train_loss,validation_correlation,validation_mse\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epoch,train_loss\n1,2\n", "no column validation_correlation"),
        (HEAD + "1,0.5,high,0.2\n", "could not convert"),
        (HEAD + "1,0.5,0.1\n", "row 1 of another length"),
        (HEAD + "1,0.5,0.1,0.2,3\n", "row 1 of another length"),
        (HEAD + "2,0.5,0.1,0.2\n1,0.5,0.1,0.2\n", "epoch 1 in row 2"),
        (HEAD + "1.5,0.5,0.1,0.2\n", "epoch 1.5 in row 1"),
        (HEAD, "no row"),
        ("\0" * 400, "no row"),
    ],
)
def test_a_damaged_history_is_told(tmp_path, text, message):
    path = tmp_path / "history.csv"
    path.write_text(HEAD + "0,,0.1,nan\n1,0.5,0.2,0.3\n")
    assert [row["epoch"] for row in read_history(path)] == [0, 1]
    path.write_text(text)
    with pytest.raises(ValueError, match=rf"in '.*history.csv' \(got: .*{message}"):
        read_history(path)


def test_every_other_digit_of_a_history_is_seen(tmp_path):
    path = tmp_path / "history.csv"
    row = {"train_mse": 0.91, "validation_correlation": 0.123456789012345678, "validation_mse": float("nan")}
    row |= {"learning_rate": 0.002, "seconds": 1.5}
    write_history(path, [{"epoch": number, **row} for number in range(3)])
    written = path.read_text()
    assert read_history(path)[2] == {"epoch": 2, "validation_correlation": row["validation_correlation"]} | {
        "validation_mse": pytest.approx(row["validation_mse"], nan_ok=True)
    }
    lines = written.splitlines(keepends=True)
    others = [written.replace("0.1234", "0.1235", 1), written.replace("0.91", "0.92"), "".join(lines[:3])]
    others += ["".join(lines[:1] + lines[2:]), written.replace("checksum", "check"), written.replace("nan", "0.3", 1)]
    for other in others:
        path.write_text(other)
        with pytest.raises(DamagedFileError, match=r"history\.csv' \(got: other values"):
            read_history(path)
