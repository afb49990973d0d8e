import numpy as np
import pytest
import torch
from helpers import make_session, suited_to

from synapsnet_pyg.analysis.perturbation import effect_matrix, effect_table, perturb
from synapsnet_pyg.analysis.perturbation_kinds import Drive, DrivePattern, RemoveEdge, RemoveEdges, Silence
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.data.windows import windows_of
from synapsnet_pyg.models.linear import VectorAutoregression
from synapsnet_pyg.models.registry import MODELS, build_model
from synapsnet_pyg.models.synapsnet import SynapsNet
from synapsnet_pyg.runs.recipe import Recipe
from synapsnet_pyg.runs.training import fit
from synapsnet_pyg.simulations.population import (
    run_population,
    simulate_population,
    true_effect,
    true_effect_of_removal,
)


def linear(session: Session) -> VectorAutoregression:
    model = VectorAutoregression([session], 1, ridges=[1.0])
    model.initialise({session.name: session}, {session.name: session})
    return model


def precise_session() -> Session:
    one = make_session(N=5, T=90)
    return Session(2 + one.activity.double(), one.behaviour.double(), bin_size=0.1, name="demo").standardise()


def small_synapsnet(session: Session, **arguments) -> SynapsNet:
    torch.manual_seed(1)
    return SynapsNet([session], embedding_dim=3, hidden_size=6, initial_scale=2.0, linear_path=False, **arguments)


def test_pulse_travels_through_a_linear_model_by_powers_of_its_connectivity():
    session = precise_session()
    model = linear(session)
    C = model.connectivity(session)
    pulse = perturb(model, session, Drive(3, amount=0.7), horizon=4)
    held = perturb(model, session, Drive(3, amount=0.7, held=True), horizon=4)
    powers = torch.stack([torch.linalg.matrix_power(C, h)[:, 3] for h in (1, 2, 3, 4)], 1)
    torch.testing.assert_close(pulse.effect, 0.7 * powers, rtol=0, atol=1e-12)
    torch.testing.assert_close(held.effect, 0.7 * powers.cumsum(1), rtol=0, atol=1e-12)
    assert pulse.error.max() < 1e-7
    matrix = effect_matrix(model, session, lambda neuron: Drive(neuron, amount=0.7))
    torch.testing.assert_close(matrix, 0.7 * C, rtol=0, atol=1e-12)
    second = effect_matrix(model, session, step=2)
    torch.testing.assert_close(second, C @ C, rtol=0, atol=1e-12)


@pytest.mark.parametrize("value", [None, 1.5])
def test_silence_holds_the_neuron(value):
    """In a linear model: what it would have sent is replaced in the newest bin, then in every forecast."""
    session = precise_session()
    model = linear(session)
    C, level = model.connectivity(session), value
    if value is None:
        level = float(-session.activity_mean[2] / session.activity_scale[2])
        raw = level * session.activity_scale[2] + session.activity_mean[2]
        assert float(raw) == pytest.approx(0, abs=1e-12)
    silenced = perturb(model, session, Silence(2, value), horizon=2, max_windows=1000)
    change = level - session.activity[2, :-1]
    assert float(silenced.effect[4, 0]) == pytest.approx(float(C[4, 2] * change.mean()))
    expected_error = float(C[4, 2].abs() * change.std() / len(change) ** 0.5)
    assert float(silenced.error[4, 0]) == pytest.approx(expected_error)
    unperturbed = C[2] @ session.activity[:, :-1] + model.intercept_0[2]
    unperturbed = unperturbed + model.coefficients_0[2, 5:] @ session.behaviour[:-1].t()
    others = [i for i in range(5) if i != 2]
    second = C[4, others] @ C[others, 2] * change + C[4, 2] * (level - unperturbed)
    assert float(silenced.effect[4, 1]) == pytest.approx(float(second.mean()))


def test_windows_are_spread_evenly_and_batches_change_nothing():
    session = precise_session()
    model = linear(session)
    few = perturb(model, session, Silence(0), max_windows=3)
    newest = session.activity[0, [0, 44, 88]]  # of the windows of one bin that have a next
    level = -session.activity_mean[0] / session.activity_scale[0]
    assert float(few.effect[1, 0]) == pytest.approx(
        float(model.connectivity(session)[1, 0] * (level - newest).mean()), rel=1e-9
    )
    one, many = (perturb(model, session, Silence(0), horizon=2, batch_size=size) for size in (7, 64))
    torch.testing.assert_close(one.effect, many.effect)
    torch.testing.assert_close(one.error, many.error)
    assert perturb(model, session, Drive(0), max_windows=1).error.isnan().all()


@pytest.mark.parametrize("edges", [None, torch.tensor([[0, 1, 1, 4], [1, 0, 3, 2]])])
def test_small_pulse_measures_the_connectivity_of_synapsnet(edges):
    session = make_session()
    model = small_synapsnet(session, edge_index=None if edges is None else {"demo": edges}).train()
    matrix = effect_matrix(model, session, lambda neuron: Drive(neuron, amount=0.01), max_windows=1000) / 0.01
    connectivity = model.connectivity(session)
    others = ~torch.eye(5, dtype=torch.bool)
    assert float(connectivity[others].abs().max()) > 0.02
    torch.testing.assert_close(matrix[others], connectivity[others], rtol=0.02, atol=2e-4)
    assert model.training


@pytest.mark.parametrize("edges", [None, torch.tensor([[0, 1, 1, 4], [1, 0, 3, 2]])])
def test_removed_edge_is_missed_by_its_receiver_alone(edges):
    session = make_session()
    model = small_synapsnet(session, edge_index=None if edges is None else {"demo": edges})
    before = model.raw_connectivity(session).detach().clone()
    removed = perturb(model, session, RemoveEdge(1, receiver=3), horizon=1)
    assert (removed.effect[:, 0] != 0).tolist() == [False, False, False, True, False]
    assert torch.equal(model.raw_connectivity(session), before)
    windows = windows_of(session, 5)[0].gather(torch.arange(115))
    weight = model.graphs[0].functional_connectivity.weight
    with torch.no_grad():
        plain = model.eval()(windows).activity
        weight[weight == before[3, 1]] = 0
        expected = (model(windows).activity - plain)[:, 3, 0].mean()
    assert float(removed.effect[3, 0]) == pytest.approx(float(expected), abs=1e-6)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_every_forecaster_can_be_perturbed(name):
    session = suited_to(name, make_session(N=6, T=120 if name == "lds" else 90)).standardise()
    model = build_model(name, [session])
    split = session.split()
    model.initialise({"demo": split.train}, {"demo": split.validation})
    result = perturb(model, session, Drive(2), horizon=2, max_windows=5)
    assert result.effect.shape == result.error.shape == (6, 2)
    assert result.effect.isfinite().all()
    others = torch.arange(6) != 2
    alone = ("mean", "copy", "damped_copy", "ar5", "linear", "nlinear", "dlinear", "mlp", "tide", "psth")
    if name in alone:  # no neuron hears another
        assert bool((result.effect[others] == 0).all())
    elif name not in ("neuprint", "poco"):  # nor does POCO before training
        assert bool((result.effect[others] != 0).any())


def test_table_tells_sources_targets_and_steps():
    session = make_session(N=3, T=50, neuron_id=["a", "b", "c"])
    model = linear(session)
    table = effect_table(model, session, [Drive(1), Silence(0)], horizon=2)
    assert table["source"].tolist() == ["b"] * 4 + ["a"] * 4
    assert table["target"].tolist() == ["a", "a", "c", "c", "b", "b", "c", "c"]
    assert table["step"].tolist() == [1, 2] * 4
    driven, silenced = perturb(model, session, Drive(1), horizon=2), perturb(model, session, Silence(0), horizon=2)
    assert table["effect"].tolist() == [*driven.effect[[0, 2]].flatten(), *silenced.effect[[1, 2]].flatten()]
    assert table["error"].tolist() == [*driven.error[[0, 2]].flatten(), *silenced.error[[1, 2]].flatten()]


def test_refuses_what_cannot_be_perturbed():
    session = make_session()
    model = linear(session)
    with pytest.raises(ValueError, match=r"rows 0\.\.4 \(got 5\)"):
        perturb(model, session, Drive(5))
    with pytest.raises(ValueError, match="at least 1 starting window"):
        perturb(model, session, Drive(0), max_windows=0)
    with pytest.raises(ValueError, match="horizon of at least 1"):
        perturb(model, session, Drive(0), horizon=0)
    with pytest.raises(ValueError, match="more than 1 bins"):
        perturb(model, session.slice(0, 1), Drive(0))
    with pytest.raises(ValueError, match=r"Expected a SynapsNet .* \(got VectorAutoregression\)"):
        perturb(model, session, RemoveEdge(0, 1))
    sparse = small_synapsnet(session, edge_index={"demo": torch.tensor([[0], [1]])})
    for receiver in (0, 2, 7, -1):
        with pytest.raises(ValueError, match="choose a pair"):
            perturb(sparse, session, RemoveEdge(0, receiver))


def test_pattern_drives_all_its_neurons():
    session = precise_session()
    model = linear(session)
    C, pattern = model.connectivity(session), torch.tensor([0.5, 0.0, -1.0, 0.0, 2.0], dtype=torch.float64)
    pulse, held = (
        perturb(model, session, DrivePattern(pattern, held=held), horizon=2).effect for held in (False, True)
    )
    torch.testing.assert_close(pulse, torch.stack([C @ pattern, C @ C @ pattern], 1), rtol=0, atol=1e-12)
    torch.testing.assert_close(held - pulse, torch.stack([0 * pattern, C @ pattern], 1), rtol=0, atol=1e-12)
    single = perturb(model, session, Drive(2, amount=-0.7), horizon=2).effect
    alone = torch.zeros(5)
    alone[2] = -0.7
    torch.testing.assert_close(perturb(model, session, DrivePattern(alone), horizon=2).effect, single)
    with pytest.raises(ValueError, match=r"pattern \[5\] \(got \[4\]\)"):
        perturb(model, session, DrivePattern(torch.ones(4)))
    table = effect_table(model, session, [DrivePattern(pattern)])
    assert table["source"].tolist() == [""] * 5


@pytest.mark.parametrize("edges", [None, torch.tensor([[0, 1, 1, 4], [1, 0, 3, 2]])])
@pytest.mark.parametrize("modulation", [False, True])
def test_edges_are_removed_one_by_one_or_at_once(edges, modulation):
    session = Session(3 + make_session().activity, make_session().behaviour, bin_size=0.1, name="demo").standardise()
    arguments = {"edge_index": None if edges is None else {"demo": edges}, "modulation": modulation}
    model = small_synapsnet(session, **arguments)
    one, mask = RemoveEdge(1, receiver=3), torch.zeros(5, 5)
    mask[3, 1] = 1
    single, masked = (perturb(model, session, removal, horizon=3) for removal in (one, RemoveEdges(mask)))
    assert torch.equal(single.effect, masked.effect)
    assert float(single.effect[3].abs().min()) > 1e-3
    mask[0, 1] = 1
    both = perturb(model, session, RemoveEdges(mask), horizon=3).effect
    torch.testing.assert_close(both[3, 0], single.effect[3, 0])
    assert float(both[0, 0].abs()) > 1e-4
    # Without all its edges, a neuron sends what it sends when it is silent in the newest bin and in all bins before.
    window = windows_of(session, 5)[0].gather(torch.arange(7))
    mask = (model.raw_connectivity(session) != 0) & (torch.arange(5) == 1)
    silenced = window.activity.clone()
    silenced[:, 1] = -session.activity_mean[1] / session.activity_scale[1]
    with torch.no_grad():
        expected = model.eval()(window._replace(activity=silenced)).activity
        found = RemoveEdges(mask).model(model, session)(window).activity
    torch.testing.assert_close(found[:, [0, 2, 3, 4]], expected[:, [0, 2, 3, 4]])


def test_edge_removal_in_two_neurons_by_hand():
    """a drives b with weight 0.9 of raw activity; without the edge, b loses 0.9 times the mean of a."""
    random = torch.Generator().manual_seed(0)
    first = 2 + torch.randn(1500, generator=random)
    second = 5 + 0.9 * first.roll(1) + 0.3 * torch.randn(1500, generator=random)
    session = Session(torch.stack([first, second]), bin_size=0.1, name="chain").standardise()
    model = SynapsNet([session], window=1)
    model.initialise({"chain": session}, {"chain": session})
    with torch.no_grad():
        model.dynamics.readout.weight.zero_()  # the linear path alone
    removed = perturb(model, session, RemoveEdge(0, receiver=1), horizon=2, max_windows=10_000)
    raw = removed.effect * session.activity_scale[:, None]
    assert float(raw[1, 0]) == pytest.approx(-0.9 * 2, abs=0.06)
    assert raw[0].tolist() == pytest.approx([0, 0], abs=0.05)


def test_model_foretells_the_loss_of_half_of_the_edges(tmp_path):
    """Without the mean activity of the senders, the correlation with the truth would be about 0.3."""
    simulation = run_population(6000, 0, neurons=30, recorded=30, hidden_drive=0)
    session = simulate_population(6000, 0, neurons=30, recorded=30, hidden_drive=0).standardise()
    model = SynapsNet([session])
    fit(model, [session], tmp_path, Recipe(epochs=2, targets=16), progress=False)
    edges = (session.true_connectivity != 0) & (torch.rand(30, 30, generator=torch.Generator().manual_seed(0)) < 0.5)
    truth = true_effect_of_removal(simulation, edges, horizon=5)
    foretold = perturb(model, session, RemoveEdges(edges), horizon=5).effect * session.activity_scale[:, None]
    assert np.corrcoef(foretold.flatten(), truth.flatten())[0, 1] > 0.9
    with pytest.raises(ValueError, match=r"mask of edges \[30, 30\]"):
        true_effect_of_removal(simulation, edges[1:])


@pytest.mark.slow
@pytest.mark.parametrize("spikes", [None, 1.0])
def test_models_foretell_what_silencing_and_driving_do_to_a_simulated_population(tmp_path, spikes):
    session = simulate_population(6000, 0, neurons=40, recorded=40).standardise()
    train, validation, test = session.split()
    simulation, scale = run_population(6000, 0, neurons=40, recorded=40), session.activity_scale
    truth = torch.stack([true_effect(simulation, neuron, spikes=spikes, starts=300)[:, 0] for neuron in range(40)], 1)
    anchor, model = VectorAutoregression([session]), SynapsNet([session])
    anchor.initialise({session.name: train}, {session.name: validation})
    fit(model, [session], tmp_path, Recipe(epochs=2), progress=False)

    def perturbation(neuron):
        return Silence(neuron) if spikes is None else Drive(neuron, spikes / float(scale[neuron]))

    others = ~torch.eye(40, dtype=torch.bool)
    for forecaster in (anchor, model):
        foretold = scale[:, None] * effect_matrix(forecaster, test, perturbation)
        assert np.corrcoef(foretold[others], truth[others])[0, 1] > 0.8
