import pytest
import torch
from helpers import make_session

from synapsnet_pyg.analysis.perturbation import perturb
from synapsnet_pyg.analysis.perturbation_intervals import effect_intervals
from synapsnet_pyg.analysis.perturbation_kinds import Drive, RemoveEdge, RemoveEdges, Silence
from synapsnet_pyg.analysis.significance import edge_significance
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.models.linear import VectorAutoregression
from synapsnet_pyg.models.synapsnet import SynapsNet

C = torch.tensor([[0.5, 0.3, 0.0, 0.0], [0.0, 0.4, -0.3, 0.0], [0.2, 0.0, 0.3, 0.0], [0.0, 0.0, 0.0, 0.6]])
N, H = 4, 3


def process(seed: int, T: int = 600) -> Session:
    """A linear process with Jacobian C and mean 3."""
    random = torch.Generator().manual_seed(seed)
    activity = torch.zeros(N, T)
    for t in range(1, T):
        activity[:, t] = C @ activity[:, t - 1] + torch.randn(N, generator=random)
    return Session(activity + 3, bin_size=0.1, name="linear")


def fitted(session: Session) -> VectorAutoregression:
    model = VectorAutoregression([session], 1, ridges=[1e-6])
    model.initialise({session.name: session}, {session.name: session})
    return model


def standard_errors(session: Session) -> torch.Tensor:
    """The textbook errors of least squares, [receiver, sender]."""
    x, y = session.activity[:, :-1].double(), session.activity[:, 1:].double()
    x = torch.cat([x, torch.ones_like(x[:1])])
    residual = y - torch.linalg.lstsq(x.t(), y.t()).solution.t() @ x
    variance = residual.square().sum(1) / (x.shape[1] - N - 1)
    return torch.outer(variance, torch.linalg.inv(x @ x.t()).diagonal()[:N]).sqrt()


def test_intervals_hold_the_truth_as_often_as_they_say():
    """Held stimuli and silence of a linear process with known Jacobian, fitted to 100 recordings."""
    powers = torch.stack([torch.linalg.matrix_power(C, h) for h in (1, 2, 3)]).cumsum(0)
    truth = torch.cat([powers.permute(2, 1, 0), torch.zeros(1, N, H)])
    change = torch.tensor([-3.0, 0, 0, 0])
    for h in range(H):
        truth[4, :, h] = C @ change
        change = truth[4, :, h].clone()
        change[0] = -3
    covered, rejected, seeds = torch.zeros(N + 1, N, H), torch.zeros(3, H), 100
    for seed in range(seeds):
        session = process(seed)
        perturbations = [*(Drive(j, held=True) for j in range(N)), Silence(0)]
        found = effect_intervals(
            fitted(session), session, perturbations, horizon=H, weight_errors=standard_errors(session)
        )
        covered += (found.low <= truth) & (truth <= found.high)
        rejected += found.p_value[3, :3] < 0.05
    assert (covered / seeds).mean((0, 1)).tolist() == pytest.approx([0.95] * H, abs=0.02)
    assert (covered[4, 1:] / seeds).mean().item() == pytest.approx(0.95, abs=0.05)
    assert (rejected / seeds).mean(0).tolist() == pytest.approx([0.05] * H, abs=0.03)


def test_errors_of_the_significance_test_are_a_little_wider():
    session = process(0)
    error = edge_significance(session, resamples=10).error
    ratio = (error / standard_errors(session))[~torch.eye(N, dtype=torch.bool)]
    assert 1 <= float(ratio.min()) <= float(ratio.max()) < 2


def test_error_of_the_starting_states_is_that_of_blocks():
    session = process(1, T=201)
    model = fitted(session)
    found = effect_intervals(model, session, [Silence(2)], blocks=10, max_windows=1000)
    difference = model.connectivity(session)[:, 2:3] * (0 - session.activity[2, :-1])
    means = difference.reshape(N, 10, 20).mean(2)
    torch.testing.assert_close(found.state_error[0, :, 0], (means.std(1) / 10**0.5).double(), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(found.effect[0], perturb(model, session, Silence(2), max_windows=1000).effect)
    assert found.p_value.isnan().all()
    assert torch.equal(found.error, found.state_error)
    slow = Session(session.activity.cumsum(1) / 9, bin_size=0.1, name="linear")  # states that last
    model = fitted(slow)
    assert float(effect_intervals(model, slow, [Silence(2)]).error[0, 3]) > 2 * float(
        perturb(model, slow, Silence(2)).error[3]
    )


def test_error_of_the_weights_is_that_of_changed_weights():
    """To first order, in a linear model: the effect is differentiated by every weight."""
    session = process(2)
    model, errors = fitted(session), 0.1 * torch.rand(N, N)
    found = effect_intervals(model, session, [Drive(1, amount=2.0)], horizon=H, weight_errors=errors)

    def effect(weights: torch.Tensor) -> torch.Tensor:
        state, steps = torch.tensor([0, 2.0, 0, 0], dtype=torch.float64), []
        for _ in range(H):
            state = weights @ state
            steps.append(state)
        return torch.stack(steps, 1)

    slopes = torch.autograd.functional.jacobian(effect, model.connectivity(session).double())
    expected = (slopes * errors.double()).square().sum((2, 3)).sqrt()
    torch.testing.assert_close(found.weight_error[0], expected, rtol=1e-4, atol=1e-6)
    errors[0, 0] = torch.nan  # an unknown error is about that of the other senders
    unknown = effect_intervals(model, session, [Drive(1)], weight_errors=errors)
    assert unknown.error.isfinite().all()


def test_removed_edges_have_the_error_of_their_weights():
    session = Session(3 + make_session().activity, bin_size=0.1, name="demo").standardise()
    torch.manual_seed(0)
    model = SynapsNet([session])
    model.initialise({"demo": session}, {"demo": session})
    errors = torch.full((5, 5), 0.1)
    mask = torch.zeros(5, 5)
    mask[3, 1] = 1
    one, many = effect_intervals(
        model, session, [RemoveEdge(1, receiver=3), RemoveEdges(mask)], weight_errors=errors
    ).weight_error[:, :, 0]
    assert torch.equal(one, many)
    assert one.tolist() == pytest.approx([0, 0, 0, 0.1 * 3 / float(session.activity_scale[1]), 0], abs=0.02)


def test_several_seeds_add_their_variance():
    session = process(3)
    models = [fitted(process(seed)) for seed in (3, 4, 5)]
    single = [effect_intervals(model, session, [Drive(0)], horizon=2) for model in models]
    found = effect_intervals(models, session, [Drive(0)], horizon=2)
    effects = torch.stack([one.effect for one in single])
    torch.testing.assert_close(found.effect, effects.mean(0))
    torch.testing.assert_close(found.seed_deviation, effects.std(0))
    torch.testing.assert_close(found.error, (found.seed_deviation.square() + found.state_error.square()).sqrt())


def test_counts_are_fed_back_as_poisson_counts():
    """A model that doubles the newest bin: the mean is the same, its values vary as counts do."""
    session = Session(torch.full((2, 4000), 0.5), bin_size=0.1)
    model = VectorAutoregression([session], 1)
    model.initialise({"session": session}, {"session": session})
    with torch.no_grad():
        model.coefficients_0.copy_(2 * torch.eye(2))
        model.intercept_0.zero_()
    plain, counts = (
        perturb(model, session, Drive(0, 0.25), horizon=2, max_windows=4000, counts=drawn) for drawn in (False, True)
    )
    assert plain.effect[0].tolist() == pytest.approx([0.5, 1.0])
    assert float(plain.error.abs().max()) < 1e-6
    assert counts.effect[0].tolist() == pytest.approx([0.5, 1.0], abs=0.06)
    # The difference of two counts that share their random numbers is 0 or 1 here, times the weight 2.
    assert float(counts.error[0, 1]) * 3999**0.5 == pytest.approx(2 * (0.5 * 0.5) ** 0.5, rel=0.1)
    assert bool((counts.effect[1] == 0).all())
    with_interval = effect_intervals(model, session, [Drive(0, 0.25)], horizon=2, max_windows=4000, counts=True)
    torch.testing.assert_close(with_interval.effect[0], counts.effect)


def test_table_has_the_unit_of_the_recording():
    session = process(6).standardise()
    session.neuron_id = ["a", "b", "c", "d"]
    model = fitted(session)
    perturbations = [Drive(1), Silence(0)]
    found = effect_intervals(model, session, perturbations, horizon=2, weight_errors=torch.full((N, N), 0.05))
    table = found.table(session, perturbations)
    assert table["perturbation"].tolist() == ["stimulate"] * 6 + ["silence"] * 6
    assert table["source"].tolist() == ["b"] * 6 + ["a"] * 6
    assert table["target"].tolist() == ["a", "a", "c", "c", "d", "d", "b", "b", "c", "c", "d", "d"]
    assert table["seconds"].tolist() == pytest.approx([0.1, 0.2] * 6)
    assert table["effect"].tolist()[:2] == found.effect[0, 0].tolist()
    scale = float(session.activity_scale[2])
    assert table["recorded_high"][2] == pytest.approx(float(found.high[0, 2, 0]) * scale)
    assert table["q_value"].tolist() == pytest.approx(
        [*found.q_value[0, [0, 2, 3]].flatten().tolist(), *found.q_value[1, [1, 2, 3]].flatten().tolist()]
    )
    assert found.q_value[0, 1].isnan().all()


def test_refuses_wrong_numbers():
    session = process(7)
    model = fitted(session)
    with pytest.raises(ValueError, match="at least 2 blocks"):
        effect_intervals(model, session, [Drive(0)], blocks=1)
    with pytest.raises(ValueError, match="level between 0 and 1"):
        effect_intervals(model, session, [Drive(0)], level=1.0)
    with pytest.raises(ValueError, match=r"errors of the weights \[4, 4\] \(got \[3, 4\]\)"):
        effect_intervals(model, session, [Drive(0)], weight_errors=torch.ones(3, 4))
    with pytest.raises(ValueError, match="at least 2 starting windows"):
        effect_intervals(model, session, [Drive(0)], max_windows=1)
    with pytest.raises(ValueError, match="horizon of at least 1"):
        effect_intervals(model, session, [Drive(0)], horizon=0)
