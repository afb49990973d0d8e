import pytest
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


def test_a_fifth_is_shown_at_least():
    state = LatentState(N, K, state_gru(S), dropout=0.5).train()
    values = torch.ones(40_000)
    for told, share in ((1.0, 0.5), (0.6, 0.3), (0.0, 0.2)):
        gru = _Recorder()
        state.reading, seen = torch.nn.Identity(), torch.ones(1, N, 40_000)
        state(gru, seen, torch.ones(1, 40_000, K), P, told=torch.tensor(told))
        shown = gru.seen
        assert float((shown > 0).float().mean()) == pytest.approx(share, abs=0.01)
        assert float(shown.mean()) == pytest.approx(1, abs=0.02)
        assert float(shown.max()) == pytest.approx(1 / share)
    assert torch.equal(state.eval()._partly(values, torch.tensor(0.5)), values)


class _Recorder(torch.nn.Module):
    """Stands for a GRU and keeps what it sees."""

    def forward(self, seen: torch.Tensor) -> tuple[torch.Tensor]:
        self.seen = seen
        return (torch.ones(*seen.shape[:2], S),)
