import re

import pytest
import torch
from helpers import close, make_session, read_csv

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.data.windows import Window, every_window, windows_of
from synapsnet_pyg.models.checkpoint import describe, load_model
from synapsnet_pyg.models.forecasting import forecast_quantiles, forecast_session
from synapsnet_pyg.models.jacobian import jacobians
from synapsnet_pyg.models.synapsnet import SynapsNet
from synapsnet_pyg.models.synapsnet_start import default_penalty_weight, default_state_dropout
from synapsnet_pyg.nn.dynamics import DYNAMICS
from synapsnet_pyg.nn.functional_connectivity import PENALTIES
from synapsnet_pyg.nn.losses import gaussian, negative_binomial, poisson
from synapsnet_pyg.regression.linear_start import exponential_kernel
from synapsnet_pyg.runs.recipe import Recipe
from synapsnet_pyg.runs.training import fit


def oracle_cases(reference):
    return sorted({key.split("/")[0] for key in reference if key.endswith("/output")})


def from_oracle(reference, case, dtype, **arguments):
    """The model of one case with the reference's weights, and its window."""
    weights = case if f"{case}/head/weight" in reference else case.removesuffix("_no_self")
    left_out = weights.removeprefix("without_") if weights.startswith("without_") else None
    kind = weights.split("_")[0]
    recurrent = {k: v for k, v in reference.items() if k.startswith(f"{weights}/state/")}
    session = Session(
        torch.from_numpy(reference["activity"][0]),
        torch.from_numpy(reference["behaviour"][0]),
        bin_size=1,
        name="oracle",
    )
    model = SynapsNet(
        [session],
        window=reference["activity"].shape[-1],
        embedding_dim=reference["embedding"].shape[1],
        hidden_size=reference[f"{weights}/head/weight"].shape[1],
        num_layers=sum("weight_ih" in key for key in recurrent),
        dynamics=DYNAMICS.get(kind, torch.nn.GRU),
        dropout=0.0,
        linear_path=False,
        self_connections=not case.endswith("_no_self"),
        use_embedding=left_out != "embedding",
        use_activity=left_out != "activity",
        use_connectivity=left_out != "current",
        **arguments,
    ).to(dtype)
    state = model.state_dict()
    for key, value in recurrent.items():
        state[f"dynamics.sequence.{key.rsplit('/', 1)[1]}"] = torch.from_numpy(value)
    for key in ("weight", "bias"):
        state[f"dynamics.readout.{key}"] = torch.from_numpy(reference[f"{weights}/head/{key}"])
    if left_out != "embedding":
        state["embedding.weight"] = torch.from_numpy(reference["embedding"])
    if left_out != "current":
        state["graphs.0.functional_connectivity.weight"] = torch.from_numpy(reference["connectivity"])
    model.load_state_dict(state)
    window = Window(
        torch.from_numpy(reference["activity"]).to(dtype),
        torch.from_numpy(reference["behaviour"]).to(dtype),
        torch.from_numpy(reference["target"])[..., None].to(dtype),
        "oracle",
    )
    return model, window


def named_parameters(model, reference, case):
    """Our parameter for each of the reference's gradients or stepped weights under ``case``."""
    ours = {
        "connectivity": model.graphs[0].functional_connectivity.weight if model.use_connectivity else None,
        "embedding": model.embedding.weight,
        "head/weight": model.dynamics.readout.weight,
        "head/bias": model.dynamics.readout.bias,
        **{f"state/{key}": value for key, value in model.dynamics.sequence.named_parameters()},
    }
    return {key: value for key, value in ours.items() if f"{case}/{key}" in reference}


def test_forward_agrees_with_oracle(oracle):
    reference = oracle("gru_window.npz")
    assert oracle_cases(reference)
    for case in oracle_cases(reference):
        model, window = from_oracle(reference, case, torch.float64)
        forecast = model(window)
        assert close(forecast.activity[..., 0], reference[f"{case}/output"], 1e-12), case
        if model.use_connectivity and not case.endswith("_no_self"):
            assert close(forecast.current, reference["current"], 1e-12)
        if f"{case}/output_f32" in reference:
            model, window = from_oracle(reference, case, torch.float32)
            assert close(model(window).activity[..., 0], reference[f"{case}/output_f32"], 2e-6), case


def test_gradients_agree_with_oracle(oracle):
    reference = oracle("gru_window.npz")
    cases = [case for case in oracle_cases(reference) if f"{case}/loss" in reference]
    assert cases
    for case in cases:
        model, window = from_oracle(reference, case, torch.float64)
        window = window._replace(activity=window.activity.requires_grad_())
        loss = (model(window).activity - window.target).square().mean()
        assert close(loss.detach(), reference[f"{case}/loss"], 1e-12), case
        loss.backward()
        compared = named_parameters(model, reference, f"{case}/grad")
        assert compared
        for key, parameter in compared.items():
            assert close(parameter.grad, reference[f"{case}/grad/{key}"], 1e-10), (case, key)
        if f"{case}/grad/activity" in reference:
            assert close(window.activity.grad, reference[f"{case}/grad/activity"], 1e-10), case


def test_penalised_loss_and_adam_step_agree_with_oracle(oracle):
    reference = oracle("gru_window.npz")
    weight = float(reference["config/lambda"])
    for name in ("frobenius_squared", "frobenius"):
        model, window = from_oracle(reference, "gru", torch.float64, penalty=PENALTIES[name], penalty_weight=weight)
        forecast = model(window)
        loss = (forecast.activity - window.target).square().mean() + forecast.penalty
        assert close(loss.detach(), reference[f"gru/loss_with_{name}"], 1e-12)
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    loss.backward()
    optimiser.step()
    for key, parameter in named_parameters(model, reference, "gru_after_adam").items():
        assert close(parameter.detach(), reference[f"gru_after_adam/{key}"], 1e-10), key


def small_model(session, **arguments):
    torch.manual_seed(1)
    return SynapsNet([session], embedding_dim=3, hidden_size=6, initial_scale=2.0, **arguments).eval()


def test_jacobian_vanishes_where_the_graph_has_no_edge():
    session = make_session()
    edges = torch.tensor([[0, 1, 1, 4], [1, 0, 3, 2]])
    model = small_model(session, edge_index={"demo": edges})
    window = windows_of(session, 5)[0].gather(torch.tensor([7]))

    def forecast(activity):
        return model(window._replace(activity=activity)).activity[0, :, 0]

    jacobian = torch.autograd.functional.jacobian(forecast, window.activity)[:, 0].abs().sum(-1)  # [receiver, sender]
    allowed = torch.eye(5, dtype=torch.bool)
    allowed[edges[1], edges[0]] = True
    assert (jacobian[allowed] > 0).all()
    assert (jacobian[~allowed] == 0).all()


def test_permuting_neurons_permutes_the_forecast():
    session = make_session()
    order = torch.tensor([3, 0, 4, 1, 2])
    other = make_session(neuron_id=[session.neuron_id[i] for i in order])
    model, permuted = small_model(session), small_model(other)
    state = model.state_dict()
    state["graphs.0.functional_connectivity.weight"] = state["graphs.0.functional_connectivity.weight"][order][:, order]
    state["embedding.weight"] = state["embedding.weight"][order]
    state["embedding._extra_state"] = other.neuron_id
    permuted.load_state_dict(state)
    window = windows_of(session, 5, 3)[0].gather(torch.arange(6))
    moved = window._replace(activity=window.activity[:, order], target=window.target[:, order])
    torch.testing.assert_close(permuted(moved).activity, model(window).activity[:, order])


def test_given_edges_and_dense_graph_forecast_alike():
    session = make_session()
    sparse = small_model(session, edge_index={"demo": torch.tensor([[0, 1, 1, 4], [1, 0, 3, 2]])})
    dense = small_model(session)
    state = dense.state_dict() | {k: v for k, v in sparse.state_dict().items() if ".functional_connectivity." not in k}
    state["graphs.0.functional_connectivity.weight"] = sparse.raw_connectivity("demo").detach()
    dense.load_state_dict(state)
    window = windows_of(session, 5, 4)[0].gather(torch.arange(6))
    torch.testing.assert_close(sparse(window).activity, dense(window).activity)
    torch.testing.assert_close(sparse.connectivity(session), dense.connectivity(session))


def test_exported_connectivity_does_not_change_when_sign_and_scale_of_the_weights_do():
    session = make_session()
    model = small_model(session, linear_path=False)
    before, raw = model.connectivity(session), model.raw_connectivity(session).detach().clone()
    window = windows_of(session, 5)[0].gather(torch.arange(9))
    forecast = model(window).activity
    for factor in (-1.0, 0.25, -3.0):
        gauged = small_model(session, linear_path=False)
        state = {
            key: value.clone() if isinstance(value, torch.Tensor) else value
            for key, value in model.state_dict().items()
        }
        state["graphs.0.functional_connectivity.weight"] *= factor
        state["dynamics.sequence.weight_ih_l0"][:, 1] /= factor  # input 1 is the current
        gauged.load_state_dict(state)
        torch.testing.assert_close(gauged(window).activity, forecast)
        torch.testing.assert_close(gauged.raw_connectivity(session), factor * raw)
        torch.testing.assert_close(gauged.connectivity(session), before)


def test_connectivity_is_the_mean_effect_of_the_newest_bin():
    """Brute force: the Jacobian of the forecast with respect to the senders' newest activity, through the current."""
    session = make_session(T=40)
    model = small_model(session, use_activity=False)
    windows = windows_of(session, 5)[0]
    total = torch.zeros(5, 5)
    for w in range(len(windows)):
        window = windows.gather(torch.tensor([w]))
        jacobian = torch.autograd.functional.jacobian(
            lambda a, window=window: model(window._replace(activity=a)).activity[0, :, 0], window.activity
        )
        total += jacobian[:, 0, :, -1]
    torch.testing.assert_close(model.connectivity(session), total / len(windows))


def test_connectivity_orientation_on_a_two_neuron_chain():
    """Neuron 0 drives neuron 1: after training, connectivity[1, 0] is large and [0, 1] is not."""
    a = torch.randn(2, 600)
    a[1, 1:] = 0.9 * a[0, :-1] + 0.1 * a[1, 1:]
    session = Session(a, bin_size=1, name="chain").standardise()
    model = SynapsNet([session], window=2, embedding_dim=2, hidden_size=8, dropout=0.0)
    optimiser = torch.optim.Adam(model.parameters(), lr=0.02)
    window = windows_of(session, 2, 16)[0].gather(torch.arange(37))
    for _ in range(150):
        optimiser.zero_grad()
        forecast = model(window)
        ((forecast.activity - window.target).square().mean() + forecast.penalty).backward()
        optimiser.step()
    connectivity = model.connectivity(session)
    assert connectivity[1, 0] == pytest.approx(0.99, abs=0.2)
    assert abs(connectivity[0, 1]) < 0.2


def test_one_neuron_in_two_sessions_has_one_embedding():
    one = make_session(name="one", neuron_id=list("abcde"))
    two = make_session(N=3, name="two", neuron_id=["e", "x", "a"])
    model = SynapsNet([one, two], embedding_dim=3, hidden_size=6)
    assert model.embedding.weight.shape == (6, 3)
    model(windows_of(two, 5)[0].gather(torch.arange(4))).activity.sum().backward()
    touched = model.embedding.weight.grad.abs().sum(1) > 0
    assert touched.tolist() == [True, False, False, False, True, True]
    assert model.graphs[0].functional_connectivity.weight.grad is None
    assert model.graphs[1].functional_connectivity.weight.shape == (3, 3)


@pytest.mark.parametrize("left_out", ["embedding", "activity", "connectivity", "behaviour"])
def test_ablations_leave_the_part_out(left_out):
    session = make_session()
    model = small_model(session, **{f"use_{left_out}": False})
    window = windows_of(session, 5)[0].gather(torch.arange(4))
    before = model(window).activity
    inputs = {"embedding": 3, "activity": 1, "connectivity": 1, "behaviour": 2}
    assert model.dynamics.sequence.input_size == sum(inputs.values()) - inputs[left_out]
    if left_out == "behaviour":
        assert torch.equal(model(window._replace(behaviour=window.behaviour + 1)).activity, before)
    if left_out == "connectivity":
        assert model(window).current is None
        activity = window.activity.clone()
        activity[:, 0] += 1
        assert torch.equal(model(window._replace(activity=activity)).activity[:, 1:], before[:, 1:])
        effect = model.connectivity(session)
        assert torch.equal(effect, effect.diagonal().diag())


def test_linear_path_adds_own_activity_current_and_behaviour():
    session = make_session()
    model, plain = small_model(session), small_model(session, linear_path=False)
    plain.load_state_dict(
        {
            k: v
            for k, v in model.state_dict().items()
            if not re.search(r"linear_path|population_|latent_state|^state\.|common_drive", k)
        }
    )
    path, A = model.graphs[0].linear_path, model.raw_connectivity(session)
    for value in path.state_dict().values():
        value.normal_()
    window = windows_of(session, 5, 3)[0].gather(torch.arange(4))
    expected = plain(window).activity.clone()
    for b in range(4):
        for p in range(3):
            expected[b, :, p] += path.intercept[:, 0]
            for lag in range(5):
                a = window.activity[b, :, 4 + p - lag]
                expected[b, :, p] += path.history[:, 4 - lag, 0] * a + path.kernel[4 - lag, 0] * (A @ a)
                expected[b, :, p] += path.behaviour[:, 0, 2 * lag : 2 * lag + 2] @ window.behaviour[b, 4 + p - lag]
    torch.testing.assert_close(model(window).activity, expected)


def close_to(one, other) -> bool:
    return torch.allclose(one, other, atol=1e-5)


@pytest.mark.parametrize("left_out", [None, "activity", "behaviour"])
@pytest.mark.parametrize("edges", [None, torch.tensor([[0, 1, 1, 4, 2], [1, 2, 0, 3, 1]])])
def test_starts_from_the_least_squares_solution(left_out, edges):
    """Brute force: for each neuron its own ridge regression on what may drive it."""
    session = make_session(T=400).standardise()
    train, validation, _ = session.split()
    arguments = {} if left_out is None else {f"use_{left_out}": False}
    model = small_model(session, edge_index=None if edges is None else {"demo": edges}, **arguments)
    assert model.initialise({"demo": train}, {"demo": validation})
    path = model.graphs[0].linear_path
    share = path.kernel.sum().item()
    assert 0.0999 < share < 1.0001
    decays = [
        d for d in (0.0, 0.5, 1.0, 1.5, 2.0, 3.0) if close_to(share * exponential_kernel(5, d), path.kernel[:, 0])
    ]
    assert len(decays) == 1
    kernel = exponential_kernel(5, decays[0]).double()
    filtered = []
    for t in range(1, train.num_bins):
        reach = min(t, 5)  # at the beginning there are fewer bins
        newest = kernel[-reach:] / kernel[-reach:].sum()
        filtered.append(train.activity[:, t - reach : t].double() @ newest)
    y = train.activity[:, 1:].double()
    inputs = torch.cat([torch.stack(filtered, 1), train.behaviour[:-1].t().double()])
    centred, target = inputs - inputs.mean(1, keepdim=True), y - y.mean(1, keepdim=True)
    allowed = torch.ones(5, 5, dtype=torch.bool) if edges is None else torch.zeros(5, 5, dtype=torch.bool)
    if edges is not None:
        allowed[edges[1], edges[0]] = True
    raw = model.raw_connectivity(session)
    candidates = []
    for exponent in range(2, 13):
        solution = torch.zeros(5, 7, dtype=torch.float64)
        for i in range(5):
            rows = [j for j in range(5) if j != i and allowed[i, j]]
            others = len(rows)
            rows += [i] if left_out != "activity" else []
            rows += [5, 6] if left_out != "behaviour" else []
            penalty = torch.zeros(len(rows), dtype=torch.float64)
            penalty[:others] = 10 ** (exponent / 2)
            U = centred[rows]
            solution[i, rows] = torch.linalg.solve(U @ U.t() + penalty.diag(), U @ target[i])
        candidates.append(solution)
    off = ~torch.eye(5, dtype=torch.bool)
    assert min(float((raw.detach() - one[:, :5])[off].abs().max()) for one in candidates) < 1e-4


def test_start_survives_in_a_fit_that_only_gets_worse(tmp_path):
    session = make_session(T=400)
    for t in range(1, 400):  # slow, so that the start is hard to improve
        session.activity[:, t] += 0.95 * session.activity[:, t - 1]
    session = session.standardise()
    model = small_model(session)
    fit(model, [session], tmp_path, Recipe(epochs=2, learning_rate=3.0), progress=False)
    rows = read_csv(tmp_path / "history.csv")
    assert [row["epoch"] for row in rows] == ["0", "1", "2"]
    started = small_model(session)
    train, validation, _ = session.split()
    started.initialise({"demo": train}, {"demo": validation})
    assert torch.equal(model.raw_connectivity(session), started.raw_connectivity(session))


def test_penalty_is_of_the_batchs_session_and_scaled_with_the_recording():
    long, short = make_session(T=400, name="long"), make_session(T=100, name="short")
    model = SynapsNet([long, short])
    assert default_penalty_weight(short) == pytest.approx(2 * default_penalty_weight(long))
    for session in (long, short):
        penalty = model(windows_of(session, 5)[0].gather(torch.arange(2))).penalty
        expected = default_penalty_weight(session) * model.raw_connectivity(session).abs().sum()
        torch.testing.assert_close(penalty, expected)
    assert SynapsNet([long], penalty_weight=0.0)(windows_of(long, 5)[0].gather(torch.arange(2))).penalty == 0


@pytest.mark.parametrize("kind", sorted(DYNAMICS))
@pytest.mark.parametrize("num_layers", [1, 2])
def test_every_dynamics_learns_and_is_blind_to_the_future(kind, num_layers):
    session = make_session()
    model = SynapsNet([session], hidden_size=6, embedding_dim=3, num_layers=num_layers, dynamics=DYNAMICS[kind])
    window = windows_of(session, 5, 3)[0].gather(torch.arange(4))
    loss = (model(window).activity - window.target).square().mean()
    loss.backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.dynamics.parameters())
    model.eval()
    activity, behaviour = window.activity.clone(), window.behaviour.clone()
    activity[..., 5:], behaviour[:, 5:] = 7.0, 7.0  # the last two of seven bins
    before, after = model(window).activity, model(window._replace(activity=activity, behaviour=behaviour)).activity
    torch.testing.assert_close(after[..., 0], before[..., 0])
    assert not torch.allclose(after[..., 1], before[..., 1])


def modulated(session: Session) -> SynapsNet:
    model = SynapsNet([session], hidden_size=6, embedding_dim=3, modulation=True).double().eval()
    torch.nn.init.normal_(model.graphs[0].modulation.sender)
    torch.nn.init.normal_(model.graphs[0].modulation.receiver)
    return model


def double_session(**sizes: int) -> Session:
    session = make_session(**sizes)
    session.activity, session.behaviour = session.activity.double(), session.behaviour.double()
    return session


def test_behaviour_scales_what_is_sent_and_received():
    session = double_session(N=4, T=40, K=2)
    model = modulated(session)
    window = windows_of(session, 5)[0].gather(torch.arange(3))
    A, gains = model.raw_connectivity(session), model.graphs[0].modulation
    current = model.input_current(window)
    for b in range(3):
        for step in range(5):
            behaviour = window.behaviour[b, step]
            for i in range(4):
                total = sum(
                    (1 + gains.receiver[i] @ behaviour)
                    * A[i, j]
                    * (1 + gains.sender[j] @ behaviour)
                    * window.activity[b, j, step]
                    for j in range(4)
                )
                torch.testing.assert_close(current[b, i, step], total)


def test_modulation_starts_from_none():
    session = make_session(N=4, T=40, K=2)
    torch.manual_seed(3)
    plain = SynapsNet([session], hidden_size=6).eval()
    torch.manual_seed(3)
    model = SynapsNet([session], hidden_size=6, modulation=True).eval()
    model.load_state_dict(plain.state_dict(), strict=False)
    window = windows_of(session, 5)[0].gather(torch.arange(7))
    assert torch.equal(model(window).activity, plain(window).activity)
    assert SynapsNet([make_session(K=0)], modulation=True).graphs[0].modulation is None


@pytest.mark.parametrize("make", [modulated, lambda session: SynapsNet([session], hidden_size=6).double().eval()])
def test_connectivity_in_each_window_is_its_jacobian_and_the_mean_is_the_connectivity(make):
    session = double_session(N=4, T=60, K=2)
    model = make(session)
    windows = windows_of(session, 5)[0]
    window = windows.gather(torch.arange(len(windows)))
    at = model.connectivity_at(window)
    off = ~torch.eye(4, dtype=torch.bool)
    torch.testing.assert_close(at[:, off], jacobians(model, window)[:, off])
    torch.testing.assert_close(at.mean(0), model.connectivity(session))


# Names of parameters and statistics in files of version 0.1.0 -> where they are now.
VERSION_0_1_0 = {
    "activity_mean_0": "graphs.0.activity_mean",
    "activity_scale_0": "graphs.0.activity_scale",
    "activity_mean_1": "graphs.1.activity_mean",
    "activity_scale_1": "graphs.1.activity_scale",
    "functional_connectivity.0.weight": "graphs.0.functional_connectivity.weight",
    "functional_connectivity.0.unit": "graphs.0.functional_connectivity.scale",
    "functional_connectivity.0.price": "graphs.0.functional_connectivity.penalty_scale",
    "functional_connectivity.1.edges": "graphs.1.functional_connectivity.edges",
    "functional_connectivity.1.weight": "graphs.1.functional_connectivity.weight",
    "functional_connectivity.1.unit": "graphs.1.functional_connectivity.scale",
    "functional_connectivity.1.price": "graphs.1.functional_connectivity.penalty_scale",
    "common_drive.0.read": "graphs.0.common_drive.senders",
    "common_drive.0.load": "graphs.0.common_drive.receivers",
    "common_drive.1.read": "graphs.1.common_drive.senders",
    "common_drive.1.load": "graphs.1.common_drive.receivers",
    "modulation.0.receiver": "graphs.0.modulation.receiver",
    "modulation.0.sender": "graphs.0.modulation.sender",
    "modulation.1.receiver": "graphs.1.modulation.receiver",
    "modulation.1.sender": "graphs.1.modulation.sender",
    "embedding.weight": "embedding.weight",
    "embedding._extra_state": "embedding._extra_state",
    "dynamics.sequence.weight_ih_l0": "dynamics.sequence.weight_ih_l0",
    "dynamics.sequence.weight_hh_l0": "dynamics.sequence.weight_hh_l0",
    "dynamics.sequence.bias_ih_l0": "dynamics.sequence.bias_ih_l0",
    "dynamics.sequence.bias_hh_l0": "dynamics.sequence.bias_hh_l0",
    "dynamics.readout.weight": "dynamics.readout.weight",
    "dynamics.readout.bias": "dynamics.readout.bias",
}


def test_loads_the_parameters_of_version_0_1_0(tmp_path):
    sessions = [make_session(N=5, name="one"), make_session(N=4, name="two")]
    edges = {"two": torch.tensor([[0, 1, 3], [1, 2, 0]])}
    model, again = (
        SynapsNet(
            sessions, embedding_dim=3, hidden_size=6, modulation=True, edge_index=edges, **SynapsNet.earlier
        ).eval()
        for _ in range(2)
    )
    for value in (*model.parameters(), *(b for key, b in model.named_buffers() if "scale" in key or "mean" in key)):
        torch.nn.init.uniform_(value, 0.5, 1.5)
    state = model.state_dict()
    old = {name: state[now] for name, now in VERSION_0_1_0.items()}
    for g, session in enumerate(sessions):
        # The weights of a neuron's own activity had the kernel of the current, and behaviour its newest bin alone.
        kernel, own, behaviour = torch.rand(5), torch.rand(session.num_neurons), torch.rand(session.num_neurons, 2)
        path = model.graphs[g].linear_path
        path.kernel.data = kernel[:, None]
        path.history.copy_((own[:, None] * kernel)[..., None])
        path.behaviour[..., :2].copy_(behaviour[:, None])
        model.graphs[g].dispersion.data.zero_()
        values = {"kernel": kernel, "own": own, "behaviour": behaviour, "intercept": path.intercept[:, 0].detach()}
        old |= {f"linear_path.{g}.{name}": value for name, value in values.items()}
    assert len(old) == len(state) - 2 * len(sessions)
    again.load_state_dict(SynapsNet.upgrade(old))
    description = {
        "name": "synapsnet",
        "arguments": {k: v for k, v in describe(model)["arguments"].items() if k not in SynapsNet.earlier},
        "populations": [(s.name, s.neuron_id, s.behaviour_name, s.num_bins) for s in sessions],
    }
    file = {"description": description, "state_dict": {f"model.{name}": value for name, value in old.items()}}
    torch.save(file, tmp_path / "best.ckpt")
    loaded = load_model(tmp_path / "best.ckpt")
    for session in sessions:
        window = windows_of(session, 5, 3)[0].gather(torch.arange(4))
        assert torch.equal(again(window).activity, model(window).activity)
        assert torch.equal(loaded(window).activity, model(window).activity)
        assert torch.equal(again(window).penalty, model(window).penalty)
    assert SynapsNet.upgrade(state).keys() == state.keys()


def test_gain_uses_no_more_windows_than_asked_for(monkeypatch):
    session = make_session(T=124)
    model, counts = small_model(session), []
    slope = model._slope

    def counted(window):
        counts.append(len(window.activity))
        return slope(window)

    monkeypatch.setattr(model, "_slope", counted)
    model.gain(session, max_windows=80)  # of 119
    assert 40 <= sum(counts) <= 80


def test_training_goes_on_after_an_error_in_the_gain(monkeypatch):
    session = make_session()
    model = small_model(session).train()
    monkeypatch.setattr(model.dynamics, "forward", lambda *_: 1 / 0)
    for call in (
        model.gain,
        model.connectivity,
        lambda s: jacobians(model, windows_of(s, 5)[0].gather(torch.arange(2))),
    ):
        with pytest.raises(ZeroDivisionError):
            call(session)
        assert model.training


def test_without_edge_forecasts_as_a_model_whose_weight_is_zero():
    session = make_session()
    model = small_model(session)
    window = windows_of(session, 5)[0].gather(torch.arange(6))
    without = model.without_edge("demo", sender=1, receiver=3)(window).activity
    assert not torch.equal(without, model(window).activity)
    with torch.no_grad():
        model.graphs[0].functional_connectivity.weight[3, 1] = 0
    assert torch.equal(without, model(window).activity)
    with pytest.raises(ValueError, match=r"SynapsNet with functional connectivity \(got SynapsNet\)"):
        small_model(session, use_connectivity=False).without_edge("demo", 1, 3)
    for sender, receiver in ((1, 1), (0, 5), (5, 0), (0, -1)):
        with pytest.raises(ValueError, match=f"got {sender} -> {receiver}"):
            model.without_edge("demo", sender, receiver)


def test_the_decay_of_an_indicator_is_taken_out_inside_the_model():
    """Neuron 0 drives neuron 2 by spikes that both show as slow traces."""
    random = torch.Generator().manual_seed(0)
    counts = torch.poisson(torch.full((6, 3000), 0.2), generator=random)
    counts[2, 1:] += torch.poisson(0.6 * counts[0, :-1], generator=random)
    trace = counts.clone()
    for t in range(1, 3000):
        trace[:, t] += 0.9 * trace[:, t - 1]
    session = Session(trace, bin_size=0.1, name="slow").standardise()
    train, validation, test = session.split()
    model = SynapsNet([session], window=4, deconvolve=True)
    model.initialise({"slow": train}, {"slow": validation})
    assert float(model.graph("slow").decay) == pytest.approx(0.9, abs=0.01)
    window = every_window(test, model.window).gather(torch.arange(7))
    assert window.activity.shape[-1] == 5
    assert model(window).current.shape == (7, 6, 4)
    connectivity = model.connectivity(train).abs().fill_diagonal_(0)
    assert int(connectivity.argmax()) == 2 * 6 + 0
    assert float(connectivity[2, 0]) > 5 * float(connectivity.flatten().sort().values[-2])
    forecast = forecast_session(model, test)
    assert float((forecast.truth - forecast.forecast).square().mean()) < 0.3
    longer = forecast_session(model, test, targets=16)
    torch.testing.assert_close(longer.forecast[:, -50:], forecast.forecast[:, -50:], atol=0.2, rtol=0)


def test_quantiles_of_a_likelihood_are_in_the_units_of_the_recording():
    session = make_session(N=4, T=300)
    session.activity = torch.poisson(2 + torch.linspace(0, 3, 4)[:, None].expand(-1, 300))
    session = session.standardise()
    train, validation, test = session.split()
    with pytest.raises(ValueError, match="with a likelihood"):
        forecast_quantiles(SynapsNet([session]), test, [0.5])
    for loss in (gaussian, poisson, negative_binomial):
        model = small_model(session, loss=loss, horizon=3)
        model.initialise({"demo": train}, {"demo": validation})
        if loss is negative_binomial:
            torch.nn.init.constant_(model.graphs[0].dispersion, -5.0)
        quantiles = forecast_quantiles(model, test, [0.05, 0.5, 0.95], horizon=2)
        counts = test.activity * session.activity_scale[:, None] + session.activity_mean[:, None]
        truth = counts.unfold(1, 2, 1)[:, model.window :]
        assert quantiles.shape == (*truth.shape, 3)
        inside = ((truth >= quantiles[..., 0]) & (truth <= quantiles[..., 2])).float().mean()
        assert 0.84 < float(inside) < 0.99
        assert bool((quantiles.diff(dim=-1) >= 0).all())


def test_many_neurons_in_few_bins_hide_more_of_the_state():
    few, many = make_session(N=3, T=6400), make_session(N=30, T=640)
    assert default_state_dropout(few) == pytest.approx(3 / 103)
    assert default_state_dropout(many) == pytest.approx(3 / 4)
