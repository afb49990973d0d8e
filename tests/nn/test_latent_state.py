import torch

from synapsnet_pyg.nn.latent_state import LatentState, state_gru

B, N, L, K, P, H, S = 2, 5, 8, 3, 4, 6, 7


def test_starts_at_zero_and_hears_the_state_of_each_position():
    gru = state_gru(S, inputs=4)
    state = LatentState(N, K, gru, horizon=H).eval()
    activity, behaviour = torch.randn(B, N, L), torch.randn(B, L, K)
    assert torch.equal(state(gru, activity, behaviour, P), torch.zeros(B, N, P, H))
    torch.nn.init.normal_(state.hearing.weight)
    forecast = state(gru, activity, behaviour, P)
    for b in range(B):
        hidden = torch.zeros(1, 1, S)
        for t in range(L):
            seen = state.reading(torch.cat([activity[b, :, t], behaviour[b, t]]))
            hidden = gru(seen[None, None], hidden)[1]
            if t >= L - P:
                expected = (state.hearing.weight @ hidden[0, 0]).reshape(N, H)
                torch.testing.assert_close(forecast[b, :, t - L + P], expected)


def test_training_hides_neurons_and_states():
    gru = state_gru(S)
    state = LatentState(N, K, gru, dropout=0.5)
    torch.nn.init.normal_(state.hearing.weight)
    activity, behaviour = torch.randn(B, N, L), torch.randn(B, L, K)
    assert not torch.equal(state(gru, activity, behaviour, P), state(gru, activity, behaviour, P))
