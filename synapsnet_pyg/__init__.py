"""SynapsNet on PyTorch Geometric: forecast a recorded population and learn who drives whom."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from synapsnet_pyg.analysis.perturbation import perturb as perturb
    from synapsnet_pyg.analysis.significance import edge_significance as edge_significance
    from synapsnet_pyg.connectivity.registry import estimate as estimate
    from synapsnet_pyg.datasets.allen_neuropixels import AllenNeuropixels as AllenNeuropixels
    from synapsnet_pyg.datasets.bugeon import Bugeon as Bugeon
    from synapsnet_pyg.datasets.nwb import NWBRecording as NWBRecording
    from synapsnet_pyg.datasets.simulated import SimulatedPopulation as SimulatedPopulation
    from synapsnet_pyg.datasets.simulated_calcium import SimulatedCalcium as SimulatedCalcium
    from synapsnet_pyg.datasets.simulated_neuropixels import SimulatedNeuropixels as SimulatedNeuropixels
    from synapsnet_pyg.datasets.suite2p import Suite2p as Suite2p
    from synapsnet_pyg.evaluation import evaluate as evaluate
    from synapsnet_pyg.export import read_connectivity as read_connectivity
    from synapsnet_pyg.export import save_connectivity as save_connectivity
    from synapsnet_pyg.export import to_networkx as to_networkx
    from synapsnet_pyg.export import to_pandas as to_pandas
    from synapsnet_pyg.fitting import fit_files as fit_files
    from synapsnet_pyg.models.amag import AMAG as AMAG
    from synapsnet_pyg.models.forecaster import forecast_session as forecast_session
    from synapsnet_pyg.models.gwnet import GWNet as GWNet
    from synapsnet_pyg.models.lfads import LFADS as LFADS
    from synapsnet_pyg.models.netformer import NetFormer as NetFormer
    from synapsnet_pyg.models.neuprint import NeuPRINT as NeuPRINT
    from synapsnet_pyg.models.population_rnn import PopulationRNN as PopulationRNN
    from synapsnet_pyg.models.registry import build_model as build_model
    from synapsnet_pyg.models.synapsnet import SynapsNet as SynapsNet
    from synapsnet_pyg.report.write import write_report as write_report
    from synapsnet_pyg.run import Run as Run
    from synapsnet_pyg.session import Session as Session
    from synapsnet_pyg.training import fit as fit
    from synapsnet_pyg.windows import cut as cut

__version__ = "0.1.0"

# Where each public name lives.
_HOME = {
    "AMAG": "models.amag",
    "AllenNeuropixels": "datasets.allen_neuropixels",
    "Bugeon": "datasets.bugeon",
    "DynamicConnectivity": "analysis.dynamic_connectivity",
    "GWNet": "models.gwnet",
    "LFADS": "models.lfads",
    "NWBRecording": "datasets.nwb",
    "NetFormer": "models.netformer",
    "NeuPRINT": "models.neuprint",
    "PopulationRNN": "models.population_rnn",
    "Run": "run",
    "Session": "session",
    "SimulatedCalcium": "datasets.simulated_calcium",
    "SimulatedNeuropixels": "datasets.simulated_neuropixels",
    "SimulatedPopulation": "datasets.simulated",
    "Suite2p": "datasets.suite2p",
    "SynapsNet": "models.synapsnet",
    "build_model": "models.registry",
    "cut": "windows",
    "edge_significance": "analysis.significance",
    "estimate": "connectivity.registry",
    "evaluate": "evaluation",
    "fit": "training",
    "fit_files": "fitting",
    "forecast_session": "models.forecaster",
    "perturb": "analysis.perturbation",
    "read_connectivity": "export",
    "save_connectivity": "export",
    "state_blocks": "analysis.states",
    "states_of": "analysis.states",
    "to_networkx": "export",
    "to_pandas": "export",
    "write_report": "report.write",
}

__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    # Found when asked for: torch and PyG take seconds to import, which 'synapsnet --help' must not pay.
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
