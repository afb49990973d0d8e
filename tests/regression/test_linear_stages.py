import math

import pytest
import torch
from helpers import make_session

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.nn.population_path import lags_of
from synapsnet_pyg.regression.linear_stages import (
    Average,
    Parts,
    graph_share,
    history_moments,
    independent_errors,
    own_history,
    population_stage,
    shared_history,
)

W, H = 4, 3


def brute_force(session: Session) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Own history [N, M, W], behaviour [M, W, K] and future [N, M, H] of every bin with enough bins around it."""
    bins = [t for a, b in session.segment.tolist() for t in range(a + W, b - H + 1)]
    past = torch.stack([session.activity[:, t - W : t] for t in bins], 1).double()
    behaviour = torch.stack([session.behaviour[t - W : t] for t in bins]).double()
    return past, behaviour, torch.stack([session.activity[:, t : t + H] for t in bins], 1).double()


def slow_session(N: int = 6, T: int = 300, **fields) -> Session:
    session = make_session(N, T, **fields)
    for t in range(1, T):
        session.activity[:, t] += torch.linspace(0.2, 0.95, N) * session.activity[:, t - 1]
    return session


def test_moments_stay_in_their_segments():
    session = make_session(N=5, T=60, segment=torch.tensor([[0, 21], [25, 29], [30, 60]]))
    past, _, future = brute_force(session)
    moments = history_moments(session, W, H)
    torch.testing.assert_close(moments.uu, past.transpose(1, 2) @ past)
    torch.testing.assert_close(moments.uy, past.transpose(1, 2) @ future)
    weights = torch.randn(5, W, H, dtype=torch.float64)
    expected = float((future - past @ weights).square().mean())
    assert moments.error(weights) == pytest.approx(expected)
    assert moments.bins == past.shape[1]
    with pytest.raises(ValueError, match="at least 41 bins"):
        history_moments(session, 30, 11)


def test_shared_history_is_one_regression_of_all_neurons():
    session = slow_session(T=2000)
    moments = history_moments(session, W, H)
    past, _, future = brute_force(session)
    expected = torch.linalg.lstsq(past.flatten(0, 1), future.flatten(0, 1)).solution
    torch.testing.assert_close(shared_history([moments], [moments]), expected, rtol=0, atol=1e-3)


def test_own_history_finds_each_neurons_memory():
    session = slow_session(T=20_000)
    train, validation, _ = session.split()
    seen, held_out = history_moments(train, W, 1), history_moments(validation, W, 1)
    shared = shared_history([seen], [held_out])
    own = own_history(seen, held_out, shared)
    torch.testing.assert_close(own[:, -1, 0].float(), torch.linspace(0.2, 0.95, 6), rtol=0, atol=0.05)
    assert held_out.error(own) < held_out.error(shared)


def test_neurons_that_are_alike_keep_the_shared_history():
    session = make_session(N=30, T=200)
    for t in range(1, 200):
        session.activity[:, t] += 0.8 * session.activity[:, t - 1]
    train, validation, test = session.split()
    seen, held_out, after = (history_moments(part, W, 1) for part in (train, validation, test))
    shared = shared_history([seen], [held_out])
    alone = torch.linalg.solve(seen.uu, seen.uy)
    assert after.error(own_history(seen, held_out, shared)) < after.error(alone)


def test_share_of_the_graph_is_that_of_least_squares():
    session = slow_session()
    parts = Parts(session, session, W, H)
    past, _, future = brute_force(session)
    graph = past[..., -1]
    share = graph_share(parts, lambda w: torch.zeros_like(w.ahead[:, :, 0]), lambda w: w.activity[..., -1])
    expected = (graph[..., None] * future).sum((0, 1)) / graph.square().sum()
    torch.testing.assert_close(share, expected.clamp(0.1, 1.0))


def test_population_stage_forecasts_a_shared_drive():
    random = torch.Generator().manual_seed(0)
    T, N = 4000, 12
    drive = torch.zeros(T)
    for t in range(4, T):
        drive[t] = 0.9 * drive[t - 4] + torch.randn((), generator=random)  # seen four bins before
    loads = torch.randn(N, generator=random)
    behaviour = torch.randn(T, 2, generator=random)
    activity = loads[:, None] * drive + torch.randn(N, T, generator=random)
    activity[3, 1:] += behaviour[:-1, 1]
    session = Session(activity, behaviour, bin_size=0.1).standardise()
    train, validation, test = session.split()
    stage = population_stage(Parts(train, validation, W, 1), lambda w: torch.zeros_like(w.ahead[:, :, 0]), components=5)
    past, seen, future = brute_force(test)
    lags = lags_of(W)
    z = torch.cat([stage.axes.double() @ past[..., -lag] for lag in lags])
    b = torch.cat([seen[:, -lag].t() for lag in lags])
    forecast = stage.population[:, 0].double() @ z + stage.behaviour[:, 0].double() @ b
    truth = future[..., 0]
    explained = 1 - (truth - forecast).square().sum(1) / truth.square().sum(1)
    direct = loads.square() * drive.var() / (loads.square() * drive.var() + 1) * 0.81
    assert float((explained - direct)[[i for i in range(N) if i != 3]].abs().max()) < 0.12
    assert float(stage.behaviour[3, 0, 1]) == pytest.approx(float(1 / session.activity_scale[3]), abs=0.1)
    assert stage.held > 0.9


def test_what_holds_of_a_population_stage_is_measured_on_validation():
    random = torch.Generator().manual_seed(1)
    activity = torch.randn(30, 400, generator=random)
    activity[:, 1:] += torch.randn(30, 1, generator=random) * activity[:5, :-1].mean(0)
    train, validation, _ = Session(activity, bin_size=0.1).standardise().split()
    parts = Parts(train, validation, W, H)
    stage = population_stage(parts, lambda w: torch.zeros_like(w.ahead[:, :, 0]), components=20, behaviour=False)

    def explained(part: Session) -> float:
        past, _, future = brute_force(part)
        z = torch.cat([stage.axes.double() @ past[..., -lag] for lag in lags_of(W)])
        rest = future - torch.einsum("nhf,fm->nmh", stage.population.double(), z)
        return float((future.square() - rest.square()).sum((0, 2)).mean())

    assert 0.02 < stage.held < 0.9
    assert stage.held == pytest.approx(explained(validation) / explained(train), rel=1e-4)


def test_average_weighs_candidates_by_their_likelihood():
    average = Average(10)
    errors = [3.0, 2.0, 2.5]
    for value, error in zip([1.0, 5.0, 7.0], errors, strict=True):
        average.add(torch.tensor(value), error)
    weights = [math.exp(-5 * math.log(error)) for error in errors]
    expected = sum(w * v for w, v in zip(weights, [1.0, 5.0, 7.0], strict=True)) / sum(weights)
    assert float(average.mean) == pytest.approx(expected)
    sharp = Average(100_000)
    for value, error in [(1.0, 2.0), (2.0, 1.9), (3.0, 0.0)]:
        sharp.add(torch.tensor(value), error)
    assert float(sharp.mean) == 3.0


def test_errors_of_a_population_that_moves_as_one_count_once():
    random = torch.Generator().manual_seed(1)
    alone = Session(torch.randn(8, 3000, generator=random), bin_size=0.1)
    together = Session(torch.randn(1, 3000, generator=random).expand(8, -1).contiguous(), bin_size=0.1)
    for session, neurons in ((alone, 8), (together, 1)):
        number = independent_errors(Parts(session, session, W, H), lambda w: torch.zeros_like(w.ahead[:, :, 0]))
        assert number == pytest.approx(neurons * (3000 - W - H + 1), rel=0.05)
