import math

import pytest
import torch

from synapsnet_pyg.metrics import correlation, squared_error
from synapsnet_pyg.models.forecasting import SessionForecast
from synapsnet_pyg.runs.score_intervals import BlockBootstrap, score_series
from synapsnet_pyg.runs.time_blocks import time_blocks

N = 4


def slow(rows: int, bins: int, a: float, random: torch.Generator) -> torch.Tensor:
    """Autoregressive processes of unit variance [rows, bins]."""
    noise = torch.randn(bins, rows, generator=random)
    values = [noise[0]]
    for row in noise[1:]:
        values.append(a * values[-1] + (1 - a * a) ** 0.5 * row)
    return torch.stack(values, dim=1)


def bootstrap(truth, *, samples: int = 300, segment=None, **forecasts) -> BlockBootstrap:
    bins = torch.arange(truth.shape[1])
    segment = torch.tensor([[0, truth.shape[1]]]) if segment is None else segment
    made = {name: SessionForecast(bins, truth, forecast) for name, forecast in forecasts.items()}
    return BlockBootstrap(made, torch.ones(len(truth), dtype=torch.bool), segment, least=5, samples=samples)


def coverage(repeats: int, bins: int, a: float) -> tuple[float, float, float]:
    """Shares of repeats in which intervals hold the true correlation and error, and in which equal models differ."""
    random = torch.Generator().manual_seed(0)
    signal, noise, other = (slow(N * repeats, bins, a, random) for _ in range(3))
    common = slow(repeats, bins, a, random).repeat_interleave(N, 0)
    truth, one, two = signal + common, 0.5 * (signal + noise), 0.5 * (signal + other)
    hits = torch.zeros(3)
    for k in range(repeats):
        rows = slice(k * N, (k + 1) * N)
        drawn = bootstrap(truth[rows], one=one[rows], two=two[rows], samples=200)
        r, mse = drawn.interval("one")
        hits += torch.tensor([r.low < 0.5 < r.high, mse.low < 1.5 < mse.high, drawn.compare("one", "two").mse.p < 0.05])
    return tuple((hits / repeats).tolist())


def test_intervals_hold_the_truth_as_often_as_they_say():
    r, mse, false = coverage(100, bins=300, a=0.7)
    assert r >= 0.86
    assert mse >= 0.86
    assert false <= 0.15


@pytest.mark.slow
@pytest.mark.parametrize("a", [0.0, 0.7, 0.95])
def test_coverage_of_many_sessions(a):
    r, mse, false = coverage(400, bins=1500, a=a)
    assert 0.90 <= r <= 0.98
    assert 0.89 <= mse <= 0.98
    assert false <= 0.09


def test_scores_from_sums_are_those_of_the_bins_themselves():
    random = torch.Generator().manual_seed(1)
    truth, forecast = (torch.randn(N, 60, generator=random).double() for _ in range(2))
    forecast[2] = 0.3  # constant: correlation 0
    drawn = bootstrap(truth, samples=6, one=forecast)
    block = time_blocks(torch.arange(60), torch.tensor([[0, 60]]), drawn.length)
    B = drawn.blocks
    picks = torch.randint(B, (6, B), generator=torch.Generator().manual_seed(0))
    for sample, pick in zip(drawn._samples["one"], picks, strict=True):
        bins = torch.cat([torch.nonzero(block == b).flatten() for b in pick])
        expected = torch.stack(
            [metric(truth[:, bins], forecast[:, bins]).mean() for metric in (correlation, squared_error)]
        )
        torch.testing.assert_close(sample, expected)


def test_the_series_is_the_influence_of_each_bin():
    random = torch.Generator().manual_seed(2)
    truth, forecast = (torch.randn(N, 50, generator=random).double() for _ in range(2))
    series = score_series(truth, forecast)
    assert abs(float(series.mean())) < 1e-12
    for t in (3, 41):  # the change of the score when a bin is left out, to first order
        kept = torch.arange(50) != t
        change = correlation(truth, forecast).mean() - correlation(truth[:, kept], forecast[:, kept]).mean()
        assert float(change) == pytest.approx(float(series[t]) / 50, abs=0.01)


def test_a_better_model_is_found_and_a_model_against_itself_is_not():
    random = torch.Generator().manual_seed(3)
    truth = slow(N, 500, 0.8, random)
    noise = slow(2 * N, 500, 0.8, random)
    drawn = bootstrap(truth, good=0.5 * truth + noise[:N], bad=0.2 * truth + noise[N:])
    better = drawn.compare("good", "bad")
    assert better.correlation.interval.low > 0
    assert better.correlation.p < 0.05
    assert drawn.compare("good", "good").correlation.p == 1.0
    swapped = drawn.compare("bad", "good")
    assert swapped.correlation.value == pytest.approx(-better.correlation.value)
    assert swapped.mse.p == pytest.approx(better.mse.p)


def test_without_neurons_or_with_one_block_there_is_no_interval():
    truth = torch.randn(N, 8)
    nobody = SessionForecast(torch.arange(8), truth, truth)
    empty = BlockBootstrap({"one": nobody}, torch.zeros(N, dtype=torch.bool), torch.tensor([[0, 8]]))
    assert math.isnan(empty.interval("one").correlation.low)
    assert math.isnan(empty.compare("one", "one").mse.p)
