"""Effects between neurons at several lags, given the past, given the same bin, and in reversed time."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from synapsnet_pyg.data.innovations import decay_of, innovations
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.data.windows import blocks
from synapsnet_pyg.metrics import principal_axes
from synapsnet_pyg.regression.pairs import AllPairs, PairMatrix, Pairs
from synapsnet_pyg.regression.shrinkage import shrink
from synapsnet_pyg.regression.symmetric_inverse import symmetric_inverse

BINS_PER_SIGNAL = 20
"""Fewest bins for each signal that is added to a regression."""
MAX_LAGS = 5
"""Largest number of past bins whose effects are estimated."""
FEWEST_BINS = 50
"""Fewest bins with which effects are estimated."""


class Estimate(NamedTuple):
    """Effects of all pairs and their standard errors, products of a factor of each receiver and each sender."""

    effect: PairMatrix
    """Effects of the pairs."""
    receiver: Tensor
    """Factor of each receiver [N]."""
    sender: Tensor
    """Factor of each sender [N]."""

    @property
    def error(self) -> Tensor:
        """Standard errors of the held pairs."""
        return self.effect.pairs.outer(self.receiver, self.sender)

    @property
    def z(self) -> PairMatrix:
        """Effects over their standard errors."""
        return self.effect.scaled(1 / self.receiver, 1 / self.sender)


@dataclass(frozen=True)
class Evidence:
    r"""Coefficients of one regression for every pair, at L lags, with what their errors need.

    The covariance of the coefficients of one pair over lags is :math:`\sigma_i^2 C_j / T`.
    """

    coefficients: tuple[PairMatrix, ...]
    """Effect of j, l bins earlier, on i, for each lag l."""
    variance: Tensor
    r"""Variance :math:`\sigma_i^2` of each receiver's errors [N]."""
    covariance: Tensor
    """Covariance C over lags of each sender's coefficients, without the factor of the receiver [N, L, L]."""

    def filtered(self, kernel: Tensor, bins: int) -> Estimate:
        r"""Returns the amplitude of a kernel over lags in each pair's coefficients, and its standard error.

        .. math::
            \hat e_{ij} = \frac{\kappa^\top C_j^{-1} D_{ij}}{\kappa^\top C_j^{-1} \kappa}, \qquad
            s_{ij}^2 = \frac{\sigma_i^2}{T\, \kappa^\top C_j^{-1} \kappa}

        Args:
            kernel: Kernel :math:`\kappa` over lags [L].
            bins: Number of bins T.
        """
        solved = torch.linalg.solve(self.covariance, kernel.expand(len(self.covariance), -1)[..., None])[..., 0]
        norm, one = solved @ kernel, torch.ones_like(self.variance)
        parts = zip(self.coefficients, (solved / norm[:, None]).t(), strict=True)
        first, *others = (coefficients.scaled(one, weight) for coefficients, weight in parts)
        for other in others:
            first = first.plus(other)
        return Estimate(first, (self.variance / bins).sqrt(), norm.rsqrt())

    def at_lag(self, lag: int, bins: int) -> Estimate:
        """Returns the effects at one lag, counted from 1, and their standard errors."""
        spread = self.covariance[:, lag - 1, lag - 1]
        return Estimate(self.coefficients[lag - 1], (self.variance / bins).sqrt(), spread.sqrt())


@dataclass(frozen=True)
class LaggedEffects:
    """Three regressions that bear on the same effects, and the partial correlation within the bin.

    Attributes:
        past: Regression of each neuron's bin on earlier bins of all neurons.
        present: The same with the other neurons' same bin as further inputs. An effect that is only the shadow of a
            common sender, which acts within the bin, vanishes here.
        reverse: Regression of each neuron's bin on later bins, the recording backwards. A symmetric relation, such as
            an unrecorded input to both, looks alike in both directions.
        reverse_present: The recording backwards with the other neurons' same bin as further inputs.
        same_bin: Partial correlation of two neurons in the same bin, given all other signals.
        errors: Errors of the regression on the past [N, T].
        unique: Unique activity of each sender one bin earlier: the part that no other input explains, scaled such that
            its mean product with an error is an effect [N, T].
        bins: Number of bins T.
        decay: Share of its value that activity keeps from bin to bin and that was taken out; 0: none.
    """

    past: Evidence
    present: Evidence
    reverse: Evidence
    reverse_present: Evidence
    same_bin: PairMatrix
    errors: Tensor
    unique: Tensor
    bins: int
    decay: float

    @property
    def pairs(self) -> Pairs:
        """Pairs whose effects are held."""
        return self.same_bin.pairs

    def without_series(self) -> "LaggedEffects":
        """Returns the effects without errors and unique activity, which take more memory than all else."""
        return replace(self, errors=self.errors[:, :0].clone(), unique=self.unique[:, :0].clone())

    @property
    def lags(self) -> int:
        """Number of lags L."""
        return len(self.past.coefficients)


def lagged_effects(session: Session) -> LaggedEffects:
    r"""Estimates the effects of all neurons on all others, at several lags, by least squares.

    With :math:`x = [a(t + 1); a(t); \ldots; a(t + 1 - L); k(t)]`, :math:`k` the known signals (behaviour, and smooth
    functions of signals shared by many neurons), and :math:`P = \langle x x^\top \rangle^{-1}`, all regressions are
    blocks of one inverse:

    .. math::
        D = -P_{00}^{-1} P_{0 \cdot} \quad \text{(given the past)}, \qquad
        -P_{ij} / P_{ii} \quad \text{(given the present, too)}

    and those of the reversed recording follow with the oldest block in place of the newest. Slow activity, such as
    that of a calcium indicator, is first freed of its decay: :math:`a(t) - \gamma\, a(t - 1)`, with :math:`\gamma` the
    median over neurons of the ratio of the autocorrelations at lags 2 and 1, which noise of the measurement does not
    change. The covariance is shrunk (Ledoit and Wolf 2004), by no more than the ratio of signals and bins: effects of a
    long recording are not biased.

    Args:
        session: Training part, standardised.

    Raises:
        ValueError: There are fewer than :data:`FEWEST_BINS` bins.

    References:
        Dahlhaus, Eichler and Sandkühler 1997 (partial correlations of point processes); Haufe, Nikulin, Müller and
        Nolte 2013 (time reversal).
    """
    stacks = _Stacks.of(session)
    N, T, lags = session.num_neurons, stacks.bins, stacks.lags
    mean, precision = stacks.precision(T)
    newest, oldest = slice(0, N), slice(N * lags, N * (lags + 1))
    earlier = [slice(N * lag, N * (lag + 1)) for lag in range(1, lags + 1)]
    later = [slice(N * (lags - lag), N * (lags - lag + 1)) for lag in range(1, lags + 1)]
    past, weights = _given_inputs(precision, newest, earlier)
    reverse, _ = _given_inputs(precision, oldest, later)
    scale = precision.diagonal()[:N].rsqrt()
    same_bin = (-precision[newest, newest] * torch.outer(scale, scale)).fill_diagonal_(0)
    present, reverse_present = _given_all(precision, newest, earlier), _given_all(precision, oldest, later)
    # Inverse covariance of all signals but the newest bin, rows of the senders one bin earlier.
    inverse = precision[N : 2 * N, N:] + precision[N : 2 * N, :N] @ weights
    maps = torch.cat([-weights, inverse]).to(session.activity)
    del precision, weights, inverse  # before the series are made, which are as large
    errors, unique = stacks.errors_and_unique(mean, maps, T)
    return LaggedEffects(
        past=past,
        present=present,
        reverse=reverse,
        reverse_present=reverse_present,
        same_bin=PairMatrix(AllPairs(N), same_bin),
        errors=errors,
        unique=unique,
        bins=T,
        decay=stacks.decay,
    )


def signals(session: Session, lags: int) -> tuple[list[Tensor], Tensor, float]:
    """Returns the signals of all regressions: activity at lags 0 to L [N, T] each, known signals [K, T], and the decay.

    Args:
        session: Training part, standardised.
        lags: Number of lags L.

    Raises:
        ValueError: There are fewer than :data:`FEWEST_BINS` bins.
    """
    stacks = _Stacks.of(session, lags)
    N = session.num_neurons
    whole = torch.cat(list(stacks), dim=1)
    return list(whole[: N * (lags + 1)].split(N)), whole[N * (lags + 1) :], stacks.decay


@dataclass(frozen=True)
class _Stacks:
    """Stacked signals of all regressions, about a thousand bins at a time.

    Attributes:
        session: Training part.
        activity: Its activity without decay [N, T].
        known: Known signals [K, T].
        lags: Number of lags L.
        decay: Decay that was taken out.
    """

    session: Session
    activity: Tensor
    known: Tensor
    lags: int
    decay: float

    @classmethod
    def of(cls, session: Session, lags: int | None = None) -> "_Stacks":
        """Prepares the signals; without a number of lags there are as many as the bins allow."""
        decay = decay_of(session)
        activity = innovations(session, decay)
        if decay > 0:
            activity = activity / activity.std(1, keepdim=True).clamp_min(1e-6)
        N, known = session.num_neurons, [session.behaviour.t()]
        room = session.num_bins // BINS_PER_SIGNAL - 2 * N - session.num_behaviours
        if room > 0:  # else there is no need to find them, which takes minutes in a large population
            functions = _shared_signals(session, activity)
            known += [functions] if len(functions) <= room else []
        others = sum(map(len, known))
        lags = lags or min(MAX_LAGS, max(1, (session.num_bins // BINS_PER_SIGNAL - others) // N - 1))
        stacks = cls(session, activity, torch.cat(known), lags, decay)
        if stacks.bins < FEWEST_BINS:
            raise ValueError(
                f"Expected at least {FEWEST_BINS} bins to test edges (session '{session.name}' has {stacks.bins} with "
                "their past); use a longer recording or longer segments."
            )
        return stacks

    @property
    def past(self) -> int:
        """Number of bins before each bin that are needed."""
        return self.lags + (self.decay > 0)

    @property
    def bins(self) -> int:
        """Number of bins T."""
        return sum(stop - start for start, stop in blocks(self.session, past=self.past))

    def __iter__(self) -> Iterator[Tensor]:
        """Yields the signals [M, chunk]: newest bin, L earlier bins, known signals; short trials side by side."""
        trials: list[Tensor] = []
        for begin, end in blocks(self.session, past=self.past):
            for start in range(begin, end, 1024):
                stop = min(start + 1024, end)
                rows = [self.activity[:, start - lag : stop - lag] for lag in range(self.lags + 1)]
                trials.append(torch.cat([*rows, self.known[:, start - 1 : stop - 1]]))
                if sum(part.shape[1] for part in trials) >= 1024:
                    yield torch.cat(trials, 1)
                    trials = []
        if trials:
            yield torch.cat(trials, 1)

    def precision(self, bins: int) -> tuple[Tensor, Tensor]:
        """Returns the mean [M, 1] and the inverse covariance [M, M] of all signals."""
        M = len(self.activity) * (self.lags + 1) + len(self.known)
        total = self.activity.new_zeros(M, dtype=torch.float64)
        product = self.activity.new_zeros(M, M, dtype=torch.float64)
        for stack in self:
            total += stack.sum(1, dtype=total.dtype)
            product += (stack @ stack.t()).double()
        mean = total / bins
        covariance = product.div_(bins).addr_(mean, mean, alpha=-1)
        centre = mean[:, None].to(self.activity)
        fourth = sum(float((stack - centre).square().sum(0).double().square().sum()) for stack in self) / bins
        shrunk = shrink(covariance, fourth, bins, largest=min(1.0, M / bins))
        shrunk.diagonal().add_(1e-6)
        del product, covariance
        return centre, symmetric_inverse(shrunk)

    def errors_and_unique(self, mean: Tensor, maps: Tensor, bins: int) -> tuple[Tensor, Tensor]:
        """Returns the errors of the regression on the past, and the unique activity one bin earlier, [N, T] each.

        Args:
            mean: Mean of all signals [M, 1].
            maps: Minus the coefficients of the regression on all signals but the newest bin, and the inverse
                covariance of these, rows of the senders one bin earlier [2N, M - N].
            bins: Number of bins T.
        """
        N = len(self.activity)
        result = self.activity.new_empty(2 * N, bins)
        first = 0
        for stack in self:
            centred = stack - mean
            part = maps @ centred[N:]
            part[:N] += centred[:N]
            result[:, first : first + stack.shape[1]] = part
            first += stack.shape[1]
        return result[:N], result[N:]


def _given_inputs(precision: Tensor, target: slice, senders: list[slice]) -> tuple[Evidence, Tensor]:
    """Returns the regression of one block of signals on all others: evidence, and coefficients of all inputs."""
    keep = torch.ones(len(precision), dtype=torch.bool)
    keep[target] = False
    inside, inverse = precision[target], symmetric_inverse(precision[target, target])
    coefficients = (inverse @ inside).neg_()
    # Inverse covariance of the inputs alone: the diagonals of P_ab - P_a0 P_00^-1 P_0b.
    removed = [torch.stack([(inside[:, a] * coefficients[:, b]).sum(0) for b in senders], -1) for a in senders]
    blocks_of_inverse = _over_lags(precision, senders) + torch.stack(removed, -2)
    variance = inverse.diagonal()
    evidence = Evidence(_matrices([coefficients[:, block] for block in senders]), variance, blocks_of_inverse)
    return evidence, coefficients[:, keep]


def _given_all(precision: Tensor, target: slice, senders: list[slice]) -> Evidence:
    """Returns the regression of each signal of a block on all other signals, the block's own included."""
    own = precision[target, target].diagonal()
    coefficients = _matrices([-precision[target, block] / own[:, None] for block in senders])
    return Evidence(coefficients, 1 / own, _over_lags(precision, senders))


def _matrices(coefficients: list[Tensor]) -> tuple[PairMatrix, ...]:
    """Returns coefficients of all pairs [N, N], at each lag."""
    return tuple(PairMatrix(AllPairs(len(matrix)), matrix) for matrix in coefficients)


def _over_lags(precision: Tensor, senders: list[slice]) -> Tensor:
    """Returns the entries of each sender with itself at all pairs of lags [N, L, L]."""
    return torch.stack([torch.stack([precision[a, b].diagonal() for b in senders], -1) for a in senders], -2)


def _shared_signals(session: Session, activity: Tensor, components: int = 4, memory: float = 3.0) -> Tensor:
    """Returns signals shared by many neurons [F, T]: slow components, their pairwise products and their cubes.

    Components are principal components of smoothed activity and of behaviour. Products and cubes are needed because the
    response of neurons to a shared signal may be nonlinear, which a linear model cannot remove from the effects.

    Args:
        session: Training part.
        activity: Its activity, or innovations [N, T].
        components: Number of principal components of activity, and of behaviour.
        memory: Time constant of the smoothing in bins.
    """
    kernel = torch.exp(-torch.arange(5 * round(memory) - 1, -1, -1) / memory).to(activity)
    slow = torch.zeros_like(activity)
    for start, stop in session.segment.tolist():
        padded = torch.nn.functional.pad(activity[:, start:stop], (len(kernel) - 1, 0))
        slow[:, start:stop] = torch.nn.functional.conv1d(padded[:, None], kernel[None, None])[:, 0]
    # With few neurons, components would contain nearly all of their activity.
    few = min(components, session.num_neurons // 10)
    series = torch.cat([_leading(slow, few), _leading(session.behaviour.t(), components)])
    first, second = torch.triu_indices(len(series), len(series))
    functions = torch.cat([series, series[first] * series[second], series**3])
    return functions / functions.square().mean(1, keepdim=True).sqrt().clamp_min(1e-6)


def _leading(series: Tensor, components: int) -> Tensor:
    """Returns the leading principal components of time series [C, T], each with standard deviation 1."""
    centred = series - series.mean(1, keepdim=True)
    leading = principal_axes(centred, components).to(series) @ centred
    return leading / leading.square().mean(1, keepdim=True).sqrt().clamp_min(1e-6)
