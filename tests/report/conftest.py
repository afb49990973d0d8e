from collections.abc import Callable

import pytest
import torch

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.models.registry import build_model
from synapsnet_pyg.report.connectivity_analysis import analyse_connectivity
from synapsnet_pyg.report.forecast_results import forecast_results
from synapsnet_pyg.runs.evaluation import Evaluation, NeuronCounts
from synapsnet_pyg.runs.horizon_evaluation import evaluate_horizons
from synapsnet_pyg.runs.recipe import Preset
from synapsnet_pyg.runs.run import Run
from synapsnet_pyg.simulations.population import simulate_population


def known_session() -> Session:
    """Returns a session with every field of neurons, some of them hard to show."""
    simulated = simulate_population(600, neurons=30, recorded=11, name="known <b>")
    ids = ["<script>alert(1)</script>", "$x_", "12", "a & b", *simulated.neuron_id[4:]]
    position = torch.randn(11, 3)
    position[4] = torch.nan
    return Session(
        simulated.activity,
        simulated.behaviour,
        bin_size=simulated.bin_size,
        neuron_id=ids,
        name=simulated.name,
        edge_index=simulated.edge_index,
        edge_weight=simulated.edge_weight,
        area=["V1", "LM", "V1", "LM", "", "V1", "LM", "V1", "LM", "V1", "$L$"],
        position=position,
    )


@pytest.fixture(scope="session")
def run(tmp_path_factory) -> Run:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("report")
    known_session().save(folder / "known.h5")
    recipe = Preset("fast", {"epochs": 2})
    return Run.fit([folder / "known.h5"], folder / "run", arguments={"hidden_size": 8}, recipe=recipe, progress=False)


@pytest.fixture(scope="session")
def no_scores() -> Evaluation:
    """Returns the scores of a run that was not evaluated."""
    return Evaluation({"known <b>": {}}, {}, {"known <b>": NeuronCounts(0, 0, 0, 0)}, [])


@pytest.fixture(scope="session")
def results(run, no_scores):
    return forecast_results(run, "known <b>", no_scores, evaluate_horizons(run, 4))


@pytest.fixture(scope="session")
def analysis(run):
    return analyse_connectivity(run, "known <b>")


@pytest.fixture(scope="session")
def fit_in_memory() -> Callable[[str, Session], Run]:
    """Returns a function that fits a closed-form model without a folder."""

    def fit(name: str, session: Session) -> Run:
        model, split = build_model(name, [session]), session.split()
        model.initialise({session.name: split.train}, {session.name: split.validation})
        return Run.of(model, [session])

    return fit


@pytest.fixture(scope="session")
def full_titles() -> tuple[str, ...]:
    """Returns the titles of all sections, of the run and of a session that has everything."""
    return (
        "Recordings and fit",
        "Training",
        "Scores beside simple forecasts",
        "Forecasts",
        "Forecasts further ahead",
        "Significant edges",
        "Connectivity",
        "Graph",
        "Input currents",
        "Weights by area",
        "Signs of neurons",
        "Weight against distance",
        "Hubs and reciprocity",
    )
