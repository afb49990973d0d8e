import pytest
import torch

from synapsnet_pyg.analysis.rare_pairs import events_of, kurtosis, number_to_test, pairs_to_test
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.regression.pairs import AllPairs


def test_events_of_rare_spikes_are_their_number():
    activity = torch.zeros(3, 4000)
    activity[0, ::100] = 1.0
    activity[1] = torch.randn(4000)
    events = events_of(Session(activity, bin_size=0.1))
    assert events[0] == pytest.approx(40, rel=0.05)
    assert events[1] == pytest.approx(4000 / 3, rel=0.2)  # bins over the kurtosis of a normal distribution
    assert events[2] == 0


def test_kurtosis_is_that_of_scipy():
    stats = pytest.importorskip("scipy.stats")
    rows = torch.randn(5, 300).pow(3)
    rows -= rows.mean(1, keepdim=True)
    torch.testing.assert_close(kurtosis(rows), torch.from_numpy(stats.kurtosis(rows.double(), axis=1, fisher=False)))


def test_the_number_of_tested_pairs_is_their_count():
    for seed in range(20):
        events = 10 ** (3 * torch.rand(17, generator=torch.Generator().manual_seed(seed)))
        assert number_to_test(events, 900) == int(pairs_to_test(AllPairs(17), events, 900).sum())
    assert not pairs_to_test(AllPairs(2), torch.tensor([29.0, 900.0]), 900).any()
    assert pairs_to_test(AllPairs(2), torch.tensor([30.0, 150.0]), 900).tolist() == [[False, True], [True, False]]
