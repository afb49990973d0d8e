import os
import shutil
import signal
import subprocess
import sys
import time

import pytest
import torch
from helpers import make_session, read_csv

from synapsnet_pyg.models.checkpoint import load_model
from synapsnet_pyg.models.registry import build_model
from synapsnet_pyg.models.synapsnet import SynapsNet
from synapsnet_pyg.runs import training
from synapsnet_pyg.runs.recipe import Recipe
from synapsnet_pyg.runs.training import fit


def sessions():
    return [make_session(N=5, T=90, name="one").standardise(), make_session(N=4, T=80, name="two").standardise()]


def train(out, epochs=3, resume=False, options=None, **changes):
    out.mkdir(exist_ok=True)
    torch.manual_seed(0)
    model = SynapsNet(sessions(), embedding_dim=3, hidden_size=6, linear_path=False)
    recipe = Recipe(epochs=epochs, batch_size=16).changed(**changes)
    return fit(model, sessions(), out, recipe, resume=resume, progress=False, **(options or {}))


def weights(path):
    state = torch.load(path, weights_only=True)["state_dict"]
    return {key.removeprefix("model."): value for key, value in state.items() if isinstance(value, torch.Tensor)}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


class Stopped(Exception):  # noqa: N818
    pass


def test_resumed_in_the_middle_of_an_epoch_is_bit_identical(tmp_path, monkeypatch):
    train(tmp_path / "whole", epochs=4, targets=2)
    steps = 0
    step = training._Training.training_step

    def interrupting(self, window):
        nonlocal steps
        steps += 1
        if steps == 14:
            raise Stopped
        return step(self, window)

    with monkeypatch.context() as patch:
        patch.setattr(training._Training, "training_step", interrupting)
        with pytest.raises(Stopped):
            train(tmp_path / "parts", epochs=4, targets=2)
    history = (tmp_path / "parts" / "history.csv").read_text().splitlines()
    assert 1 < len(history) < 5  # some epochs were finished, and one was under way
    train(tmp_path / "parts", epochs=4, targets=2, resume=True)
    for name in ("last.ckpt", "best.ckpt"):
        assert same(weights(tmp_path / "whole" / name), weights(tmp_path / "parts" / name))
    rows = [read_csv(tmp_path / run / "history.csv") for run in ("whole", "parts")]
    for one, other in zip(*rows, strict=True):
        times = ("seconds", "checksum")  # the checksum is of the seconds too
        assert {k: v for k, v in one.items() if k not in times} == {k: v for k, v in other.items() if k not in times}


def test_the_same_seed_gives_the_same_weights(tmp_path):
    for run, seed in (("a", 0), ("b", 0), ("c", 1)):
        train(tmp_path / run, seed=seed)
    assert same(weights(tmp_path / "a" / "last.ckpt"), weights(tmp_path / "b" / "last.ckpt"))
    assert not same(weights(tmp_path / "a" / "last.ckpt"), weights(tmp_path / "c" / "last.ckpt"))


def test_returns_and_saves_the_best_epoch(tmp_path):
    model = train(tmp_path / "run", epochs=8, learning_rate=0.05)
    rows = read_csv(tmp_path / "run" / "history.csv")
    scores = [float(row["validation_correlation"]) for row in rows]
    best = scores.index(max(scores))
    assert len(rows) == 8
    assert best < 7
    train(tmp_path / "shorter", epochs=best + 1, learning_rate=0.05)
    assert same(weights(tmp_path / "shorter" / "last.ckpt"), weights(tmp_path / "run" / "best.ckpt"))
    assert not model.training
    for key, value in load_model(tmp_path / "run" / "best.ckpt").state_dict().items():
        assert not isinstance(value, torch.Tensor) or torch.equal(value, model.state_dict()[key])


def test_halves_the_learning_rate(tmp_path):
    train(tmp_path / "run", epochs=5, learning_rate=0.008, halve_every=2)
    rows = read_csv(tmp_path / "run" / "history.csv")
    assert [float(row["learning_rate"]) for row in rows] == [0.008, 0.008, 0.004, 0.004, 0.002]


def test_stops_early(tmp_path):
    train(tmp_path / "run", epochs=60, patience=2, learning_rate=0.05)
    rows = read_csv(tmp_path / "run" / "history.csv")
    scores = [float(row["validation_correlation"]) for row in rows]
    assert len(scores) < 60
    assert len(scores) == scores.index(max(scores)) + 3
    train(tmp_path / "run", epochs=60, patience=2, learning_rate=0.05, resume=True)  # it is over, so nothing is added
    assert len(read_csv(tmp_path / "run" / "history.csv")) == len(rows)


def test_learns(tmp_path):
    rows = []
    for epochs in (1, 12):
        train(tmp_path / str(epochs), epochs=epochs, learning_rate=0.01)
        rows.append(read_csv(tmp_path / str(epochs) / "history.csv")[-1])
    assert float(rows[1]["train_mse"]) < float(rows[0]["train_mse"])


@pytest.mark.parametrize("name", ["mean", "ar5", "var1"])
def test_models_without_training_are_saved_too(tmp_path, name):
    model = fit(build_model(name, sessions()), sessions(), tmp_path)
    again = load_model(tmp_path / "best.ckpt")
    assert torch.equal(again.connectivity(sessions()[0]), model.connectivity(sessions()[0]))


def test_tells_before_training_what_cannot_work(tmp_path, monkeypatch):
    short = make_session(T=40)  # 4 bins to validate on
    with pytest.raises(ValueError, match="more than 5 bins in the validation part"):
        fit(SynapsNet([short]), [short], tmp_path)
    with pytest.raises(ValueError, match="epochs"):
        train(tmp_path, epochs=0)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10, 10, 0))
    with pytest.raises(OSError, match="free disk"):
        train(tmp_path / "run")
    assert list((tmp_path / "run").iterdir()) == []


def test_a_disk_that_fills_up_leaves_the_last_good_checkpoint(tmp_path, monkeypatch):
    train(tmp_path / "run", epochs=2)
    before = {name: (tmp_path / "run" / name).read_bytes() for name in ("best.ckpt", "last.ckpt")}
    save = torch.save

    def full(what, path):
        save(what, path)
        path.truncate(100)
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", full)
        with pytest.raises(OSError, match="No space"):
            train(tmp_path / "run", epochs=4, resume=True)
    assert {name: (tmp_path / "run" / name).read_bytes() for name in before} == before
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["best.ckpt", "history.csv", "last.ckpt"]
    train(tmp_path / "run", epochs=4, resume=True)


@pytest.mark.parametrize("damage", [b"", b"no checkpoint", None])
def test_a_damaged_checkpoint_is_told(tmp_path, damage):
    train(tmp_path / "run", epochs=1)
    last = tmp_path / "run" / "last.ckpt"
    last.write_bytes(last.read_bytes()[:5_000] if damage is None else damage)
    with pytest.raises(ValueError, match=r"last\.ckpt' is not a readable model"):
        train(tmp_path / "run", epochs=2, resume=True)


def test_an_error_that_is_not_finite_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.nn.functional, "mse_loss", lambda a, b: a.sum() * torch.inf)
    with pytest.raises(FloatingPointError, match="lower learning rate"):
        train(tmp_path / "run")


def test_killed_without_warning_loses_at_most_the_epoch_under_way(tmp_path):
    train(tmp_path / "whole", epochs=40)
    script = (
        "import pathlib, sys; sys.path[:0] = sys.argv[1:3]; import test_training; "
        "test_training.train(pathlib.Path(sys.argv[3]), epochs=40)"
    )
    out = tmp_path / "killed"
    here = os.path.dirname(__file__)
    command = [sys.executable, "-W", "ignore", "-c", script, here, os.path.dirname(here), str(out)]
    process = subprocess.Popen(command)
    deadline = time.monotonic() + 120
    while not (out / "last.ckpt").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.3)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert torch.load(out / "last.ckpt", weights_only=True)["epoch"] >= 0
    train(out, epochs=40, resume=True)
    assert same(weights(tmp_path / "whole" / "last.ckpt"), weights(out / "last.ckpt"))


def test_a_logger_and_callbacks_of_lightning_are_taken_through(tmp_path):
    from lightning import Callback
    from lightning.pytorch.loggers import CSVLogger

    class Counting(Callback):
        epochs = 0

        def on_train_epoch_end(self, trainer, pl_module):
            self.epochs += 1

    counting, logger = Counting(), CSVLogger(tmp_path, name="logs")
    train(tmp_path / "run", epochs=3, options={"logger": logger, "callbacks": [counting]})
    assert counting.epochs == 3
    logged, history = (
        read_csv(tmp_path / "logs" / "version_0" / "metrics.csv"),
        read_csv(tmp_path / "run" / "history.csv"),
    )
    assert [float(row["validation_correlation"]) for row in logged] == [
        float(row["validation_correlation"]) for row in history
    ]
    train(tmp_path / "plain", epochs=3)
    assert same(weights(tmp_path / "run" / "last.ckpt"), weights(tmp_path / "plain" / "last.ckpt"))


def test_each_session_of_a_model_of_one_session_is_logged(tmp_path):
    from lightning.pytorch.loggers import CSVLogger

    model = build_model("gru", sessions(), {"hidden_size": 4})
    logger = CSVLogger(tmp_path, name="logs")
    fit(model, sessions(), tmp_path / "run", Recipe(epochs=2), progress=False, logger=logger)
    assert (tmp_path / "logs" / "version_0" / "metrics.csv").is_file()


def test_a_model_is_trained_with_dropout_whatever_its_mode(tmp_path):
    session, errors = make_session(T=200).standardise(), []
    for mode in (True, False):
        torch.manual_seed(0)
        model = build_model("gru", [session], {"hidden_size": 4}).train(mode)
        fit(model, [session], tmp_path / str(mode), Recipe(epochs=1, targets=4), progress=False)
        errors.append(read_csv(tmp_path / str(mode) / "history.csv")[-1]["train_mse"])
    assert errors[0] == errors[1]
