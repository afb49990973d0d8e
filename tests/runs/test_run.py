import dataclasses
import json
import shlex
import shutil

import pytest
import torch
from helpers import make_session

from synapsnet_pyg.cli.main import main
from synapsnet_pyg.data.fingerprint import earlier_fingerprint
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.runs.evaluation import evaluate
from synapsnet_pyg.runs.recipe import Preset, Recipe
from synapsnet_pyg.runs.run import History, Run
from synapsnet_pyg.runs.run_file import FittedSession, RunRecord


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    folder = tmp_path_factory.mktemp("runs")
    make_session(T=200, name="one").save(folder / "one.h5")
    preset = Preset("fast", {"epochs": 2, "patience": None})
    return Run.fit([folder / "one.h5"], folder / "run", arguments={"hidden_size": 6}, recipe=preset, progress=False)


def test_the_commands_of_the_page_make_the_same_run(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fit, *others = run.commands()
    assert others == ["synapsnet evaluate again", "synapsnet report again"]
    assert main(shlex.split(fit)[1:]) == 0
    again = Run.load(tmp_path / "again")
    assert (again.kind, again.recipe, again.record.arguments) == (run.kind, run.recipe, run.record.arguments)
    for ours, theirs in zip(again.model.parameters(), run.model.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_an_adapted_run_is_made_again_by_adapting():
    session = FittedSession("one", "my file.h5", "my file.h5", neurons=3, bins=9, fingerprint="0")
    recipe = Recipe(epochs=3, targets=1, seed=2)
    run = Run(None, {}, recipe, record=RunRecord("synapsnet", {}, [session], recipe, {}, "/first"))
    assert run.commands()[0] == "synapsnet adapt /first 'my file.h5' --out again --epochs 3 --seed 2"


def test_a_model_fitted_in_python_is_a_run(run):
    session = run.sessions["one"]
    wrapped = Run.of(run.model, [session], Recipe(targets=16))
    assert (wrapped.kind, wrapped.targets, wrapped.commands(), wrapped.history()) == ("synapsnet", 16, [], None)


def test_history_is_read(run, tmp_path):
    (tmp_path / "history.csv").write_text("epoch,validation_correlation\n0,0.25\n1,0.5\n")
    (tmp_path / "one").mkdir()
    elsewhere = Run(run.model, run.sessions, run.recipe, tmp_path, run.record)
    assert elsewhere.history() == History([0, 1], [0.25, 0.5], best=1)
    assert elsewhere.history("one") is None
    assert run.history().epochs == [0, 1, 2]


def to_version_1(folder):
    """Rewrites a run's files as version 0.1.0 wrote them."""
    values = json.loads((folder / "run.json").read_text())
    del values["checksum"]
    values |= {"version": 1, "training": values.pop("recipe")}
    values["sessions"][0]["fingerprint"] = earlier_fingerprint(Session.load(values["sessions"][0]["path"]))
    values["model"] = {"name": values["model"]["kind"], "arguments": values["model"]["arguments"]}
    (folder / "run.json").write_text(json.dumps(values))
    for name in ("best.ckpt", "last.ckpt"):
        saved = torch.load(folder / name, weights_only=True)
        description = saved["description"]
        saved["description"] = {
            "name": description["kind"],
            "arguments": description["arguments"],
            "populations": description["sessions"],
        }
        torch.save(saved, folder / name)


@pytest.mark.filterwarnings("ignore:.*run.json' has no checksum")
def test_a_run_of_version_0_1_0_is_read_and_not_continued(run, tmp_path):
    folder = tmp_path / "old"
    shutil.copytree(run.folder, folder)
    to_version_1(folder)
    old = Run.load(folder)
    assert (old.kind, old.recipe) == (run.kind, run.recipe)
    for ours, theirs in zip(old.model.parameters(), run.model.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    path, recipe = run.record.sessions[0].path, run.recipe.changed(epochs=4)
    with pytest.raises(ValueError, match=r"begun by version 0.1.0.*another --out"):
        Run.fit([path], folder, arguments={"hidden_size": 6}, recipe=recipe, resume=True, progress=False)


def test_a_damaged_or_newer_run_is_refused(run, tmp_path):
    for text in ("{}", "[]", "not json", '{"format": "synapsnet run", "version": 99}'):
        (tmp_path / "run.json").write_text(text)
        with pytest.raises(ValueError, match=r"run.json'"):
            Run.load(tmp_path)


@pytest.mark.parametrize(
    ("changed", "message"),
    [({"targets": 2}, "begun with targets 16"), ({"seed": 1}, "begun with seed"), ({"epochs": 1}, "as many or more")],
)
def test_only_the_same_fit_is_continued(run, changed, message):
    recipe, path = run.recipe.changed(**changed), run.record.sessions[0].path
    with pytest.raises(ValueError, match=message):
        Run.fit([path], run.folder, arguments={"hidden_size": 6}, recipe=recipe, resume=True, progress=False)
    with pytest.raises(ValueError, match="begun with model arguments"):
        Run.fit([path], run.folder, recipe=run.recipe, resume=True, progress=False)
    with pytest.raises(FileExistsError):
        Run.fit([path], run.folder, arguments={"hidden_size": 6}, recipe=run.recipe, progress=False)


def test_a_recording_that_changed_is_refused(run, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(run.folder.parent, folder)
    session = Session.load(folder / "one.h5")
    session.activity = session.activity + 1
    session.save(folder / "one.h5")
    record = run.record
    moved = [dataclasses.replace(one, path="/nowhere/one.h5") for one in record.sessions]
    dataclasses.replace(record, sessions=moved).write(folder / "run")
    with pytest.raises(ValueError, match="not the recording"):
        Run.load(folder / "run")
    (folder / "one.h5").unlink()
    with pytest.raises(FileNotFoundError, match="put it back there"):
        Run.load(folder / "run")


def test_a_protocol_and_a_fold_are_kept_with_the_run(tmp_path):
    make_session(T=400, name="one").save(tmp_path / "one.h5")
    recipe = Recipe(protocol="poco", fold="2/4 gap 7")
    fitted = Run.fit([tmp_path / "one.h5"], tmp_path / "run", "var1", recipe=recipe, progress=False)
    loaded = Run.load(tmp_path / "run")
    assert loaded.recipe == recipe
    session = loaded.sessions["one"]
    assert torch.equal(session.activity, fitted.sessions["one"].activity)
    assert session.num_behaviours == 0
    assert session.part_bins("test").tolist() == list(range(100, 200))
    torch.testing.assert_close(session.activity.mean(1), torch.zeros(5), atol=1e-5, rtol=0)
    assert shlex.split(loaded.commands()[0])[-4:] == ["--protocol", "poco", "--fold", "2/4 gap 7"]
    with pytest.raises(ValueError, match=r"fold 2/4 gap 7 \(got 3/4\)"):
        Run.fit([tmp_path / "one.h5"], tmp_path / "run", "var1", recipe=recipe.changed(fold="3/4"), resume=True)


def test_parts_of_the_segments_in_place_of_the_usual_ones_give_the_same_run(tmp_path):
    make_session(T=200, name="one").save(tmp_path / "usual.h5")
    segment, parts = torch.tensor([[0, 160], [160, 180], [180, 200]]), ["train", "validation", "test"]
    make_session(T=200, name="one", segment=segment, segment_part=parts).save(tmp_path / "own.h5")
    preset = Preset("fast", {"epochs": 2})
    ours, theirs = (
        Run.fit([tmp_path / f"{name}.h5"], tmp_path / name, arguments={"hidden_size": 6}, recipe=preset, progress=False)
        for name in ("own", "usual")
    )
    assert evaluate(ours).sessions == evaluate(theirs).sessions
