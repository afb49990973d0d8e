import re

import numpy as np
import pytest
import torch
from helpers import close, make_session

from synapsnet_pyg.data.windows import windows_of
from synapsnet_pyg.models.gwnet import GWNet, transitions
from synapsnet_pyg.nn.graph_wavenet import AdaptiveAdjacency, GraphWaveNet

FILES = ["gwnet_single.npz", "gwnet_dilated.npz", "gwnet_padded.npz", "gwnet_supports.npz"]


def from_reference(name: str, value: np.ndarray) -> tuple[str, torch.Tensor] | None:
    """Our name and layout of a reference weight (or of its gradient); None for what never reaches the output."""
    value = torch.from_numpy(value)
    i = int(found.group(1)) if (found := re.search(r"\.(\d+)\.", name)) else 0
    squeezed = value[:, :, 0, 0] if value.ndim == 4 else value
    if name in ("nodevec1", "nodevec2"):
        return f"adaptive.{'senders' if name == 'nodevec1' else 'receivers'}", value
    if name.startswith("start_conv"):
        return name.replace("start_conv", "start"), squeezed
    if name.startswith("skip_convs"):
        return f"layers.{i}.skip.{name.rsplit('.', 1)[1]}", squeezed
    if name.startswith("gconv"):
        return f"layers.{i}.mix.{name.rsplit('.', 1)[1]}", squeezed
    if name.startswith("bn"):
        return f"layers.{i}.norm.{name.rsplit('.', 1)[1]}", value
    if name.startswith("end_conv_1"):
        return name.replace("end_conv_1", "end"), squeezed
    if name.startswith("end_conv_2"):
        return name.replace("end_conv_2", "readout"), squeezed
    assert name.startswith(("filter_convs", "gate_convs", "residual_convs")), name
    return None


def converted(reference: dict[str, np.ndarray], prefix: str, layers: int) -> dict[str, torch.Tensor]:
    """All weights under a prefix by our names; filter and gate lie side by side in ours."""
    found = {key.removeprefix(prefix): value for key, value in reference.items() if key.startswith(prefix)}
    ours = dict(pair for name, value in found.items() if (pair := from_reference(name, value)) is not None)
    for i in range(layers):
        if f"filter_convs.{i}.weight" in found:
            kernels = [found[f"{kind}_convs.{i}.weight"][:, :, 0] for kind in ("filter", "gate")]
            ours[f"layers.{i}.gated"] = torch.from_numpy(np.concatenate(kernels).transpose(2, 1, 0).copy())
            biases = [found[f"{kind}_convs.{i}.bias"] for kind in ("filter", "gate")]
            ours[f"layers.{i}.gated_bias"] = torch.from_numpy(np.concatenate(biases))
    last = f"layers.{layers - 1}."  # its graph convolution and normalisation do not reach the output
    return {key: value for key, value in ours.items() if not key.startswith((f"{last}mix", f"{last}norm"))}


def rebuilt(reference: dict[str, np.ndarray], dtype: torch.dtype) -> tuple[GraphWaveNet, torch.Tensor, list, int]:
    """The network with the reference's weights, its input, the given graphs, and how many steps come out."""
    size = {key.removeprefix("config/"): int(v) for key, v in reference.items() if key.startswith("config/")}
    state = {key.removeprefix("state/"): value for key, value in reference.items() if key.startswith("state/")}
    supports = [reference[f"support/{i}"] for i in range(sum(key.startswith("support/") for key in reference))]
    network = GraphWaveNet(
        num_neurons=len(state["nodevec1"]),
        num_inputs=state["start_conv.weight"].shape[1],
        residual=state["start_conv.weight"].shape[0],
        dilated=state["filter_convs.0.weight"].shape[0],
        skip=state["skip_convs.0.weight"].shape[0],
        end=state["end_conv_1.weight"].shape[0],
        blocks=size["blocks"],
        layers=size["layers"],
        kernel=state["filter_convs.0.weight"].shape[-1],
        outputs=state["end_conv_2.weight"].shape[0],
        dropout=0.0,
        num_supports=len(supports),
    )
    network.load_state_dict(converted(reference, "state/", len(network.layers)))
    assert network.receptive_field == int(reference["receptive_field"])
    inputs = torch.from_numpy(reference["input"]).to(dtype).permute(3, 2, 0, 1)
    short = network.receptive_field - len(inputs)
    if short > 0:
        inputs = torch.cat([inputs.new_zeros(short, *inputs.shape[1:]), inputs])
    graphs = [torch.from_numpy(one).to(dtype) for one in supports]
    return network.to(dtype), inputs, graphs, reference["output_eval"].shape[-1]


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 2e-6)])
def test_outputs_agree_with_the_reference(oracle, file, dtype, tolerance):
    reference = oracle(file)
    network, inputs, graphs, steps = rebuilt(reference, dtype)
    for mode in ("eval", "train"):
        network.train(mode == "train")
        output = network(inputs, graphs, steps).permute(2, 3, 1, 0)
        assert close(output, reference[f"output_{mode}{'_f32' if dtype == torch.float32 else ''}"], tolerance)
    if dtype == torch.float64:
        assert close(network.adaptive(), reference["adaptive_adjacency"], 1e-12)


@pytest.mark.parametrize("file", FILES)
def test_gradients_and_running_statistics_agree_with_the_reference(oracle, file):
    reference = oracle(file)
    network, inputs, graphs, steps = rebuilt(reference, torch.float64)
    output = network(inputs, graphs, steps).permute(2, 3, 1, 0)
    loss = (output - torch.from_numpy(reference["target"])).square().mean()
    assert close(loss, reference["loss_train"], 1e-12)
    loss.backward()
    expected = converted(reference, "grad/", len(network.layers))
    ours = {key: parameter.grad for key, parameter in network.named_parameters()}
    assert ours.keys() == expected.keys()  # every layer reaches the output
    for key, gradient in ours.items():
        assert close(gradient, expected[key].numpy(), 1e-10), key
    assert sum(p.numel() for p in network.parameters()) == int(reference["param_count_with_gradient"])
    after = converted(reference, "state_after_train_forward/", len(network.layers))
    for key, value in after.items():
        assert close(network.state_dict()[key], value.numpy(), 1e-12), key


def test_model_feeds_the_network_the_window(oracle):
    """The reference's activity, behaviour and forecast through the contract of all models."""
    reference = oracle("gwnet_single.npz")
    network, *_ = rebuilt(reference, torch.float32)
    activity, behaviour = torch.from_numpy(reference["activity"]), torch.from_numpy(reference["behaviour"])
    session = make_session(N=activity.shape[1], K=behaviour.shape[-1])
    model = GWNet([session], dropout=0.0).eval()
    model.network.load_state_dict(network.state_dict())
    window = (
        windows_of(session, 5)[0].gather(torch.arange(len(activity)))._replace(activity=activity, behaviour=behaviour)
    )
    assert close(model(window).activity, reference["output_eval_f32"][:, 0], 2e-6)
    assert close(model.adjacency(), reference["adaptive_adjacency"].T, 1e-6)


def test_adjacency_and_connectivity_point_from_sender_to_receiver():
    """A graph on which neuron 0 sends to neuron 1 alone carries 0's activity to 1, and not 1's to 0."""
    session = make_session(N=2)
    model = GWNet([session]).eval()
    with torch.no_grad():
        model.network.adaptive.senders.zero_()
        model.network.adaptive.receivers.zero_()
        model.network.adaptive.senders[0, 0] = 10.0
        model.network.adaptive.receivers[0, 1] = 10.0
        model.network.adaptive.senders[1, 1] = 10.0
        model.network.adaptive.receivers[1, 1] = 10.0
    adjacency = model.adjacency()
    assert adjacency[1, 0] > 0.99
    assert adjacency[0, 1] < 0.01
    connectivity = model.connectivity(session).abs()
    assert connectivity[1, 0] > 100 * connectivity[0, 1]
    window = windows_of(session, 5)[0].gather(torch.tensor([3]))

    def effect(sender: int, receiver: int) -> float:
        activity = window.activity.clone()
        activity[:, sender] += 1
        after = model(window._replace(activity=activity)).activity
        return float((after - model(window).activity).detach()[0, receiver].abs())

    assert effect(0, 1) > 1e-5
    assert effect(1, 0) < 1e-7


def test_given_graph_is_used_and_starts_the_adaptive_one():
    session = make_session()
    edges = torch.tensor([[0, 1, 1, 4], [1, 0, 3, 2]])
    forward, backward = transitions(edges, 5)
    assert forward[1].tolist() == [0.5, 0, 0, 0.5, 0]
    assert backward[2, 4] == 1
    model = GWNet([session], edge_index={"demo": edges})
    assert len(model.supports) == 2
    window = windows_of(session, 5)[0].gather(torch.arange(3))
    before = model.eval()(window).activity
    model.supports = torch.zeros_like(model.supports)
    assert not torch.allclose(model(window).activity, before)
    low_rank = AdaptiveAdjacency(5, rank=5, support=forward)
    torch.testing.assert_close(low_rank.senders @ low_rank.receivers, forward)
