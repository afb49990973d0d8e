"""The mean Jacobian against finite differences, for every model by listing it once."""

import pytest
import torch
from helpers import SMALL, make_session, suited_to, two_neuron_chain

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.data.windows import windows_of
from synapsnet_pyg.models.jacobian import mean_jacobian
from synapsnet_pyg.models.registry import MODELS, build_model
from synapsnet_pyg.models.synapsnet import SynapsNet
from synapsnet_pyg.nn.common_drive import CommonDrive

N = 4


def fitted(name: str, session: Session):
    model = build_model(name, [session], SMALL.get(name))
    split = session.split(0.5, 0.25, 0.25)
    model.initialise({session.name: split.train}, {session.name: split.validation})
    return model.double().eval()


def double_session(model: str = "synapsnet") -> Session:
    session = suited_to(model, make_session(N=N, T=60)).standardise()
    session.activity, session.behaviour = session.activity.double(), session.behaviour.double()
    return session


@pytest.mark.parametrize("name", sorted(MODELS))
def test_equals_finite_differences(name):
    session = double_session(name)
    model = fitted(name, session)
    windows = windows_of(session, model.window)[0]
    window = windows.gather(torch.arange(len(windows)))
    expected = torch.zeros(N, N, dtype=torch.float64)
    for j in range(N):
        step = torch.zeros_like(window.activity)
        step[:, j, -1] = 1e-4
        up, down = (model(window._replace(activity=window.activity + s)).activity[..., 0] for s in (step, -step))
        expected[:, j] = (up - down).mean(0) / 2e-4
    found = mean_jacobian(model, session, model.window, batch_size=17, rows=3)
    torch.testing.assert_close(found, expected, atol=2e-5, rtol=1e-3)


def test_synapsnet_without_common_drive_tells_its_own_jacobian():
    session = double_session()
    model = SynapsNet([session]).double().eval()
    told, effect = model.connectivity(session), mean_jacobian(model, session, model.window)
    off = ~torch.eye(N, dtype=torch.bool)
    torch.testing.assert_close(told[off], effect[off])


def test_common_drive_is_no_connectivity():
    """What all neurons hear of the population is an effect on the forecast, but not one of an edge."""
    session = double_session()
    model = SynapsNet([session]).double().eval()
    before = model.connectivity(session)
    drive = model.graphs[0].common_drive
    assert isinstance(drive, CommonDrive)
    with torch.no_grad():
        drive.receivers[:, 0], drive.senders[0] = 0.1, 0.1
        model.dynamics.readout.weight.zero_()  # the linear path alone: its gain does not depend on the drive
    without = model.gain(session)[:, None] * model.raw_connectivity(session)
    torch.testing.assert_close(model.connectivity(session), without)
    effect = mean_jacobian(model, session, model.window)
    torch.testing.assert_close(effect.fill_diagonal_(0), (without + 0.01).fill_diagonal_(0))
    assert before.shape == without.shape


def test_a_subset_of_windows_and_training_mode_stay_as_they_were():
    session = double_session()
    model = fitted("gru", session).train()
    torch.testing.assert_close(
        mean_jacobian(model, session, model.window, max_windows=7),
        mean_jacobian(model, session, model.window, max_windows=7, batch_size=2, rows=1),
    )
    assert model.training


# What NeuPRINT hears of the others is no pair; the rest look at each neuron alone.
WITHOUT_PAIRS = {
    "neuprint",
    "mean",
    "copy",
    "psth",
    "damped_copy",
    "ar5",
    "linear",
    "nlinear",
    "dlinear",
    "mlp",
    "tide",
}


@pytest.mark.parametrize("name", sorted(MODELS.keys() - WITHOUT_PAIRS))
def test_orientation_on_a_two_neuron_chain(name):
    """Every model that learns from other neurons finds that the first drives the second."""
    session = suited_to(name, two_neuron_chain()).standardise()
    split = session.split()
    small = ("generator_size", "encoder_size", "controller_size", "num_factors", "num_inputs")
    model = build_model(name, [session], dict.fromkeys(small, 16) if name == "lfads" else SMALL.get(name))
    model.initialise({session.name: split.train}, {session.name: split.validation})
    windows = windows_of(split.train, model.window)[0]
    learned = list(model.parameters())
    optimiser = torch.optim.Adam(learned, lr=1e-2) if learned else None
    for step in range((120 if name in ("amag", "era_mlp", "lfads", "netformer", "poco") else 30) if optimiser else 0):
        window = windows.gather(torch.arange(64 * step, 64 * (step + 1)) % len(windows))
        optimiser.zero_grad()
        model.loss(model(window), window).backward()
        optimiser.step()
    connectivity = model.connectivity(split.train)
    assert connectivity[1, 0] > 0.3
    assert connectivity[1, 0] > 2 * connectivity[0, 1].abs()


def test_needs_a_window():
    session = make_session(N=3, T=4)
    with pytest.raises(ValueError, match="more than 5 bins"):
        mean_jacobian(SynapsNet([session]), session, 5)
