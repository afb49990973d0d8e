import numpy as np
import pytest
import torch
from helpers import close, make_session

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.data.windows import Window, windows_of
from synapsnet_pyg.models.checkpoint import load_model, save_model
from synapsnet_pyg.models.jacobian import jacobians
from synapsnet_pyg.models.netformer import CellTypePrior, NetFormer
from synapsnet_pyg.nn.neuron_attention import ACTIVATIONS, NeuronAttention

NAMES = {
    "embedding_table.weight": "embedding",
    "E": "embedding",
    "layer_norm": "norm_token",
    "layer_norm1": "norm_token",
    "layer_norm2": "norm_output",
    "attentionlayer.query_linear": "query",
    "query_linear": "query",
    "attentionlayer.key_linear": "key",
    "key_linear": "key",
}


def ours(name: str) -> str:
    """Our name of a reference weight."""
    if name in NAMES:
        return NAMES[name]
    stem, _, last = name.rpartition(".")
    return f"{NAMES[stem]}.{last}"


def under(reference: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {key.removeprefix(prefix): value for key, value in reference.items() if key.startswith(prefix)}


def rebuilt(state: dict[str, np.ndarray], dtype: torch.dtype, **arguments) -> tuple[NeuronAttention, torch.Tensor]:
    """A layer with the reference's weights, and the embedding."""
    weights = {ours(name): torch.from_numpy(value) for name, value in state.items()}
    embedding = weights.pop("embedding").to(dtype).requires_grad_()
    width, size = weights["query.weight"].shape
    layer = NeuronAttention(size - embedding.shape[1], embedding.shape[1], width=width, **arguments)
    wanted = layer.state_dict().keys()
    layer.load_state_dict({key: value for key, value in weights.items() if key in wanted})
    return layer.to(dtype), embedding


def gradients_agree(layer: NeuronAttention, embedding: torch.Tensor, expected: dict[str, np.ndarray]) -> bool:
    found = {"embedding": embedding, **dict(layer.named_parameters())}
    return all(close(found[ours(name)].grad, value, 1e-10) for name, value in expected.items())


@pytest.mark.parametrize(("dtype", "suffix", "tolerance"), [(torch.float64, "", 1e-12), (torch.float32, "_f32", 2e-6)])
def test_layer_is_the_reference_package(oracle, dtype, suffix, tolerance):
    reference = oracle("netformer.npz")
    history, target = (torch.from_numpy(reference[key]).to(dtype) for key in ("input", "target"))
    cases = [key.split("/")[0] for key in reference if key.endswith("/attention") and not key.startswith("two_steps")]
    cases = [case for case in cases if f"{case}/state/embedding_table.weight" not in reference]
    assert cases
    for case in cases:
        activation = ACTIVATIONS["linear" if case == "none" else case]
        layer, embedding = rebuilt(under(reference, "state/"), dtype, activation=activation)
        output = layer(history, embedding)[..., -1:]
        assert close(output, reference[f"{case}/output{suffix}"], tolerance), case
        assert close(layer.attention(history, embedding), reference[f"{case}/attention{suffix}"], tolerance), case
        if dtype == torch.float64:
            loss = (output - target).square().mean()
            loss.backward()
            assert close(loss, reference[f"{case}/loss"], 1e-12)
            assert gradients_agree(layer, embedding, under(reference, f"{case}/grad/"))


def test_layer_tells_the_bins_before_the_newest_too(oracle):
    reference = oracle("netformer.npz")
    for case in ("two_steps", "out_layer"):
        state = under(reference, f"{case}/state/")
        read_out = state.pop("out.weight", None)
        layer, embedding = rebuilt(state, torch.float64)
        output = layer(torch.from_numpy(reference[f"{case}/input"]).double(), embedding)
        expected = reference[f"{case}/output"]
        last = (
            output[..., -expected.shape[-1] :] if read_out is None else output @ torch.from_numpy(read_out).double().t()
        )
        assert close(last, expected, 1e-12)


def test_layer_is_the_scripts_for_small_systems(oracle):
    reference = oracle("netformer_toy.npz")
    cases = sorted({key.split("/")[0] for key in reference if key.endswith("/output")})
    assert cases
    for case in cases:
        state = under(reference, f"{case}/state/attention.")
        history = torch.from_numpy(reference[f"{case}/input"]).double()
        norm = "no_norm" not in case
        layer, embedding = rebuilt(state, torch.float64, norm=norm, scaled=not case.startswith("toy"))
        receivers = 1 if case == "single_query" else reference[f"{case}/output"].shape[1]
        output = layer(history, embedding, receivers)[..., -1:]
        assert close(output.view(reference[f"{case}/output"].shape), reference[f"{case}/output"], 1e-12), case
        assert close(layer.attention(history, embedding, receivers), reference[f"{case}/attention"], 1e-12), case
        target = torch.from_numpy(reference[f"{case}/target"]).double()
        loss = (output.view(target.shape) - target).square().mean()
        loss.backward()
        assert close(loss, reference[f"{case}/loss"], 1e-12), case
        assert gradients_agree(layer, embedding, under(reference, f"{case}/grad/attention.")), case


def test_model_with_prior_is_the_reference_for_mice(oracle):
    reference = oracle("netformer_mouse.npz")
    known, D = reference["state/embedding_table.weight"].shape
    ids, types = reference["neuron_ids"].tolist(), reference["cell_types"].tolist()
    names = [f"type {t}" for t in range(len(reference["state/cell_type_level_constraint"]))]
    window = torch.from_numpy(reference["window"]).double()
    H = window.shape[-1] - 1
    everybody = Session(
        torch.zeros(known, H + 1).double(), bin_size=1, name="all", neuron_id=[str(i) for i in range(known)]
    )
    seen = Session(
        window[0],
        bin_size=1,
        name="seen",
        neuron_id=[str(i) for i in ids],
        cell_type=[names[t] for t in types],
    )
    cases = sorted({key.split("/")[0] for key in reference if key.endswith("/output")})
    for case in cases:
        model = NetFormer(
            [everybody, seen],
            window=H,
            embedding_dim=D,
            activation=ACTIVATIONS["linear" if case == "none" else case],
            cell_types=names,
            prior_weight=float(reference["config/constraint_loss_weight"]),
        ).double()
        everybody.cell_type = [names[0]] * known
        model.initialise({"all": everybody, "seen": seen}, {})
        weights = {"prior.mean": "cell_type_level_constraint", "prior.deviation": "cell_type_level_var"}
        state = {
            f"layer.{ours(key)}": v
            for key, v in under(reference, "state/").items()
            if not key.startswith(("cell", "emb"))
        }
        state |= {name: reference[f"state/{key}"] for name, key in weights.items()}
        state["embedding.weight"] = reference["state/embedding_table.weight"]
        parameters = dict(model.named_parameters())
        with torch.no_grad():
            for key, value in state.items():
                parameters[key].copy_(torch.from_numpy(value))
        given = Window(window[..., :-1], window.new_zeros(len(window), H, 0), window[..., -1:], "seen")
        forecast = model(given)
        assert close(forecast.activity, reference[f"{case}/output"], 1e-12)
        assert close(model.connectivity_at(given), reference[f"{case}/attention"], 1e-12)
        assert close(forecast.penalty / model.prior_weight, reference[f"{case}/prior_nll"], 1e-12)
        loss = model.loss(forecast, given)
        loss.backward()
        assert close(loss, reference[f"{case}/loss_with_prior"], 1e-12)
        for key, name in [
            (f"layer.{ours(k)}", k) for k in under(reference, "state/") if not k.startswith(("cell", "emb"))
        ] + [
            *weights.items(),
            ("embedding.weight", "embedding_table.weight"),
        ]:
            assert close(parameters[key].grad, reference[f"{case}/grad_with_prior/{name}"], 1e-10), name


def test_every_order_of_the_sum_is_the_same():
    """Weights first for few neurons, associated otherwise; both against the sum written out."""
    for n, q in ((3, 3), (40, 40), (40, 1), (7, 5)):
        layer = NeuronAttention(history=6, embedding_dim=4).double()
        history, embedding = torch.randn(2, n, 6).double(), torch.randn(n, 4).double()
        value = layer.norm_token(torch.cat([history, embedding.expand(2, -1, -1)], -1))[..., :6]
        attention = layer.attention(history, embedding, q)
        heard = torch.stack([sum(attention[:, i, j, None] * value[:, j] for j in range(n)) for i in range(q)], 1)
        assert torch.allclose(layer(history, embedding, q), layer.norm_output(heard + value[:, :q]), atol=1e-12)


def test_stimuli_send_and_are_not_driven():
    session = make_session(N=4, K=3)
    model = NetFormer([session], window=6, embedding_dim=5, norm=False).eval()
    window = windows_of(session, 6)[0].gather(torch.arange(7))
    assert model.attention(window).shape == (7, 4, 7)
    assert model.connectivity_at(window).shape == (7, 4, 4)
    louder = window._replace(behaviour=window.behaviour + 1)
    assert not torch.allclose(model(louder).activity, model(window).activity)
    deaf = NetFormer([session], window=6, embedding_dim=5, use_behaviour=False).eval()
    assert torch.equal(deaf(louder).activity, deaf(window).activity)
    assert deaf.attention(window).shape == (7, 4, 4)


def test_without_norms_the_effect_is_the_attention_and_what_it_bends():
    """Of one past bin: the derivative of sum_j A_ij x_j + x_i is A + 1 and the change of A itself."""
    session = make_session(N=3, K=0)
    model = NetFormer([session], window=1, embedding_dim=4, norm=False).double()
    window = windows_of(session, 1)[0].gather(torch.arange(5))
    window = window._replace(activity=window.activity.double(), behaviour=window.behaviour.double())

    def attention(activity: torch.Tensor) -> torch.Tensor:
        return model.attention(window._replace(activity=activity)).sum(0)

    bend = torch.autograd.functional.jacobian(attention, window.activity)[..., 0]  # [i, j, b, k]
    expected = model.attention(window) + torch.eye(3) + torch.einsum("ijbk,bj->bik", bend, window.activity[..., 0])
    assert torch.allclose(jacobians(model, window), expected, atol=1e-10)


def test_neurons_recorded_twice_share_their_embedding():
    first = Session(torch.randn(3, 30), bin_size=1, name="first", neuron_id=["a", "b", "c"])
    second = Session(torch.randn(2, 40), bin_size=1, name="second", neuron_id=["c", "d"])
    model = NetFormer([first, second], embedding_dim=7)
    assert model.embedding.weight.shape == (4, 7)
    window = Window(torch.randn(5, 2, 5), torch.zeros(5, 5, 0), torch.zeros(5, 2, 1), "second")
    swapped = NetFormer([second], embedding_dim=7)
    swapped.adopt(model)
    assert torch.allclose(swapped.eval()(window).activity, model.eval()(window).activity)


def test_prior_is_the_likelihood_of_pairs_whose_types_are_known():
    prior = CellTypePrior(2)
    connectivity, cell_type = torch.randn(3, 4, 4), torch.tensor([1, -1, 0, 1])
    prior.requires_grad_(False)
    prior.deviation.copy_(torch.tensor([[0.5, 2.0], [1.5, 1e-9]]))
    total, pairs = 0.0, 0
    for b in range(3):
        for i in (0, 2, 3):
            for j in (0, 2, 3):
                g, h = cell_type[i], cell_type[j]
                variance = max(float(prior.deviation[g, h]) ** 2, 1e-6)
                total += 0.5 * (np.log(variance) + float(connectivity[b, i, j] - prior.mean[g, h]) ** 2 / variance)
                pairs += 1
    assert np.isclose(float(prior(connectivity, cell_type)), total / pairs, rtol=1e-5)


def test_prior_needs_types(tmp_path):
    session = make_session(N=4, K=0, cell_type=["EC", "Sst", "", "EC"])
    with pytest.raises(ValueError, match="at least 2 cell_types"):
        NetFormer([session], prior_weight=0.1)
    model = NetFormer([session], cell_types=["EC", "Sst"], prior_weight=0.1)
    model.initialise({"demo": session}, {})
    assert model.cell_type_0.tolist() == [0, 1, -1, 0]
    save_model(model, tmp_path / "m.ckpt")
    assert load_model(tmp_path / "m.ckpt").cell_type_0.tolist() == [0, 1, -1, 0]
    with pytest.raises(ValueError, match="with types among EC, Vip"):
        NetFormer([session], cell_types=["EC", "Vip"], type_field="layer", prior_weight=0.1).initialise(
            {"demo": session}, {}
        )
