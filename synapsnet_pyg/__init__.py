"""SynapsNet on PyTorch Geometric: forecast a recorded population and learn who drives whom."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from synapsnet_pyg.datasets.allen_neuropixels import AllenNeuropixels as AllenNeuropixels
    from synapsnet_pyg.datasets.bugeon import Bugeon as Bugeon
    from synapsnet_pyg.datasets.nwb import NWBRecording as NWBRecording
    from synapsnet_pyg.datasets.simulated import SimulatedPopulation as SimulatedPopulation
    from synapsnet_pyg.datasets.simulated_calcium import SimulatedCalcium as SimulatedCalcium
    from synapsnet_pyg.datasets.simulated_neuropixels import SimulatedNeuropixels as SimulatedNeuropixels
    from synapsnet_pyg.datasets.suite2p import Suite2p as Suite2p
    from synapsnet_pyg.evaluation import evaluate as evaluate
    from synapsnet_pyg.export import to_networkx as to_networkx
    from synapsnet_pyg.fitting import fit_files as fit_files
    from synapsnet_pyg.models.amag import AMAG as AMAG
    from synapsnet_pyg.models.forecaster import forecast_session as forecast_session
    from synapsnet_pyg.models.gwnet import GWNet as GWNet
    from synapsnet_pyg.models.lfads import LFADS as LFADS
    from synapsnet_pyg.models.neuprint import NeuPRINT as NeuPRINT
    from synapsnet_pyg.models.population_rnn import PopulationRNN as PopulationRNN
    from synapsnet_pyg.models.registry import build_model as build_model
    from synapsnet_pyg.models.synapsnet import SynapsNet as SynapsNet
    from synapsnet_pyg.run import Run as Run
    from synapsnet_pyg.session import Session as Session
    from synapsnet_pyg.training import fit as fit
    from synapsnet_pyg.windows import cut as cut

__version__ = "0.1.0"

# Where each public name lives.
_HOME = {
    "AllenNeuropixels": "datasets.allen_neuropixels",
    "Bugeon": "datasets.bugeon",
    "NWBRecording": "datasets.nwb",
    "SimulatedCalcium": "datasets.simulated_calcium",
    "SimulatedNeuropixels": "datasets.simulated_neuropixels",
    "SimulatedPopulation": "datasets.simulated",
    "Suite2p": "datasets.suite2p",
    "AMAG": "models.amag",
    "GWNet": "models.gwnet",
    "LFADS": "models.lfads",
    "NeuPRINT": "models.neuprint",
    "PopulationRNN": "models.population_rnn",
    "Run": "run",
    "Session": "session",
    "SynapsNet": "models.synapsnet",
    "build_model": "models.registry",
    "cut": "windows",
    "evaluate": "evaluation",
    "fit": "training",
    "fit_files": "fitting",
    "forecast_session": "models.forecaster",
    "to_networkx": "export",
}

__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    # Found when asked for: torch and PyG take seconds to import, which 'synapsnet --help' must not pay.
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
