import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from synapsnet_pyg.analysis.agreement import wiring_agreement
from synapsnet_pyg.metrics import connectivity_score


def matrices(N: int = 15, seed: int = 0):
    random = np.random.default_rng(seed)
    wiring = random.poisson(0.6, (N, N)).astype(float)
    return torch.from_numpy(wiring * 0.3 + random.standard_normal((N, N))), wiring, random.random((N, N))


def test_equals_the_scores_known_from_elsewhere():
    weight, wiring, distance = matrices()
    off = ~np.eye(15, dtype=bool)
    found = wiring_agreement([weight], [wiring], [distance], permutations=9)
    expected = connectivity_score(weight.abs(), torch.from_numpy(wiring))
    assert found.mean[0] == pytest.approx(expected.auroc)
    assert found.mean[1] == pytest.approx(spearmanr(weight.abs().numpy()[off], wiring[off]).statistic)
    ranks = [spearmanr(a[off], b[off]).statistic for a, b in
             ((weight.abs().numpy(), wiring), (weight.abs().numpy(), distance), (wiring, distance))]  # fmt: skip
    partial = (ranks[0] - ranks[1] * ranks[2]) / np.sqrt((1 - ranks[1] ** 2) * (1 - ranks[2] ** 2))
    assert found.mean[2] == pytest.approx(partial)


def test_agreement_that_is_there_is_found_and_one_that_is_not_is_not():
    _, wiring, _ = matrices()
    strong = wiring_agreement([torch.from_numpy(-wiring)], [wiring], permutations=99)
    assert strong.mean[0] == pytest.approx(1)
    assert strong.mean_p[0] == pytest.approx(0.01)
    assert np.isnan(strong.mean[2])
    p = [
        wiring_agreement([matrices(seed=s)[0]], [matrices(seed=100 + s)[1]], permutations=99).mean_p[1]
        for s in range(20)
    ]
    assert 0.2 < np.mean(p) < 0.8


def test_sessions_are_averaged():
    one, other = matrices(9, 1), matrices(11, 2)
    both = wiring_agreement([one[0], other[0]], [one[1], other[1]], permutations=9)
    alone = [wiring_agreement([weight], [wiring], permutations=9).mean for weight, wiring, _ in (one, other)]
    np.testing.assert_allclose(both.each, alone)
    np.testing.assert_allclose(both.mean, np.mean(alone, 0))


def test_wrong_shapes_are_told():
    weight, wiring, _ = matrices()
    with pytest.raises(ValueError, match="one wiring"):
        wiring_agreement([weight], [wiring[:4, :4]])
    with pytest.raises(ValueError, match="one wiring"):
        wiring_agreement([weight, weight], [wiring])
