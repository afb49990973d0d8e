import numpy as np
import pytest
import torch

from synapsnet_pyg.analysis.propagation import MeasuredPropagation, propagation_agreement

NAMES = [f"n{k}" for k in range(12)]
QUICK = {"samples": 20, "permutations": 19}


def measured(seed: int = 0) -> MeasuredPropagation:
    random = np.random.default_rng(seed)
    responds = (random.uniform(size=(12, 12)) < 0.3).astype(float)
    responds[random.uniform(size=(12, 12)) < 0.2] = np.nan
    return MeasuredPropagation(NAMES, responds)


def auroc(score: np.ndarray, responds: np.ndarray) -> float:
    """By comparing every pair that responds with every other."""
    more = score[responds == 1][:, None] - score[responds == 0]
    return float((more > 0).mean() + 0.5 * (more == 0).mean())


def test_scores_are_those_of_all_comparisons_and_of_named_neurons_alone():
    atlas, order = measured(), [7, 2, 11, 5, 0, 9]
    score = torch.randn(8, 8)
    ids = ["unknown", *(NAMES[k] for k in order), "n3?"]
    found = propagation_agreement([score], [ids], atlas, least=1, **QUICK)
    own = score[1:7, 1:7].abs().numpy()
    responds = atlas.responds[np.ix_(order, order)]
    off = ~np.eye(6, dtype=bool)
    assert found.each[0] == pytest.approx(auroc(own[off], responds[off]))
    assert found.mean == pytest.approx(found.each[0])
    assert found.pairs == int((~np.isnan(responds[off])).sum())
    assert found.responding == int((responds[off] == 1).sum())
    assert found.error == 0


@pytest.mark.parametrize("ranked", [True, False])
def test_mean_is_of_the_sessions_that_have_a_pair(ranked):
    atlas = measured(1)
    ids = [NAMES[:9], NAMES[2:], NAMES[:11]]
    scores = [torch.randn(len(names), len(names)).abs() for names in ids]
    found = propagation_agreement(scores, ids, atlas, least=2, ranked=ranked, **QUICK)
    total, count = np.zeros((12, 12)), np.zeros((12, 12))
    for names, score in zip(ids, scores, strict=True):
        own, off = score.numpy(), ~np.eye(len(names), dtype=bool)
        if ranked:
            own = np.searchsorted(np.sort(own[off]), own, side="right") / off.sum()
        rows = np.ix_([NAMES.index(name) for name in names], [NAMES.index(name) for name in names])
        total[rows] += own
        count[rows] += 1
    kept = (count >= 2) & ~np.eye(12, dtype=bool) & ~np.isnan(atlas.responds)
    assert found.mean == pytest.approx(auroc((total / count.clip(1))[kept], atlas.responds[kept]))
    assert found.pairs == int(kept.sum())
    low, high = found.interval
    assert (low + high) / 2 == pytest.approx(found.mean)
    assert high - low == pytest.approx(2 * 1.96 * found.samples.std(ddof=1))


def test_a_score_of_the_truth_is_better_than_chance_and_than_noise():
    atlas = measured(2)
    noise = [torch.randn(12, 12) for _ in range(4)]
    truth = torch.from_numpy(np.nan_to_num(atlas.responds)).float()
    options = {"samples": 50, "permutations": 99}
    good = propagation_agreement([3 * truth + one for one in noise], [NAMES] * 4, atlas, **options)
    bad = propagation_agreement(noise, [NAMES] * 4, atlas, **options)
    assert good.mean > 0.9 > 0.65 > bad.mean
    assert good.p_value == pytest.approx(0.01)
    assert bad.p_value > 0.05
    difference, error = good.advantage(bad)
    assert difference == good.mean - bad.mean
    assert 0 < error < difference
    assert good.advantage(good) == (0, 0)


def test_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match=r"responses \[2, 2\] of 2 neurons"):
        MeasuredPropagation(["a", "b"], np.zeros((3, 3)))
    with pytest.raises(ValueError, match=r"of \[12\] neurons \(got \[\[3, 3\]\]\)"):
        propagation_agreement([torch.ones(3, 3)], [NAMES], measured())
    with pytest.raises(ValueError, match="in at least 3 sessions"):
        propagation_agreement([torch.ones(12, 12)], [NAMES], measured())
