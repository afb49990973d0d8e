from functools import partial

import numpy as np
import pytest
import torch
from helpers import close, make_session

from synapsnet_pyg.data.windows import windows_of
from synapsnet_pyg.models.neuprint import NeuPRINT
from synapsnet_pyg.nn.dynamics import Dynamics
from synapsnet_pyg.nn.transformer import Transformer, positions

GRU_CASES = ["plain", "population", "full"]


def tensor(reference: dict[str, np.ndarray], key: str, dtype: torch.dtype) -> torch.Tensor:
    return torch.from_numpy(reference[key]).to(dtype)


def gru_case(reference, case, dtype, head="fc_mean"):
    """Our dynamics with the reference's weights, and what it is to be fed.

    The reference predicts bin t from the activity of t - 1 and the statistics of t itself; ours hands on what it is
    given, so it is given just that.
    """
    state = {key.removeprefix(f"{case}/state/"): torch.from_numpy(v) for key, v in reference.items() if case in key}
    z = tensor(reference, "embedding_table", dtype).requires_grad_()
    activity = tensor(reference, "activity", dtype)
    series = [torch.cat([torch.zeros_like(activity[..., :1]), activity[..., :-1]], -1)]
    if case == "full":
        series += list(tensor(reference, "neighbour_features", dtype).unbind(2))
    shared = tensor(reference, "population_features", dtype).transpose(1, 2)
    shared = shared[..., :0] if case == "plain" else shared
    hidden, D, K = state["gru.weight_hh_l0"].shape[1], z.shape[1], shared.shape[-1]
    layers = sum(key.startswith("gru.weight_ih") for key in state)
    dynamics = Dynamics(len(series), K, D, hidden_size=hidden, num_layers=layers, dropout=0.0)
    # Theirs: activity, embedding, population, neighbours. Ours: activity, neighbours, population, embedding.
    order = [0, *range(1 + D + K, 1 + D + K + len(series) - 1), *range(1 + D, 1 + D + K), *range(1, 1 + D)]
    ours = {f"sequence.{k.removeprefix('gru.')}": v for k, v in state.items() if k.startswith("gru.")}
    ours["sequence.weight_ih_l0"] = ours["sequence.weight_ih_l0"][:, order]
    ours |= {f"readout.{key}": state[f"{head}.{key}"] for key in ("weight", "bias")}
    dynamics.load_state_dict(ours)
    return dynamics.to(dtype), series, shared, z, order


@pytest.mark.parametrize("case", GRU_CASES)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 2e-6)])
def test_gru_agrees_with_the_reference(oracle, case, dtype, tolerance):
    reference = oracle("neuprint_gru.npz")
    ids = torch.from_numpy(reference["neuron_ids"])
    for head, output in (("fc_mean", "mean"), ("fc_logvar", "logvar")):
        dynamics, series, shared, z, _ = gru_case(reference, case, dtype, head)
        forecast = dynamics(series, shared, z[ids], series[0].shape[-1])[..., 0]
        assert close(forecast, reference[f"{case}/{output}{'_f32' if dtype == torch.float32 else ''}"], tolerance)


@pytest.mark.parametrize("case", GRU_CASES)
def test_gru_gradients_agree_with_the_reference(oracle, case):
    reference = oracle("neuprint_gru.npz")
    dynamics, series, shared, z, order = gru_case(reference, case, torch.float64)
    forecast = dynamics(series, shared, z[torch.from_numpy(reference["neuron_ids"])], series[0].shape[-1])[..., 0]
    loss = (forecast - tensor(reference, "activity", torch.float64)).square().mean()
    assert close(loss, reference[f"{case}/mse"], 1e-12)
    loss.backward()
    for key, parameter in dynamics.named_parameters():
        name = key.replace("sequence.", "gru.").replace("readout.", "fc_mean.")
        expected = reference[f"{case}/grad_mse/{name}"]
        expected = expected[:, order] if key == "sequence.weight_ih_l0" else expected
        assert close(parameter.grad, expected, 1e-10), key
    assert close(z.grad, reference[f"{case}/grad_mse/embedding_table"], 1e-10)


def transformer_case(reference, span, dtype):
    """Our dynamics with the reference's weights: its input layer is a special case of ours."""
    state = {
        key.removeprefix("state/"): torch.from_numpy(v) for key, v in reference.items() if key.startswith("state/")
    }
    width, features = state["fc_mean.weight"].shape[1], len(state["input_embedder.bias"])
    z, shared = tensor(reference, "embedding_table", dtype), tensor(reference, "population_features", dtype)
    near = tensor(reference, "neighbour_features", dtype)
    D, K = z.shape[1], shared.shape[1]
    layers = 1 + max(int(key.split(".")[2]) for key in state if key.startswith("transformer_encoder.layers"))
    feedforward = len(state["transformer_encoder.layers.0.linear1.bias"])
    sequence = partial(Transformer, heads=2, feedforward=feedforward, span=span)
    dynamics = Dynamics(1 + near.shape[2], K, D, hidden_size=width, num_layers=layers, sequence=sequence, dropout=0.0)
    # Ours in: activity, neighbours, population, embedding. Theirs inside: embedded activity, z, population, neighbours.
    embed = torch.zeros(width, 1 + near.shape[2] + K + D)
    embed[:features, 0] = state["input_embedder.weight"][:, 0]
    start = features
    for first, size in ((1 + near.shape[2] + K, D), (1 + near.shape[2], K), (1, near.shape[2])):
        embed[start : start + size, first : first + size] = torch.eye(size)
        start += size
    ours = {
        f"sequence.layers.{key.removeprefix('transformer_encoder.layers.')}": value
        for key, value in state.items()
        if key.startswith("transformer_encoder.layers.")
    }
    ours["sequence.embed.weight"], ours["sequence.embed.bias"] = embed, torch.zeros(width)
    ours["sequence.embed.bias"][:features] = state["input_embedder.bias"]
    ours |= {f"readout.{key}": state[f"fc_mean.{key}"] for key in ("weight", "bias")}
    dynamics.load_state_dict(ours)
    return dynamics.to(dtype).eval(), list(near.unbind(2)), shared.transpose(1, 2), z


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 2e-6)])
def test_transformer_agrees_with_the_reference(oracle, dtype, tolerance):
    """The cases that look into the future are left out: a forecaster cannot."""
    reference = oracle("neuprint_transformer.npz")
    cases = sorted({key.split("/")[0] for key in reference if key.endswith("/allowed")})
    ids = torch.from_numpy(reference["neuron_ids"])
    compared = 0
    for case in cases:
        allowed = torch.from_numpy(reference[f"{case}/allowed"])
        if bool(allowed.triu(1).any()):
            continue
        dynamics, near, shared, z = transformer_case(reference, int(allowed[-1].sum()) - 1, dtype)
        suffix = "_f32" if dtype == torch.float32 else ""
        for source, expected in (("activity", f"mean{suffix}"), (f"{case}/masked_input", "masked_mean")):
            if f"{case}/{expected}" in reference and not (suffix and source != "activity"):
                activity = tensor(reference, source, dtype)
                forecast = dynamics([activity, *near], shared, z[ids], activity.shape[-1])[..., 0]
                assert close(forecast, reference[f"{case}/{expected}"], tolerance), (case, source)
                compared += 1
    assert compared > 0
    width = reference["state/pos_encoder.pe"].shape[-1]
    assert close(
        positions(len(reference["state/pos_encoder.pe"]), width), reference["state/pos_encoder.pe"][:, 0], 1e-6
    )


def test_transformer_refuses_what_it_cannot_share_out():
    with pytest.raises(ValueError, match="2 heads"):
        Transformer(3, 7)


def test_sees_of_the_others_their_mean_and_deviation_only():
    session = make_session()
    window = windows_of(session, 5)[0].gather(torch.arange(4))
    swapped = window._replace(activity=window.activity[:, [0, 2, 1, 3, 4]])  # two others change places
    model = NeuPRINT([session], embedding_dim=3, hidden_size=6).eval()
    torch.testing.assert_close(model(swapped).activity[:, 0], model(window).activity[:, 0])
    louder = window._replace(activity=window.activity * torch.tensor([1.0, 2, 1, 1, 1])[:, None])
    assert not torch.allclose(model(louder).activity[:, 0], model(window).activity[:, 0])
    alone = NeuPRINT([session], embedding_dim=3, hidden_size=6, population_statistics=False).eval()
    torch.testing.assert_close(alone(louder).activity[:, 0], alone(window).activity[:, 0])


def test_neighbours_are_those_within_the_radius():
    position = torch.tensor([[0.0, 0, 0], [50, 0, 0], [0, 60, 0], [300, 0, 0], [340, 0, 0]])
    session = make_session(position=position)
    model = NeuPRINT([session], embedding_dim=3, hidden_size=6, neighbour_radius=65, population_statistics=False)
    model.initialise({"demo": session}, {"demo": session})
    assert (model.neighbours_0 > 0).sum(1).tolist() == [2, 1, 1, 1, 1]
    window = windows_of(session, 5)[0].gather(torch.arange(4))
    activity = window.activity.clone()
    activity[:, 4] += 1
    moved = (model.eval()(window._replace(activity=activity)).activity - model(window).activity).abs().amax((0, 2)) > 0
    assert moved.tolist() == [False, False, False, True, True]
    with pytest.raises(ValueError, match="positions"):
        NeuPRINT([session], neighbour_radius=65).initialise({"demo": make_session()}, {"demo": make_session()})
