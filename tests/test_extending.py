"""One more of each kind needs its file and one line of a registry; the rest of the package follows.

Documents aside (a row of README.md for a model or command, of data/README.md for a data set), nothing else is touched:
the command line's choices and help texts, builders, benchmarks and checkpoints read the registries.
"""

import inspect
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import make_session
from parsers import choices_of, command_parsers, options_of

from synapsnet_pyg.analysis.reciprocity import reciprocity
from synapsnet_pyg.benchmarks.recovery import Populations, compare_recovery
from synapsnet_pyg.benchmarks.variants import named
from synapsnet_pyg.cli import data
from synapsnet_pyg.cli.main import main
from synapsnet_pyg.connectivity.estimator import Estimator
from synapsnet_pyg.connectivity.registry import ESTIMATORS, RegisteredEstimator, estimate
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.data.windows import Window
from synapsnet_pyg.datasets import registry
from synapsnet_pyg.datasets.recordings import RecordingDataset
from synapsnet_pyg.datasets.registry import DATASETS, READERS, RegisteredDataset, open_dataset
from synapsnet_pyg.experiments.registry import EXPERIMENTS
from synapsnet_pyg.intake.neuron_table import NeuronTable
from synapsnet_pyg.intake.recording import Recording, Selection, Traces
from synapsnet_pyg.models.checkpoint import load_model, save_model
from synapsnet_pyg.models.forecaster import Forecast, Forecaster
from synapsnet_pyg.models.registry import MODELS, RegisteredModel, build_model
from synapsnet_pyg.readers.reader import Reader, Rows, next_rows
from synapsnet_pyg.simulations.registry import SIMULATIONS, RegisteredSimulation


class Halving(Forecaster):
    """Forecasts half of the newest activity."""

    def __init__(self, sessions, window: int = 1) -> None:
        super().__init__(sessions, window)

    def forward(self, window: Window) -> Forecast:
        return Forecast(window.activity[..., -window.target.shape[-1] :] / 2)


class Identity(Estimator):
    """Estimates that every neuron drives itself alone."""

    def _fit(self, train: Session, validation: Session | None) -> None:
        self.connectivity_ = torch.eye(train.num_neurons)


class OneText(RecordingDataset):
    """A recording in a text file."""

    def find(self, root: Path) -> dict[str, list[Path]]:
        return {path.stem: [path] for path in root.glob("*.txt")}

    def read(self, name: str, files: list[Path]) -> Session:
        return Session.from_arrays(np.loadtxt(files[0]), bin_size=0.1, name=name)


class TracesInText(Reader):
    """Traces in a text file, a row for each neuron, behind a first line with the frame rate."""

    name = "traces-in-text"

    def recognises(self, path: Path) -> bool:
        return path.suffix == ".traces"

    def read(self, path: Path, name: str, selection: Selection) -> Recording:
        rate = float(path.read_text().splitlines()[0])
        values = np.loadtxt(path, skiprows=1)
        return Recording(name, Traces(values, bin_size=1 / rate), NeuronTable(len(values)))

    def describe(self, path: Path) -> Rows:
        return [("traces", f"{len(np.loadtxt(path, skiprows=1))} neurons"), *next_rows(path)]


def simulate_noise(session: int = 0, *, seed: int = 0, bins: int = 400, name: str | None = None) -> Session:
    """Simulates two neurons of noise, of which the first drives the second."""
    random = np.random.default_rng([seed, session])
    counts = random.poisson(1.0, (2, bins)).astype(float)
    counts[1, 1:] += counts[0, :-1]
    return Session.from_arrays(counts, bin_size=0.1, name=name or "noise", true_connectivity=[[0, 0], [1, 0]])


def path_here(thing) -> str:
    return f"{thing.__module__}:{thing.__qualname__}"


def test_a_model(monkeypatch, tmp_path):
    monkeypatch.setitem(MODELS, "halving", RegisteredModel(f"{__name__}.Halving"))
    session = make_session(T=200)
    model = build_model("halving", [session])
    assert model.kind == "halving"
    save_model(model, tmp_path / "m.ckpt")
    assert isinstance(load_model(tmp_path / "m.ckpt"), Halving)
    assert "halving" in options_of(command_parsers()["fit"])["--model"].help
    session.save(tmp_path / "s.h5")
    assert main(["fit", f"{tmp_path}/s.h5", "--out", f"{tmp_path}/run", "--model", "halving"]) == 0
    assert main(["evaluate", f"{tmp_path}/run"]) == 0


def test_an_estimator(monkeypatch, tmp_path):
    monkeypatch.setitem(ESTIMATORS, "identity", RegisteredEstimator(path_here(Identity)))
    assert torch.equal(estimate("identity", make_session()).connectivity, torch.eye(5))
    assert "identity" in options_of(command_parsers()["benchmark connectivity"])["--methods"].help
    small = Populations(parameters={"bins": 300, "neurons": 20, "recorded": 6})
    result = compare_recovery(tmp_path, named(["identity", "lag1"]), small, seeds=1)
    assert {entry.method for entry in result.summary} == {"identity", "lag1"}


def test_a_simulation(monkeypatch, tmp_path):
    monkeypatch.setitem(SIMULATIONS, "noise", RegisteredSimulation(path_here(simulate_noise), "noise of two neurons"))
    option = options_of(command_parsers()["simulate"])["--population"]
    assert "noise" in choices_of(option)
    assert "noise of two neurons" in option.help
    assert main(["simulate", f"{tmp_path}/a.h5", "--population", "noise", "--bins", "90"]) == 0
    assert Session.load(tmp_path / "a.h5").num_bins == 90
    result = compare_recovery(tmp_path / "out", named(["ridge_var", "lag1"]), Populations(["noise"]), seeds=1)
    assert result.failed == {}


def test_a_data_set(monkeypatch, tmp_path):
    monkeypatch.setitem(DATASETS, "one-text", RegisteredDataset(path_here(OneText), "text files"))
    np.savetxt(tmp_path / "monday.txt", np.random.default_rng(0).normal(size=(3, 50)))
    assert open_dataset("one-text", tmp_path, {})[0].name == "monday"
    assert "text files" in options_of(command_parsers()["prepare"])["dataset"].help
    assert main(["prepare", "one-text", str(tmp_path), "--out", f"{tmp_path}/sessions"]) == 0
    assert Session.load(tmp_path / "sessions" / "monday.h5").num_neurons == 3


def test_a_reader(monkeypatch, tmp_path, capsys):
    reader = RegisteredDataset(path_here(TracesInText), "traces in text files")
    monkeypatch.setattr(registry, "READERS", {"traces-in-text": reader, **READERS})
    path = tmp_path / "monday.traces"
    path.write_text(
        "20\n" + "\n".join(" ".join(map(str, row)) for row in np.random.default_rng(0).normal(size=(3, 50)))
    )
    assert main(["inspect", str(path)]) == 0
    assert "3 neurons" in capsys.readouterr().out
    assert main(["convert", str(path), f"{tmp_path}/m.h5"]) == 0
    session = Session.load(tmp_path / "m.h5")
    assert (session.num_neurons, session.num_bins, session.bin_size) == (3, 50, 0.05)


def test_an_experiment(monkeypatch, tmp_path):
    ring = EXPERIMENTS["ring"]._replace(quick={"seeds": 1, "epochs": 1, "bins": 400}, description="another ring")
    monkeypatch.setitem(EXPERIMENTS, "another-ring", ring)
    option = options_of(command_parsers()["experiment"])["name"]
    assert "another-ring" in choices_of(option)
    assert "another ring" in option.help


def test_a_command():
    """Every public function of the command files is a command."""
    commands = {name for name, function in vars(data).items() if inspect.isfunction(function) and name[0] != "_"}
    here = {name for name in commands if vars(data)[name].__module__ == data.__name__}
    assert here <= {name.split()[0] for name in command_parsers()}


def test_a_figure_of_the_report(monkeypatch):
    """A section of the page is one function in one list, and its figures carry both drawings."""
    from synapsnet_pyg.report import forecast_sections
    from synapsnet_pyg.report.forecast_results import ForecastResults
    from synapsnet_pyg.report.sections import Section
    from synapsnet_pyg.runs.evaluation import NeuronCounts
    from synapsnet_pyg.runs.scores import Score

    def returned(results: ForecastResults) -> Section:
        table = reciprocity(results.session, torch.eye(results.session.num_neurons).roll(1, 0))
        return Section("Returned weights", [f"{len(table)} rows."])

    known = forecast_sections.FORECAST_SECTIONS
    monkeypatch.setattr(forecast_sections, "FORECAST_SECTIONS", (*known, returned))
    scores = {"copy": Score(0.5, 1.0, [], None)}
    results = ForecastResults(make_session(), scores, NeuronCounts(5, 5, 0, 0), [], None, None, None, None)
    assert forecast_sections.forecast_part(results).sections[-1].title == "Returned weights"
    assert replace(results, left_out=["var5"]).left_out == ["var5"]


@pytest.mark.parametrize("registry", [MODELS, ESTIMATORS, SIMULATIONS, DATASETS, EXPERIMENTS])
def test_registries_hold_import_paths(registry):
    assert all(isinstance(entry.path, str) and entry.path.startswith("synapsnet_pyg.") for entry in registry.values())
