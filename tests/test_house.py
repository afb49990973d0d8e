"""Rules of the package that the source shows: sizes of files, docstrings, calls and tests."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "synapsnet_pyg"
FILES = sorted(PACKAGE.rglob("*.py"))
TREES = {path.relative_to(PACKAGE).as_posix(): ast.parse(path.read_text()) for path in FILES}

Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef

FRAGMENTS = ("What", "Of", "As", "That", "Its", "Whether", "How", "Which", "Those", "And", "Only", "All", "The same")
"""Words with which no docstring begins: a sentence has a subject or a verb."""

MANY_POSITIONAL = 5
"""Largest number of positional arguments of a call; further ones are named."""

VARIADIC = ("Progress", "ctx.save_for_backward")
"""Functions of other packages that take any number of arguments, which have no names."""

TESTED_ELSEWHERE = {
    **dict.fromkeys(
        ("benchmarks/forecast_figures.py", "benchmarks/forecast_results.py", "benchmarks/variants.py"),
        "benchmarks/test_forecasting.py, parts of one benchmark",
    ),
    **dict.fromkeys(
        ("benchmarks/edge_calls.py", "benchmarks/recovery_results.py"),
        "benchmarks/test_recovery.py, parts of one benchmark",
    ),
    "analysis/edge_evidence.py": "analysis/test_significance.py, whose statistics it is for",
    "benchmarks/horizon_figures.py": "benchmarks/test_horizon_results.py, with the results that it shows",
    "data/innovations.py": "analysis/test_significance.py and models/test_synapsnet.py",
    **dict.fromkeys(
        (
            "cli/__main__.py",
            "cli/arguments.py",
            "cli/benchmarks.py",
            "cli/comparison.py",
            "cli/data.py",
            "cli/experiments.py",
            "cli/groups.py",
            "cli/intake.py",
            "cli/main.py",
            "cli/runs.py",
        ),
        "cli/test_cli.py and test_golden.py, as commands",
    ),
    **dict.fromkeys(
        (
            "data/conversions.py",
            "data/session_checks.py",
            "data/session_file.py",
            "data/session_info.py",
            "data/session_sources.py",
            "data/session_split.py",
            "data/standardisation.py",
        ),
        "data/test_session.py, parts of a session",
    ),
    **dict.fromkeys(
        (
            "readers/array_activity.py",
            "readers/array_behaviours.py",
            "readers/array_entry.py",
            "readers/array_keys.py",
            "readers/array_neurons.py",
        ),
        "readers/test_arrays.py, parts of a reader",
    ),
    **dict.fromkeys(
        ("readers/array_survey.py", "readers/spike_proposal.py", "readers/trace_proposal.py"),
        "readers/test_proposal.py, parts of a proposal",
    ),
    "regression/bin_pairs.py": "regression/test_least_squares.py, inputs of its sums",
    "analysis/block_differences.py": "analysis/test_comparison.py, part of one test",
    **dict.fromkeys(
        (
            "readers/nwb_contents.py",
            "readers/nwb_description.py",
            "readers/nwb_tables.py",
            "readers/nwb_traces.py",
            "readers/nwb_units.py",
        ),
        "readers/test_nwb.py, parts of a reader",
    ),
    "datasets/allen_files.py": "datasets/test_allen_neuropixels.py, part of a data set",
    "readers/nwb_remote.py": "readers/test_nwb_groups.py, part of the access to files",
    "datasets/simulated.py": "simulations/test_population.py, beside the simulation",
    "datasets/task_networks.py": "simulations/test_task_networks.py, beside the simulation",
    **dict.fromkeys(
        ("intake/chosen_time.py", "intake/joined_frames.py"), "intake/test_binning.py, steps of one function"
    ),
    "datasets/nwb.py": "readers/test_nwb.py, with its reader",
    "datasets/suite2p.py": "readers/test_suite2p.py, with its reader",
    "intake/notes.py": "nowhere, one warning",
    "analysis/perturbation_kinds.py": "analysis/test_perturbation.py, parts of a perturbation",
    "experiments/stdp.py": "test_golden.py, as a command",
    "models/baselines.py": "models/test_forecaster.py, the contract of all models",
    "models/checkpoint.py": "models/test_forecaster.py, the contract of all models",
    "models/synapsnet_start.py": "models/test_synapsnet.py, the start of that model",
    "models/forecasting.py": "models/test_forecaster.py, the contract of all models",
    "nn/clipped_gru.py": "models/test_lfads.py, in its model",
    "nn/graph_wavenet.py": "models/test_gwnet.py, in its model",
    **dict.fromkeys(("nn/gru.py", "nn/fused_gru.py"), "nn/test_dynamics.py, with the dynamics that use them"),
    "nn/neuron_attention.py": "models/test_netformer.py, in its model",
    "nn/transformer.py": "nn/test_dynamics.py and models/test_neuprint.py",
    "plots/perturbation.py": "results/test_perturbation.py, as a figure of results",
    "plots/style.py": "nowhere, constants only",
    **dict.fromkeys(
        ("report/connectivity_sections.py", "report/forecast_sections.py", "report/run_sections.py"),
        "report/test_sections.py, parts of the page",
    ),
    **dict.fromkeys(
        ("report/connectivity_analysis.py", "report/page.py", "report/pages.py"),
        "report/test_report.py, parts of a page",
    ),
    "runs/in_memory.py": "test_golden.py and test_examples.py, in experiments",
    "runs/model_card.py": "runs/test_sharing.py, with the folder that it describes",
    "runs/processes.py": "runs/test_distributed.py, in fits of two processes",
    "runs/run_folder.py": "runs/test_run.py, with the runs whose folders they are",
    "runs/progress.py": "runs/test_training.py, in a fit",
    "runs/score_tables.py": "runs/test_evaluation.py, with the scores",
    "runs/scores.py": "runs/test_evaluation.py, with the scores",
    "simulations/calcium.py": "simulations/test_population.py, with the other populations",
    **dict.fromkeys(
        ("simulations/bursts.py", "simulations/drift.py", "simulations/oscillation.py", "simulations/slow_drives.py"),
        "simulations/test_driven_population.py, with the population that they share",
    ),
    **dict.fromkeys(
        ("simulations/recorded.py", "simulations/responses.py"),
        "simulations/test_spiking_network.py, parts of every world of the zoo",
    ),
    "simulations/neuropixels.py": "simulations/test_population.py, with the other populations",
}
"""Package file without a test file of its name -> where it is tested, and why there."""


def public(tree: ast.Module) -> Iterator[tuple[str, Documented]]:
    """Yields a module and its public classes, functions and methods, by name."""
    yield "module", tree
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("_"):
            yield node.name, node
            if isinstance(node, ast.ClassDef):
                for inner in node.body:
                    if isinstance(inner, ast.FunctionDef) and not inner.name.startswith("_"):
                        yield f"{node.name}.{inner.name}", inner


def documented() -> Iterator[tuple[str, str | None]]:
    """Yields the place and the docstring of everything public."""
    for file, tree in TREES.items():
        for name, node in public(tree):
            yield f"{file}: {name}", ast.get_docstring(node)


def calls() -> Iterator[tuple[str, ast.Call]]:
    """Yields every call and its place."""
    for file, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                yield f"{file}:{node.lineno}", node


def test_numbers_that_travel_together_are_a_noun() -> None:
    places = [
        f"{file}:{node.lineno}"
        for file, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Subscript) and ast.unparse(node) == "dict[str, Any]"
    ]
    assert len(places) < 25, places


def test_no_file_is_long() -> None:
    lengths = {file: len((PACKAGE / file).read_text().splitlines()) for file in TREES}
    assert not {file: length for file, length in lengths.items() if length > 400}


def test_few_modules_stand_beside_the_rooms() -> None:
    assert {file for file in TREES if "/" not in file} <= {"__init__.py", "metrics.py", "progress.py"}


def test_everything_public_has_a_docstring() -> None:
    assert not [place for place, text in documented() if not text]


@pytest.mark.parametrize("word", FRAGMENTS)
def test_no_docstring_begins_as_a_fragment(word: str) -> None:
    places = [place for place, text in documented() if text and text.startswith((f"{word} ", f"{word}:", f"{word},"))]
    assert not places


def test_calls_name_their_arguments() -> None:
    named = [(place, call) for place, call in calls() if ast.unparse(call.func) not in VARIADIC]
    places = [place for place, call in named if len(call.args) > MANY_POSITIONAL]
    assert not places


def test_every_file_has_a_test_of_its_name_or_stands_in_the_list() -> None:
    tests = {path.relative_to(ROOT / "tests").as_posix() for path in (ROOT / "tests").rglob("test_*.py")}
    untested = {
        file
        for file in TREES
        if not file.endswith("__init__.py") and str(Path(file).with_name(f"test_{Path(file).name}")) not in tests
    }
    assert untested <= TESTED_ELSEWHERE.keys()
    assert TESTED_ELSEWHERE.keys() <= TREES.keys(), "Expected files of the package in the list alone."
