from .analysis.dynamic_connectivity import DynamicConnectivity as DynamicConnectivity
from .analysis.perturbation import perturb as perturb
from .analysis.significance import edge_significance as edge_significance
from .analysis.states import state_blocks as state_blocks
from .analysis.states import states_of as states_of
from .connectivity.registry import estimate as estimate
from .datasets.allen_neuropixels import AllenNeuropixels as AllenNeuropixels
from .datasets.bugeon import Bugeon as Bugeon
from .datasets.nwb import NWBRecording as NWBRecording
from .datasets.simulated import SimulatedPopulation as SimulatedPopulation
from .datasets.simulated_calcium import SimulatedCalcium as SimulatedCalcium
from .datasets.simulated_neuropixels import SimulatedNeuropixels as SimulatedNeuropixels
from .datasets.suite2p import Suite2p as Suite2p
from .evaluation import evaluate as evaluate
from .export import read_connectivity as read_connectivity
from .export import save_connectivity as save_connectivity
from .export import to_networkx as to_networkx
from .export import to_pandas as to_pandas
from .fitting import fit_files as fit_files
from .models.amag import AMAG as AMAG
from .models.forecaster import forecast_session as forecast_session
from .models.gwnet import GWNet as GWNet
from .models.lfads import LFADS as LFADS
from .models.netformer import NetFormer as NetFormer
from .models.neuprint import NeuPRINT as NeuPRINT
from .models.population_rnn import PopulationRNN as PopulationRNN
from .models.registry import build_model as build_model
from .models.synapsnet import SynapsNet as SynapsNet
from .report.write import write_report as write_report
from .run import Run as Run
from .session import Session as Session
from .training import fit as fit
from .windows import cut as cut

__version__: str
__all__: list[str]
