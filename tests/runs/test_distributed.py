"""Fits of two processes, which join by gloo, beside fits of one."""

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from commands import run as command
from helpers import make_session, read_csv
from lightning import Callback

from synapsnet_pyg.data.shares import ShareSampler
from synapsnet_pyg.data.windows import EpochSampler, windows_of
from synapsnet_pyg.models.checkpoint import load_model
from synapsnet_pyg.models.registry import build_model
from synapsnet_pyg.models.synapsnet import SynapsNet
from synapsnet_pyg.runs import training
from synapsnet_pyg.runs.distributed import Shards
from synapsnet_pyg.runs.hardware import Hardware
from synapsnet_pyg.runs.processes import Processes, join, one_error
from synapsnet_pyg.runs.recipe import Recipe
from synapsnet_pyg.runs.training import fit

HERE = Path(__file__).parent
ONE = Hardware("cpu")
TWO = Hardware("cpu", devices=2)
SIZES = {"one": (5, 130), "two": (4, 90), "three": (6, 110)}
RECIPE = Recipe(epochs=3, targets=2, batch_size=8, learning_rate=0.003)


def sessions(*names):
    return [make_session(N=SIZES[n][0], T=SIZES[n][1], name=n).standardise() for n in names or SIZES]


def model_of(recorded):
    """A model without random numbers in training, which differ between processes."""
    torch.manual_seed(0)
    return SynapsNet(recorded, embedding_dim=3, hidden_size=6, dropout=0.0, state_size=0)


def train(out, *names, hardware, recipe=RECIPE, **options):
    recorded = sessions(*names)
    return fit(model_of(recorded), recorded, out, recipe, hardware=hardware, progress=False, **options)


class Failing(Callback):
    def on_train_epoch_end(self, trainer, pl_module):
        if trainer.global_rank == 1:
            raise ValueError("the second process fails")


def work(task, folder):
    """The work of each of two processes."""
    folder = Path(folder)
    if task == "fail":
        try:
            train(folder / "fails", hardware=TWO, callbacks=[Failing()])
        except ValueError as error:
            print(error, file=sys.stderr)
            raise SystemExit(2) from None
    train(folder / "whole", hardware=TWO)
    train(folder / "parts", hardware=TWO, recipe=RECIPE.changed(epochs=1))
    train(folder / "parts", hardware=TWO, resume=True)
    train(folder / "single", "one", hardware=TWO)
    recorded = sessions("one", "two")
    torch.manual_seed(0)
    gru = build_model("gru", recorded, {"hidden_size": 4, "dropout": 0.0})
    fit(gru, recorded, folder / "gru", RECIPE.changed(epochs=1), hardware=TWO, progress=False)


def start(task, folder):
    """Starts a script that starts the second process, and returns the finished one."""
    script = folder / "work.py"
    script.write_text(
        f"import sys\nsys.path[:0] = {[str(HERE), str(HERE.parent)]}\n"
        "from test_distributed import work\nwork(*sys.argv[1:])\n"
    )
    command = [sys.executable, "-W", "ignore", str(script), task, str(folder)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=outside())


def outside():
    """Variables of the environment without those of threads."""
    return {key: value for key, value in os.environ.items() if not key.startswith(("OMP_", "PYTEST_"))}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fits")
    done = start("fit", folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    return folder


def weights(path):
    state = torch.load(path, weights_only=True)["state_dict"]
    return {key.removeprefix("model."): value for key, value in state.items() if isinstance(value, torch.Tensor)}


def near(one, other):
    """Equal up to the order of sums."""
    assert one.keys() == other.keys()
    for key, value in one.items():
        error = float((value.double() - other[key].double()).abs().max()) if value.numel() else 0.0
        assert error <= 1e-5 * max(float(value.abs().max()), 1e-3), (key, error)
    return True


def accumulated():
    """The parameters after the same steps in one process, each the mean loss of the batches of both processes."""
    recorded = sessions()
    model, split = model_of(recorded), {session.name: session.split() for session in recorded}
    shards = [Shards(model, recorded, Processes(rank, 2)) for rank in range(2)]
    assert sorted(shards[0].own + shards[1].own) == sorted(SIZES)
    model.initialise({s: p.train for s, p in split.items()}, {s: p.validation for s, p in split.items()})
    model.begin_training()
    module = training._Training(model, split, RECIPE, Path(), shards=Shards(model, recorded, Processes()))
    adam = module.configure_optimizers()
    for group in adam.param_groups:
        group["lr"] *= group["factor"]
    windows = [[g for s in shard.own for g in windows_of(split[s].train, model.window, 2)] for shard in shards]
    batches = [EpochSampler(groups, RECIPE.batch_size, RECIPE.seed) for groups in windows]
    lengths = [len(part) for part in batches]
    assert lengths[0] != lengths[1]
    for epoch in range(RECIPE.epochs):
        samplers = [ShareSampler(part, rank, 2, lengths=lengths) for rank, part in enumerate(batches)]
        for sampler in samplers:
            sampler.set_epoch(epoch)
        for shares in zip(*samplers, strict=True):
            adam.zero_grad()
            for groups, share in zip(windows, shares, strict=True):
                if share.weight:
                    window = groups[share.group].gather(share.rows)
                    (share.weight * model.loss(model(window), window)).backward()
            adam.step()
    return model.state_dict()


@pytest.mark.slow
def test_sessions_of_two_processes_are_trained_as_by_one_that_accumulates(folder):
    expected = {key: value for key, value in accumulated().items() if isinstance(value, torch.Tensor)}
    assert near(weights(folder / "whole" / "last.ckpt"), expected)
    rows = read_csv(folder / "whole" / "history.csv")
    assert [row["epoch"] for row in rows] == ["0", "1", "2", "3"]
    assert not any(math.isnan(float(row["validation_mse"])) for row in rows)
    assert list(load_model(folder / "whole" / "best.ckpt").sessions) == list(SIZES)


@pytest.mark.slow
def test_the_start_is_that_of_one_process(folder, tmp_path):
    train(tmp_path / "run", hardware=ONE, recipe=RECIPE.changed(epochs=1))
    one, two = (read_csv(run / "history.csv")[0] for run in (tmp_path / "run", folder / "whole"))
    assert float(one["validation_correlation"]) == pytest.approx(float(two["validation_correlation"]), rel=1e-6)


@pytest.mark.slow
def test_a_resumed_fit_is_the_same(folder):
    for name in ("last.ckpt", "best.ckpt"):
        one, other = weights(folder / "whole" / name), weights(folder / "parts" / name)
        assert all(torch.equal(one[key], other[key]) for key in one)
    moments = [
        torch.load(folder / run / "last.ckpt", weights_only=True)["optimizer_states"][0]["state"]
        for run in ("whole", "parts")
    ]
    learned = len(list(model_of(sessions()).parameters()))
    assert len(moments[0]) == len(moments[1]) == learned  # of the sessions of both processes
    assert all(torch.equal(moments[0][i]["exp_avg"], moments[1][i]["exp_avg"]) for i in range(learned))


def test_fewer_sessions_than_processes_are_trained_as_by_one(folder, tmp_path):
    train(tmp_path / "run", "one", hardware=ONE)
    assert near(weights(tmp_path / "run" / "last.ckpt"), weights(folder / "single" / "last.ckpt"))
    for one, two in zip(*(read_csv(run / "history.csv") for run in (tmp_path / "run", folder / "single")), strict=True):
        for column in ("train_mse", "validation_correlation", "validation_mse"):
            assert float(one[column]) == pytest.approx(float(two[column]), rel=1e-4, nan_ok=True)


def test_models_of_one_session_are_trained_too(folder, tmp_path):
    recorded = sessions("one", "two")
    torch.manual_seed(0)
    model = build_model("gru", recorded, {"hidden_size": 4, "dropout": 0.0})
    fit(model, recorded, tmp_path, RECIPE.changed(epochs=1), hardware=ONE, progress=False)
    assert near(weights(tmp_path / "best.ckpt"), weights(folder / "gru" / "best.ckpt"))


def test_a_fit_is_resumed_with_as_many_processes(folder):
    with pytest.raises(ValueError, match="steps of 2 batches"):
        train(folder / "whole", hardware=ONE, recipe=RECIPE.changed(epochs=4), resume=True)
    train(folder / "single", "one", hardware=ONE, recipe=RECIPE.changed(epochs=4), resume=True)


def test_processes_that_torchrun_started_are_counted(monkeypatch):
    assert join(ONE) == Processes(0, 1)
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "run")
    monkeypatch.setenv("WORLD_SIZE", "4")
    with pytest.raises(ValueError, match=r"to be 4, the processes of torchrun \(got 2\)"):
        join(TWO)


def test_one_process_raises_its_error():
    with pytest.raises(ValueError, match="alone"), one_error():
        raise ValueError("alone")


@pytest.mark.slow
def test_an_error_of_one_process_ends_both_with_one_line(tmp_path):
    done = start("fail", tmp_path)
    assert done.returncode != 0
    assert done.stderr == "the second process fails\n"


@pytest.mark.slow
def test_the_command_line(tmp_path, capsys):
    paths = [str(tmp_path / f"{name}.h5") for name in SIZES]
    for path, (name, (neurons, bins)) in zip(paths, SIZES.items(), strict=True):
        make_session(N=neurons, T=2 * bins, name=name).save(path)
    fitting = [
        sys.executable,
        "-m",
        "synapsnet_pyg.cli",
        "fit",
        *paths,
        "--out",
        str(tmp_path / "run"),
        "--epochs",
        "1",
    ]
    fitting += ["--devices", "2", "--device", "cpu"]
    done = subprocess.run(fitting, capture_output=True, text=True, check=False, env=outside())
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("fitted run in ")
    assert done.stdout.count("\n") == 1
    told = [line.split()[:2] for line in done.stderr.splitlines() if not line.startswith("expected: ")]  # of a slow one
    assert told == [["epoch", "0/1"], ["epoch", "1/1"]]
    again = subprocess.run(fitting, capture_output=True, text=True, check=False, env=outside())
    assert again.returncode == 2
    assert again.stderr.count("\n") == 1
    assert "holds a run already" in again.stderr
    status, out, _ = command(capsys, "evaluate", tmp_path / "run")
    assert status == 0
    assert all(name in out for name in SIZES)
