"""The contract that every model keeps: a new one is tested by being listed in the registry."""

import copy
import pickle
from inspect import signature

import pytest
import torch
from helpers import SMALL, make_session, suited_to

from synapsnet_pyg.data.windows import Window, windows_of
from synapsnet_pyg.models.checkpoint import load_model, save_model
from synapsnet_pyg.models.forecaster import Forecast, Forecaster
from synapsnet_pyg.models.forecasting import forecast_horizons, forecast_session, methods_of, roll_out
from synapsnet_pyg.models.poco import POCO
from synapsnet_pyg.models.registry import MODELS, build_model, model_class
from synapsnet_pyg.nn.common_drive import CommonDrive
from synapsnet_pyg.nn.latent_state import LatentState

B, P = 4, 3
every_model = pytest.mark.parametrize("name", sorted(MODELS))


def sessions(name: str = "synapsnet"):
    """Two sessions of different size that share two neurons."""
    one = make_session(N=5, T=80, name="monday", neuron_id=list("abcde"))
    two = make_session(N=4, T=70, name="tuesday.1", neuron_id=list("dexy"))
    return [suited_to(name, session).standardise() for session in (one, two)]


def fitted(name: str) -> Forecaster:
    model = build_model(name, sessions(name), SMALL.get(name))
    split = {session.name: session.split(0.5, 0.25, 0.25) for session in sessions(name)}
    model.initialise({s: p.train for s, p in split.items()}, {s: p.validation for s, p in split.items()})
    return model


def batch_of(model: Forecaster, session, targets: int = P) -> Window:
    return windows_of(session, model.window, targets)[0].gather(torch.arange(B))


@every_model
@pytest.mark.parametrize("targets", [1, P])
def test_shapes(name, targets):
    model = fitted(name)
    for session in sessions(name):
        window = batch_of(model, session, targets)
        forecast = model(window)
        assert forecast.activity.shape == window.target.shape == (B, session.num_neurons, targets)
        if forecast.current is not None:
            assert forecast.current.shape == window.activity.shape
        assert model.connectivity(session).shape == (session.num_neurons, session.num_neurons)


@every_model
def test_a_copy_is_a_model_of_its_own(name):
    model, session = fitted(name), sessions(name)[0]
    window = batch_of(model, session)
    twin, sent = copy.deepcopy(model).eval(), pickle.loads(pickle.dumps(model)).eval()
    for other in (twin, sent):
        assert other.arguments == model.arguments
        assert torch.equal(other(window).activity, model.eval()(window).activity)
    for values in twin.parameters():
        values.data.add_(1.0)
    assert torch.equal(sent(window).activity, model(window).activity)


@every_model
def test_gradient_reaches_every_parameter(name):
    model = fitted(name)
    for module in model.modules():
        if isinstance(module, CommonDrive):  # at rest until the start finds something for it to do
            torch.nn.init.normal_(module.receivers)
            torch.nn.init.normal_(module.senders)
        if isinstance(module, LatentState):  # not heard at the start
            torch.nn.init.normal_(module.hearing.weight)
        if isinstance(module, POCO):  # does not listen to the population at the start
            torch.nn.init.normal_(module.scale.weight)
            torch.nn.init.normal_(module.shift.weight)
    forecasts = [model(batch_of(model, session)) for session in sessions(name)]
    loss = sum(f.activity.square().mean() + f.penalty for f in forecasts)
    parameters = dict(model.named_parameters())
    if parameters:
        loss.backward()
    for key, parameter in parameters.items():
        assert parameter.grad is not None, key
        assert parameter.grad.abs().sum() > 0, key


@every_model
def test_several_targets_equal_as_many_windows_when_the_past_is_the_same(name):
    """The first target of a window is what a window of one target forecasts."""
    model = fitted(name).eval()
    session = sessions(name)[0]
    many, one = batch_of(model, session, P), batch_of(model, session, 1)
    starts_many, starts_one = (windows_of(session, model.window, p)[0].start[:B] for p in (P, 1))
    same = [(i, j) for i, a in enumerate(starts_many.tolist()) for j, b in enumerate(starts_one.tolist()) if a == b]
    assert same
    for i, j in same:
        torch.testing.assert_close(model(many).activity[i, :, 0], model(one).activity[j, :, 0])


@every_model
def test_blind_to_the_future(name):
    """Changing a bin changes no forecast of that bin or of earlier ones; nor does the target itself."""
    model = fitted(name).eval()
    window = batch_of(model, sessions(name)[0])
    before = model(window).activity
    L = window.activity.shape[-1]
    for position in range(L):
        activity, behaviour = window.activity.clone(), window.behaviour.clone()
        activity[..., position] += 10
        behaviour[:, position] += 10
        after = model(window._replace(activity=activity, behaviour=behaviour, target=window.target + 1)).activity
        unseen = [p for p in range(P) if L - P + p < position]
        torch.testing.assert_close(after[..., unseen], before[..., unseen])


@every_model
def test_saved_and_made_again(name, tmp_path):
    model = fitted(name).eval()
    save_model(model, tmp_path / "model.ckpt")
    again = load_model(tmp_path / "model.ckpt")
    assert repr(again) == repr(model)
    assert again.sessions == model.sessions
    for session in sessions(name):
        window = batch_of(model, session)
        assert torch.equal(again(window).activity, model(window).activity)
        assert torch.equal(again.connectivity(session), model.connectivity(session))


@every_model
def test_same_result_in_evaluation_mode(name):
    model = fitted(name).eval()
    window = batch_of(model, sessions(name)[0])
    assert torch.equal(model(window).activity, model(window).activity)
    assert type(model).__name__ in repr(model)


@every_model
def test_overfits_one_batch(name):
    model = build_model(name, sessions(name), SMALL.get(name))
    if not list(model.parameters()):
        pytest.skip("has nothing to train")
    if name == "dlinear":
        pytest.skip("has one linear map for all neurons and bins")
    for module in model.modules():  # without what holds a model back
        for key, value in {"dropout": 0.0, "p": 0.0, "penalty_weight": 0.0, "coordinated_dropout": 0.0}.items():
            if key in vars(module):
                setattr(module, key, value)
    window = batch_of(model, sessions(name)[0], 1)
    optimiser = torch.optim.Adam(model.parameters(), lr=0.005)
    for _ in range(300):
        optimiser.zero_grad()
        loss = (model(window).activity - window.target).square().mean()
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.05 * window.target.square().mean().item()


@every_model
def test_forecast_session_covers_every_bin_whatever_the_batch(name):
    model = fitted(name)
    session, first = sessions(name)[0], max(6, model.window)
    small, large = (forecast_session(model, session, P, first=first, batch_size=size) for size in (3, 100))
    assert small.bins.tolist() == list(range(first, 80))
    torch.testing.assert_close(small.forecast, large.forecast)
    assert torch.equal(small.truth, session.activity[:, first:])
    assert small.forecast.isfinite().all()


@every_model
def test_roll_out_feeds_forecasts_back(name):
    model = fitted(name).eval()
    window = batch_of(model, sessions(name)[0], 1)
    ahead = roll_out(model, window, horizon=3)
    assert ahead.shape == (B, 5, 3)
    torch.testing.assert_close(ahead[..., :1], model(window).activity)
    second = window._replace(
        activity=torch.cat([window.activity, ahead[..., :1]], -1)[..., 1:],
        behaviour=torch.cat([window.behaviour, window.behaviour[:, -1:]], 1)[:, 1:],
        bin=window.bin + 1,
    )
    torch.testing.assert_close(ahead[..., 1:2], model(second).activity)
    with pytest.raises(ValueError, match="horizon of at least 1"):
        roll_out(model, window, 0)
    with pytest.raises(ValueError, match="2 future bins"):
        roll_out(model, window, 3, future_behaviour=torch.zeros(B, 1, 2))


def test_roll_out_from_what_is_shown():
    """A copy says what it is shown; shown forecasts are fed back in their place, and the window stays as it was."""
    window = batch_of(build_model("copy", sessions()), sessions()[0], 1)
    before = window.activity.clone()

    def shown(newest, step):
        return newest + 10**step

    ahead = roll_out(build_model("copy", sessions()), window, 3, shown=shown)
    newest = window.activity[..., -1]
    torch.testing.assert_close(ahead, torch.stack([newest + 1, newest + 11, newest + 111], -1))
    assert torch.equal(window.activity, before)


@pytest.mark.parametrize("name", ["synapsnet", "var5"])
def test_roll_out_replaces_the_newest_bin_alone(name):
    model = fitted(name).eval()
    window = batch_of(model, sessions(name)[0], 1)
    changed = window.activity.clone()
    changed[:, 2, -1] = 7.0

    def shown(newest, step):
        return changed[..., -1] if step == 0 else newest

    expected = roll_out(model, window._replace(activity=changed), horizon=3)
    torch.testing.assert_close(roll_out(model, window, horizon=3, shown=shown), expected)


def test_mean_and_copy():
    session = sessions()[0]
    window = batch_of(build_model("copy", [session]), session, 2)
    assert torch.equal(build_model("copy", [session])(window).activity, window.activity[..., -2:])
    assert build_model("mean", [session])(window).activity.abs().max() == 0
    assert torch.equal(build_model("copy", [session]).connectivity(session), torch.eye(5))


def test_refuses_sessions_that_do_not_go_together():
    with pytest.raises(ValueError, match="'demo' comes twice"):
        build_model("mean", [make_session(), make_session()])
    with pytest.raises(ValueError, match="same behaviours"):
        build_model("mean", [make_session(), make_session(K=3, name="b")])
    with pytest.raises(ValueError, match="at least one session"):
        build_model("mean", [])
    with pytest.raises(KeyError, match="not 'other'"):
        build_model("mean", [make_session()]).index_of("other")


def test_tells_of_segments_that_are_too_short():
    session = make_session(T=9, segment=torch.tensor([[0, 4], [4, 9]]))
    with pytest.raises(ValueError, match="more than 5 bins"):
        forecast_session(build_model("synapsnet", [session]), session)


class Damped(Forecaster):
    """Forecasts 0.5^h of the newest bin, directly or one step at a time."""

    def __init__(self, sessions, horizon=4):
        super().__init__(sessions, window=2, horizon=horizon)

    def forward(self, window):
        newest = window.activity[..., -window.target.shape[-1] :]
        return Forecast.direct(torch.stack([0.5**h * newest for h in range(1, self.horizon + 1)], -1))


@pytest.mark.parametrize("targets", [1, 3])
def test_many_bins_ahead_directly_and_rolled_out(targets):
    session = make_session(T=60, segment=torch.tensor([[0, 20], [22, 41], [41, 46], [50, 60]]))
    model = Damped([session])
    assert methods_of(model, 4) == ["direct", "rolled"]
    assert methods_of(model, 5) == ["rolled"]
    direct = forecast_horizons(model, session, 4, targets, first=3)
    rolled = forecast_horizons(model, session, 4, targets, first=3, method="rolled")
    assert direct.bins.tolist() == [t for a, b in session.segment.tolist() for t in range(a + 3, b - 3)]
    torch.testing.assert_close(direct.forecast, rolled.forecast)
    for m, bin in enumerate(direct.bins.tolist()):
        assert torch.equal(direct.truth[:, m], session.activity[:, bin : bin + 4])
        torch.testing.assert_close(direct.forecast[:, m, 2], session.activity[:, bin - 1] / 8)
    third = direct.at(3)
    assert torch.equal(third.truth, session.activity[:, third.bins])
    with pytest.raises(ValueError, match="forecasts 5 bins directly"):
        forecast_horizons(model, session, 5, method="direct")
    with pytest.raises(ValueError, match="at least 62 bins"):
        forecast_horizons(model, session, 60)


@pytest.mark.parametrize("name", ["var1", "gru", "synapsnet"])
def test_the_first_of_many_bins_is_the_forecast_of_one_bin(name):
    session = make_session(T=65)  # 60 and 57 targets fill windows of three
    model = build_model(name, [session])
    model.initialise({session.name: session}, {session.name: session})
    one, many = forecast_session(model, session, 3), forecast_horizons(model, session, 4, 3)
    torch.testing.assert_close(many.at(1).forecast, one.forecast[:, : len(many.bins)])


@pytest.mark.parametrize("name", [name for name in MODELS if "horizon" in signature(model_class(name)).parameters])
def test_direct_models_forecast_many_bins_of_one_neuron(name, tmp_path):
    session = suited_to(name, make_session(N=1, T=90, K=0)).standardise()
    model = build_model(name, [session], {"window": 4, "horizon": 3, **SMALL.get(name, {})})
    split = session.split(0.5, 0.25, 0.25)
    model.initialise({"demo": split.train}, {"demo": split.validation})
    model.eval()
    window = windows_of(session, 4, 2, horizon=3)[0].gather(torch.arange(B))
    forecast = model(window)
    assert forecast.future.shape == window.future.shape == (B, 1, 2, 3)
    assert torch.equal(forecast.future[..., 0], forecast.activity)
    newest = window.activity.clone()
    newest[..., -1] += 1
    torch.testing.assert_close(model(window._replace(activity=newest)).future[:, :, 0], forecast.future[:, :, 0])
    save_model(model, tmp_path / "model.ckpt")
    again = load_model(tmp_path / "model.ckpt")
    assert again.horizon == 3
    assert torch.equal(again(window).future, forecast.future)
    if list(model.parameters()):
        model.train().loss(model(window), window).backward()


def test_a_direct_model_learns_all_its_bins():
    class Constant(Forecaster):
        def __init__(self, sessions):
            super().__init__(sessions, window=2, horizon=3)
            self.level = torch.nn.Parameter(torch.zeros(3))

        def forward(self, window):
            return Forecast.direct(self.level.expand(*window.target.shape, 3))

    session = make_session(N=2, T=30)
    model = Constant([session])
    window = windows_of(session, 2, 4, horizon=3)[0].gather(torch.arange(5))
    model.loss(model(window), window).backward()
    expected = -2 * window.ahead.mean((0, 1, 2)) / 3
    torch.testing.assert_close(model.level.grad, expected)
