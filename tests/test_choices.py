import re
from pathlib import Path

import pytest
from parsers import choices_of, command_parsers, options_of

from synapsnet_pyg.cli.main import main
from synapsnet_pyg.connectivity.registry import ESTIMATORS
from synapsnet_pyg.datasets.registry import DATASETS, PUBLIC_DATASETS
from synapsnet_pyg.experiments.registry import ALIASES as EXPERIMENT_ALIASES
from synapsnet_pyg.experiments.registry import EXPERIMENTS
from synapsnet_pyg.models.registry import MODELS
from synapsnet_pyg.results.connectivity_files import FORMATS
from synapsnet_pyg.runs.recipe import PRESETS
from synapsnet_pyg.simulations.registry import ALIASES, SIMULATIONS

PARSERS = command_parsers()
OPTIONS = {command: options_of(parser) for command, parser in PARSERS.items()}
README = (Path(__file__).parents[1] / "README.md").read_text()


def names_in(text: str | None) -> set[str]:
    """Finds the words of a help text, with hyphens and underscores within them."""
    return set(re.findall(r"[\w-]+", text or ""))


def listed_in(text: str | None, known: set[str]) -> list[str]:
    """Finds the known names in a text, in its order."""
    return [name for name in re.findall(r"[\w-]+", text or "") if name in known]


def test_help_of_fit_names_every_model() -> None:
    named = listed_in(OPTIONS["fit"]["--model"].help, set(MODELS))
    assert set(named) == set(MODELS)


def test_populations_are_the_simulations() -> None:
    action = OPTIONS["simulate"]["--population"]
    assert choices_of(action) == list(SIMULATIONS)
    assert all(alias in action.choices for alias in ALIASES)
    assert set(SIMULATIONS) <= names_in(action.help)


def test_experiments_are_those_registered() -> None:
    action = OPTIONS["experiment"]["name"]
    assert choices_of(action) == list(EXPERIMENTS)
    assert all(alias in action.choices for alias in EXPERIMENT_ALIASES)
    assert set(EXPERIMENTS) <= names_in(action.help)


def test_datasets_are_those_registered() -> None:
    assert listed_in(OPTIONS["prepare"]["dataset"].help, set(DATASETS)) == list(DATASETS)
    assert set(listed_in(OPTIONS["download"]["dataset"].help, set(DATASETS))) == set(PUBLIC_DATASETS)
    assert choices_of(OPTIONS["prepare"]["dataset"]) == list(DATASETS)


def test_formats_are_those_registered() -> None:
    action = OPTIONS["connectivity"]["--format"]
    assert list(dict.fromkeys(listed_in(action.help, set(FORMATS)))) == list(FORMATS)
    assert action.default is None  # with and without tests of edges they differ; the help says how


@pytest.mark.parametrize("command", [command for command in OPTIONS if "--preset" in OPTIONS[command]])
def test_presets_are_those_registered(command: str) -> None:
    action = OPTIONS[command]["--preset"]
    assert choices_of(action) == list(PRESETS)
    assert action.default in PRESETS
    assert set(PRESETS) <= names_in(action.help)


def test_presets_are_asked_for_by_four_commands() -> None:
    assert sum("--preset" in options for options in OPTIONS.values()) == 4


def test_methods_of_the_recovery_are_models_and_estimators() -> None:
    options = OPTIONS["benchmark connectivity"]
    text = (options["--methods"].help or "").partition(":")[2]
    named = re.findall(r"[\w-]+", text)
    assert set(named) <= ESTIMATORS.keys() | MODELS.keys()
    assert set(named) == set(ESTIMATORS)
    assert options["--populations"].default in SIMULATIONS


def test_models_of_a_sweep_are_models() -> None:
    said = re.search(
        r"of a sweep ([\w, ]+)", " ".join((OPTIONS["benchmark forecasting"]["--models"].help or "").split())
    )
    assert said is not None
    assert set(said[1].strip().split(" and ")) <= set(MODELS)


def test_readme_mentions_each_model() -> None:
    paragraph = README[README.index("Models (`--model`)") :].partition("\n\n")[0]
    assert set(MODELS) <= set(re.findall(r"`([\w-]+)`", paragraph))


def test_every_option_has_a_help_text() -> None:
    for command, options in OPTIONS.items():
        for name, action in options.items():
            assert action.help, f"{command} {name}"


@pytest.mark.parametrize("command", list(PARSERS))
def test_help_is_printed(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*command.split(), "--help"])
    assert not ended.value.code
    told = capsys.readouterr().out
    assert all(name in told for name in OPTIONS[command] if name.startswith("--"))
