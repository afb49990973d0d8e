import numpy as np
import pytest

from synapsnet_pyg.analysis.block_errors import block_means

SIZES = (3, 6, 12)
CODE = np.repeat(np.arange(3), SIZES)
LABEL = np.eye(3)[CODE]
N = len(CODE)


def drawn(random, *, receivers=0.0, senders=0.0, pairs=1.0):
    """Weights whose neurons differ, without any mean."""
    weight = pairs * random.standard_normal((N, N))
    return weight + receivers * random.standard_normal((N, 1)) + senders * random.standard_normal((1, N))


def test_by_hand():
    weight = np.array([[9.0, 1.0, 2.0], [3.0, 9.0, 5.0], [6.0, 7.0, 9.0]])
    result = block_means(weight, np.eye(2)[[0, 0, 1]], np.full((3, 3), 0.5))
    assert result.mean.tolist()[0] == [2.0, 3.5]
    assert result.mean[1, 0] == 6.5
    assert np.isnan([result.mean[1, 1], result.error[1, 1], result.freedom[1, 1]]).all()
    low, high = result.interval()
    assert (low + high)[0, 0] == pytest.approx(4.0)
    assert result.error[0, 0] == pytest.approx(0.5 / 2**0.5)  # two pairs, nothing shared


def test_loops_over_pairs_give_the_same_variance_between_neurons():
    weight = drawn(np.random.default_rng(1), receivers=1.0, senders=2.0)
    result = block_means(weight, LABEL)
    for g, h in ((1, 2), (0, 1)):
        rows, columns = np.flatnonzero(g == CODE), np.flatnonzero(h == CODE)
        block = weight[np.ix_(rows, columns)]
        u = block - block.mean()
        cluster = len(rows) / (len(rows) - 1) * sum(u[i].sum() ** 2 for i in range(len(rows)))
        cluster += len(columns) / (len(columns) - 1) * sum(u[:, j].sum() ** 2 for j in range(len(columns)))
        variance = max((cluster - (u**2).sum()) / u.size**2, (u**2).sum() / u.size / (u.size - 1))
        assert result.error[g, h] ** 2 == pytest.approx(variance)
    rows = np.flatnonzero(CODE == 2)
    n, pairs = len(rows), len(rows) * (len(rows) - 1)
    block = weight[np.ix_(rows, rows)]
    u = np.where(np.eye(n, dtype=bool), 0, block - block[~np.eye(n, dtype=bool)].mean())
    of_neuron = sum((u[i].sum() + u[:, i].sum()) ** 2 for i in range(n)) * n / (n - 1)
    mutual = sum((u[i, k] + u[k, i]) ** 2 for i in range(n) for k in range(i))
    assert result.error[2, 2] ** 2 == pytest.approx((of_neuron - mutual) / pairs**2)


@pytest.mark.parametrize(
    "differences", [{}, {"receivers": 0.5, "senders": 0.5}, {"senders": 1.0}], ids=["none", "both", "senders"]
)
def test_intervals_cover_the_mean_of_the_model(differences):
    random, mean = np.random.default_rng(0), np.array([[0.0, 0.3, -0.2], [0.1, 0.5, 0.0], [0.0, 0.0, 1.0]])
    covered = []
    for _ in range(300):
        low, high = block_means(mean[CODE][:, CODE] + drawn(random, **differences), LABEL).interval()
        covered.append((low <= mean) & (mean <= high))
    coverage = np.mean(covered, axis=0)
    assert coverage.min() > 0.84  # groups of three neurons
    assert coverage[1:, 1:].min() > 0.88
    assert 0.92 < coverage.mean() < 0.99


def test_intervals_of_independent_pairs_would_be_too_short():
    random, covered = np.random.default_rng(0), []
    for _ in range(300):
        weight = drawn(random, senders=1.0)
        block = weight[CODE == 2][:, CODE == 1]
        covered.append(abs(block.mean()) < 1.96 * block.std(ddof=1) / block.size**0.5)
    assert np.mean(covered) < 0.6


@pytest.mark.parametrize("shared", [0.0, 0.15])
def test_noise_that_pairs_share_does_not_make_blocks(shared):
    """Without any effect, errors of the same receiver or sender are correlated."""
    random, p = np.random.default_rng(0), []
    for _ in range(150):
        left, right = (
            np.eye(N) + shared * random.standard_normal((N, 4)) @ random.standard_normal((4, N)) for _ in range(2)
        )
        error = np.sqrt(np.outer(np.square(left).sum(1), np.square(right).sum(0)))
        weight = left @ random.standard_normal((N, N)) @ right
        p.append(block_means(weight, LABEL, error).p_value)
    assert np.mean(np.array(p) <= 0.05) < 0.06
    assert np.mean(np.array(p) <= 0.5) > 0.3


def test_duplicated_neurons_are_no_new_evidence():
    random = np.random.default_rng(3)
    weight, error = random.standard_normal((N, N)) + 0.4, np.ones((N, N))
    once = block_means(weight, LABEL, error)
    twice = block_means(np.tile(weight, (2, 2)), np.tile(LABEL, (2, 1)), np.tile(error, (2, 2)))
    off = ~np.eye(3, dtype=bool)
    assert twice.mean[off] == pytest.approx(once.mean[off])
    ratio = (twice.error / once.error)[off]  # independent pairs would give 0.5
    assert ratio.min() > 0.6
    assert ratio.mean() > 0.8


def test_one_neuron_has_the_error_of_its_own_weights():
    weight = np.random.default_rng(0).standard_normal((9, 9)) + 1
    label = np.eye(2)[[0, *[1] * 8]]
    result = block_means(weight, label)
    own = weight[1:, 0]
    assert result.error[1, 0] == pytest.approx(own.std(ddof=1) / 8**0.5)
    assert result.freedom[1, 0] == 7
    assert np.isnan(result.error[0, 0])


def test_weights_without_variation_have_no_p_value():
    result = block_means(np.ones((N, N)), LABEL)
    assert np.isnan(result.p_value).all()
