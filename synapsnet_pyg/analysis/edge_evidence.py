"""Evidence of every pair in a recording: tests of one kernel and of single lags, and stability of the sign."""

from typing import NamedTuple

import torch
from torch import Tensor

from synapsnet_pyg.analysis.candidate_effects import candidate_effects
from synapsnet_pyg.analysis.edge_tests import (
    EdgeTests,
    Standardised,
    effects_by_sign,
    inflation_of,
    population_kernel,
    run_tests,
    standardise,
)
from synapsnet_pyg.analysis.lagged_effects import LaggedEffects, lagged_effects
from synapsnet_pyg.analysis.rare_pairs import kurtosis
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.files import release_memory
from synapsnet_pyg.nn.functional_connectivity import MOST_DENSE
from synapsnet_pyg.progress import steps
from synapsnet_pyg.regression.candidate_edges import candidate_edges
from synapsnet_pyg.regression.pairs import PairMatrix, Pairs

_BOOTSTRAP_BLOCKS = 50


class LagTest(NamedTuple):
    """Result of the tests at a single lag, without their matrices."""

    z: Tensor
    """Weakest of the three values of each pair."""
    share: float
    """Share of edges, as far as they stand out."""

    @classmethod
    def of(cls, tests: EdgeTests) -> "LagTest":
        """Takes it from the tests, whose matrices need not stay in memory."""
        mixture = tests.past.mixture
        return cls(tests.weakest(), mixture.density * min(1.0, mixture.edge_variance / 10))


class EdgeEvidence(NamedTuple):
    """Values of every pair that its statistics are computed from; the regressions need not stay in memory."""

    pairs: Pairs
    """Pairs whose values are held."""
    past: Standardised
    """Effects summed over lags, given the past."""
    weakest: Tensor
    """Weakest of the three values of each pair, summed over lags."""
    lags: list[LagTest]
    """Tests of single lags, none if there is one lag only."""
    backwards: Tensor
    """Weakest of the three values in the recording backwards."""
    signed: Standardised
    """Effects with one kernel for each sign."""
    spread: Tensor
    """Their standard errors, without the deviation of pairs without an edge."""
    partial_correlation: Tensor
    """Partial correlation of two neurons within the bin."""
    same_bin: Standardised
    """Partial correlations over their errors."""
    excess: Tensor
    """Excess kurtosis of the sum over bins of which each value is made."""
    stability: Tensor
    """Share of block-bootstrap samples in which an effect keeps its sign."""
    kernel: Tensor
    """Kernel over lags that the edges share [L]."""
    decay: float
    """Share of its value that activity keeps from bin to bin and that was taken out; 0: none."""


def edge_evidence(session: Session, learned: Tensor | None = None, *, resamples: int, seed: int) -> EdgeEvidence:
    """Tests every pair, or the candidates of a large population.

    Args:
        session: Training part, standardised.
        learned: Connectivity of a model :math:`(N, N)`; the edges of a sparse one are the candidates.
        resamples: Number of block-bootstrap samples.
        seed: Seed of the samples.

    Raises:
        ValueError: The session is too short.
    """
    effects = _effects(session, learned)
    release_memory()
    pairs = effects.pairs
    inflation = inflation_of(effects, _trial(session, effects.bins))
    kernel = population_kernel(effects)
    summed = run_tests(effects, kernel, inflation)
    excess = pairs.outer(kurtosis(effects.errors), kurtosis(effects.unique)) / effects.bins
    stability = _sign_stability(effects, summed.past.z, resamples, seed)
    effects = effects.without_series()
    release_memory()
    single = list(range(1, effects.lags + 1)) if effects.lags > 1 else []
    lags = [LagTest.of(run_tests(effects, lag, inflation)) for lag in steps("test edges", single)]
    signed, spread = summed.past, summed.error
    if effects.lags > 1:
        total, spread = effects_by_sign(effects, summed, kernel)
        spread = spread * inflation.values(pairs)
        signed = standardise(PairMatrix(pairs, total / spread))
    root = torch.full_like(effects.past.variance, effects.bins**0.25)
    return EdgeEvidence(
        pairs=pairs,
        past=summed.past,
        weakest=summed.weakest(),
        lags=lags,
        backwards=run_tests(effects, kernel, inflation, forwards=summed).weakest(),
        signed=signed,
        spread=spread,
        partial_correlation=effects.same_bin.values,
        same_bin=standardise(effects.same_bin.scaled(root, root)),
        excess=excess,
        stability=stability,
        kernel=kernel,
        decay=effects.decay,
    )


def _effects(session: Session, learned: Tensor | None) -> LaggedEffects:
    """Returns the effects of all pairs, or of the candidates of a large population."""
    if session.num_neurons <= MOST_DENSE if learned is None else not learned.is_sparse:
        return lagged_effects(session)
    candidates = candidate_edges(session) if learned is None else learned.coalesce().indices().flip(0)
    return candidate_effects(session, candidates)


def _trial(session: Session, bins: int) -> int:
    """Returns the length of a trial in bins, if there are 20 or more of equal length; else 1."""
    length = session.segment[:, 1] - session.segment[:, 0]
    return bins // len(length) if len(length) >= 20 and bool((length == length[0]).all()) else 1


def _sign_stability(effects: LaggedEffects, past: Tensor, resamples: int, seed: int) -> Tensor:
    """Returns the share of block-bootstrap samples in which an effect keeps its sign.

    A sample draws blocks of time with replacement. Its deviation from the effect is scaled such that it is as large as
    the standard error, which unrecorded influences increase.
    """
    pairs, T = effects.pairs, effects.bins
    count = min(_BOOTSTRAP_BLOCKS, T // 2)
    random = torch.Generator().manual_seed(seed)
    drawn = torch.randint(count, (resamples, count), generator=random)
    times = torch.zeros(resamples, count).scatter_add_(1, drawn, torch.ones(resamples, count))
    series = list(zip(effects.errors.tensor_split(count, 1), effects.unique.tensor_split(count, 1), strict=True))
    stability = torch.zeros_like(past, dtype=torch.float32)
    for receivers in torch.arange(pairs.num_neurons).split(16):
        part = pairs.of_receivers(int(receivers[0]), int(receivers[-1]) + 1)
        sums = torch.stack([pairs.of_rows(a[receivers] @ b.t(), receivers) for a, b in series])
        sums = sums - sums.mean(0)
        # Blocks that are drawn at random have this deviation.
        z, spread = past[part].to(sums), sums.square().sum(0).sqrt().clamp_min(1e-12)
        change = torch.tensordot(times, sums * (z.sign() / spread), dims=1)  # towards the other sign below zero
        stability[part] = (change >= -z.abs()).sum(0, dtype=torch.int32) / resamples
    return stability.double()
