import torch
from helpers import SMALL, error_and_copy, make_session, train

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.data.windows import windows_of
from synapsnet_pyg.models.mlp import NeuronMLP
from synapsnet_pyg.models.poco import POCO


def modulated(name: str, N: int, seed: int, T: int = 1200) -> Session:
    """Neurons keep or reverse their activity by a state that only the first two of them show."""
    random = torch.Generator().manual_seed(seed)
    flips = torch.rand(T, generator=random) < 0.1
    state = 1.0 - 2.0 * (flips.cumsum(0) % 2)
    noise = torch.randn(N, T, generator=random)
    activity = torch.zeros(N, T)
    for t in range(1, T):
        activity[:, t] = 0.9 * state[t - 1] * activity[:, t - 1] + 0.4 * noise[:, t]
    activity[:2] = state + 0.2 * noise[:2]
    return Session(activity, bin_size=0.1, name=name, neuron_id=[f"{name}-{i}" for i in range(N)])


def test_conditions_on_the_population_of_each_session():
    """From the newest bin alone a neuron cannot tell whether its activity stays or is reversed."""
    sessions = [modulated("one", 6, 1), modulated("two", 4, 2)]
    split = [session.split(0.8, 0.1, 0.1) for session in sessions]
    parts, errors = [part.train for part in split], []
    for kind, arguments in ((POCO, SMALL["poco"]), (NeuronMLP, {"hidden_size": 64})):
        torch.manual_seed(0)
        model = train(kind(parts, window=1, **arguments), parts, 120, batch=32)
        errors.append(max(error_and_copy(model, part.test)[0] for part in split))
    assert errors[0] < 0.4
    assert errors[1] > 0.5


def test_the_first_forecasts_are_constant():
    session = make_session()
    model = POCO([session], window=4, horizon=3, **SMALL["poco"]).eval()
    window = windows_of(session, 4)[0].gather(torch.arange(6))
    torch.testing.assert_close(model(window).future, model.readout.bias.expand(6, 5, 1, 3))


def listening(model: POCO) -> POCO:
    """The model with modulation that does not rest."""
    for part in (model.scale, model.shift):
        torch.nn.init.normal_(part.weight, std=0.1)
    return model.eval()


def test_old_bins_that_fill_a_token_are_zeros():
    session = make_session()
    short, long = (listening(POCO([session], window=C, horizon=2, token_size=8, **SMALL["poco"])) for C in (12, 16))
    state = {key: value for key, value in short.state_dict().items() if not key.startswith("hidden")}
    long.load_state_dict(state, strict=False)
    with torch.no_grad():
        long.hidden.weight[:, 4:], long.hidden.bias[:] = short.hidden.weight, short.hidden.bias
    window = windows_of(session, 16)[0].gather(torch.arange(6))
    window.activity[..., :4] = 0
    torch.testing.assert_close(short(window).future, long(window).future)


def test_is_the_modulated_network():
    session = make_session()
    model = listening(POCO([session], window=4, horizon=3, **SMALL["poco"]))
    window = windows_of(session, 4, 2, horizon=3)[0].gather(torch.arange(6))
    past = window.activity[2, :, 1:5]
    identity = model.embedding(0) + model.session_embedding[0]
    tokens = torch.stack([model.token(past[i]) + identity[i] for i in range(5)])
    state = model.perceiver(tokens[None], torch.zeros(5), identity, torch.full((5,), 4.0), 4)[0]
    hidden = torch.stack([model.hidden(row).relu() for row in past])
    expected = model.readout(model.scale(state) * hidden + model.shift(state))
    torch.testing.assert_close(model(window).future[2, :, 1], expected)


def test_a_new_session_takes_the_network_over():
    one, two = make_session(name="one", neuron_id=list("abcde")), make_session(N=3, name="two", neuron_id=list("cxa"))
    model, new = POCO([one], **SMALL["poco"]), POCO([two], **SMALL["poco"])
    new.adopt(model)
    assert torch.equal(new.embedding.weight[0], model.embedding.weight[2])
    learned = {name for name, parameter in new.named_parameters() if parameter.requires_grad}
    assert learned == {"embedding.weight", "session_embedding"}


def test_has_the_sizes_of_the_paper_by_default():
    model = POCO([make_session()], window=48, horizon=16)
    assert (model.token.in_features, model.token.out_features, model.hidden.out_features) == (16, 128, 1024)
    (layer,) = model.perceiver.attention
    assert (len(model.perceiver.latents), layer.heads, model.perceiver.read_inputs.heads) == (8, 16, 1)
