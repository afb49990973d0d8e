import shlex

import torch

from synapsnet_pyg.cli.main import main
from synapsnet_pyg.report.reproduction import commands_of
from synapsnet_pyg.runs.run import Run


def test_the_commands_of_the_page_make_the_same_run(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fit, *others = commands_of(run)
    assert others == ["synapsnet evaluate again", "synapsnet report again"]
    assert main(shlex.split(fit)[1:]) == 0
    again = Run.load(tmp_path / "again")
    for key in ("model", "training"):
        assert again.settings[key] == run.settings[key]
    for ours, theirs in zip(again.model.parameters(), run.model.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_an_adapted_run_is_made_again_by_adapting():
    settings = {
        "sessions": [{"path": "my file.h5"}],
        "training": {"epochs": 3, "targets": 1, "seed": 2},
        "model": {"name": "synapsnet", "arguments": {}},
        "adapted_from": "/first",
    }
    run = Run.of(None, [])
    run.settings = settings
    assert commands_of(run)[0] == "synapsnet adapt /first 'my file.h5' --out again --epochs 3 --seed 2"
