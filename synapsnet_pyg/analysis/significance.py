"""Significance of edges: standard errors, p-values, posterior means, and the share of calls that is expected false."""

from dataclasses import dataclass

import torch
from torch import Tensor

from synapsnet_pyg.analysis.edge_evidence import LagTest, edge_evidence
from synapsnet_pyg.analysis.edge_tests import combined_p, mixture_of, two_sided
from synapsnet_pyg.analysis.false_discovery import benjamini_hochberg
from synapsnet_pyg.analysis.pair_mixture import pair_posterior_mean
from synapsnet_pyg.analysis.rare_pairs import (
    FEWEST_COINCIDENCES,
    FEWEST_EVENTS,
    events_of,
    number_to_test,
    pairs_to_test,
)
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.files import release_memory
from synapsnet_pyg.nn.current_conv import sparse_matrix
from synapsnet_pyg.nn.functional_connectivity import MOST_DENSE
from synapsnet_pyg.regression.pairs import Pairs, SomePairs


@dataclass(frozen=True)
class EdgeSignificance:
    """Statistics of every edge.

    Values of pairs are matrices [N, N], ``[i, j]`` of the edge from j to i; the diagonal and pairs that were not tested
    are NaN. Of a large population they are vectors [E], of the candidates in ``edge_index`` alone; all other pairs
    count as tested and not significant.

    Attributes:
        effect: Effect of j on i before shrinkage, summed over lags.
        error: Standard error of the effect.
        p_value: Probability, if there is no edge, of evidence at least as strong in all three tests, two-sided.
        q_value: Smallest false discovery rate at which the edge is significant (Benjamini and Hochberg).
        edge_probability: Posterior probability of an edge (empirical Bayes).
        posterior_mean: Posterior mean of the effect, shrunk towards zero where evidence is weak.
        sign_stability: Share of block-bootstrap samples in which the effect has the same sign, 0.5 (chance) to 1.
        lag: Number of bins after which the edge acts most clearly, 1 or more.
        same_bin: Partial correlation within the bin, symmetric: coupling whose direction the data do not tell.
        same_bin_q: Smallest false discovery rate at which the pair is coupled within the bin.
        reverse_p: p-values of the recording backwards where no edge explains them, NaN elsewhere.
        kernel: Kernel over lags that the edges share, 1 at the largest lag [L].
        density: Share of the pairs that are edges.
        null_deviation: Standard deviation of the effects of pairs without an edge, in standard errors. It is 1 if
            chance alone moves these effects, and larger if unrecorded influences do.
        latents: Number of signals shared by many neurons that the recorded neurons do not explain; effects are without
            them.
        rare: Number of neurons with too few events to be tested.
        decay: Share of its value that activity keeps from bin to bin and that was taken out; 0: none.
        tested: Number of tested pairs.
        num_neurons: Number of neurons N.
        edge_index: Sender and receiver of the candidates [2, E]; None: values are matrices of all pairs.
    """

    effect: Tensor
    error: Tensor
    p_value: Tensor
    q_value: Tensor
    edge_probability: Tensor
    posterior_mean: Tensor
    sign_stability: Tensor
    lag: Tensor
    same_bin: Tensor
    same_bin_q: Tensor
    reverse_p: Tensor
    kernel: Tensor
    density: float
    null_deviation: float
    latents: int
    rare: int
    decay: float
    tested: int
    num_neurons: int
    edge_index: Tensor | None = None

    def edges(self, rate: float = 0.05) -> Tensor:
        """Returns the pairs with a significant edge, booleans [N, N], or [E] of candidates.

        Args:
            rate: False discovery rate, the expected share of false ones among these edges.
        """
        return self.q_value.nan_to_num(1.0) <= rate

    def expected_false(self, rate: float = 0.05) -> float:
        """Returns the share of the edges called at a rate that this recording lets expect to be false, 0 to 1.

        An edge acts forwards in time. In the recording backwards, calls at the same threshold that no edge explains
        are false, and unrecorded influences make as many of them backwards as forwards. The share is that of these
        calls, or the rate itself if it is larger; 0 without edges.

        Args:
            rate: False discovery rate of the edges.
        """
        called = self.edges(rate)
        count = int(called.sum())
        if count == 0:
            return 0.0
        threshold = float(self.p_value[called].max())
        false = int((self.reverse_p <= threshold).sum())
        return min(1.0, max(rate, false / count))

    def trusted(self, rate: float = 0.05) -> bool:
        """Returns True if edges called at a rate may be called significant: not above twice the rate is false."""
        return self.expected_false(rate) <= 2 * rate

    def message(self, rate: float = 0.05) -> str:
        """Returns sentences on the edges at a rate, how many are expected to be false, and what is not tested.

        Args:
            rate: False discovery rate of the edges.
        """
        coupled, called = self.same_bin_q <= rate, self.edges(rate)
        sentences = [self.called_sentence(rate)]
        if bool(coupled.any()):
            both = f", {int((coupled & called).sum())} of the edges among them" if bool(called.any()) else ""
            sentences.append(
                f"{int(coupled.sum()) // 2} pairs are coupled within the bin (by an effect faster than the bin, whose "
                f"direction the recording does not tell, or by a common input){both}."
            )
        if untested := self.num_neurons * (self.num_neurons - 1) - self.tested:
            events = f"fewer than {FEWEST_EVENTS:g} events, spikes or bins that stand out"
            rare = f"; {self.rare} neurons have {events}" if self.rare else ""
            sentences.append(
                f"{untested} pairs were not tested, because their neurons are active too rarely (chance brings about "
                f"fewer than {FEWEST_COINCIDENCES:g} coincidences of a pair{rare}): nothing is known about these."
            )
        return " ".join(sentences)

    def called_sentence(self, rate: float = 0.05) -> str:
        """Returns a sentence on the number of edges at a rate, and how many of them are expected to be false.

        Args:
            rate: False discovery rate of the edges.
        """
        count, share, percent = int(self.edges(rate).sum()), self.expected_false(rate), f"{100 * rate:g} %"
        if count == 0:
            return (
                f"No edge is significant: none of {self.tested} tested pairs, at a false discovery rate of {percent}."
            )
        if not self.trusted(rate):
            return (
                f"{count} of {self.tested} tested pairs pass the tests at a false discovery rate of {percent}, but of "
                f"100 edges called here about {100 * share:.0f} are expected to be false, because unrecorded "
                "influences make calls in the recording backwards, too: they cannot be trusted one by one."
            )
        called = f"{count} of {self.tested} tested pairs are significant edges at a false discovery rate of {percent}"
        if count * rate < 1:  # a single call in the recording backwards would be a larger share than the rate
            return f"{called}: too few to measure on this recording how many of them are false."
        return f"{called}. Of 100 edges called here about {100 * share:.0f} are expected to be false."

    def matrix(self, values: Tensor) -> Tensor:
        """Returns values of pairs as a matrix [N, N], a sparse one (``torch.sparse_coo``) of candidates."""
        if self.edge_index is None:
            return values
        return sparse_matrix(self.edge_index, values, self.num_neurons, ordered=True)

    def require_all_pairs(self, purpose: str) -> "EdgeSignificance":
        """Returns itself, or raises a ValueError if candidates alone were tested.

        Args:
            purpose: What needs tests of all pairs, in words.
        """
        if self.edge_index is not None:
            raise ValueError(
                f"Expected at most {MOST_DENSE} neurons for {purpose}, which take tests of all pairs (got "
                f"{self.num_neurons}); choose neurons with 'synapsnet convert', such as those of one area."
            )
        return self

    def edge_fields(self) -> dict[str, Tensor]:
        """Returns column -> values [N, N] of the statistics of tables and files; sparse ones of a large population.

        Values of a pair that was not tested are NaN, and ``tested`` is false.
        """
        names = ("posterior_mean", "effect", "error", "p_value", "q_value", "edge_probability", "sign_stability")
        fields = {name: getattr(self, name) for name in (*names, "lag", "same_bin", "same_bin_q")}
        return {name: self.matrix(values) for name, values in {"tested": self.p_value.isfinite(), **fields}.items()}


def edge_significance(
    session: Session, *, learned: Tensor | None = None, resamples: int = 100, seed: int = 0
) -> EdgeSignificance:
    r"""Tests every edge of a recording.

    .. math::
        D_{ij} = \frac{1}{T} \sum_t a_i(t + 1)\, \tilde a_j(t), \qquad
        s_{ij}^2 = \frac{1}{T} \langle r_i^2 \rangle \langle \tilde a_j^2 \rangle, \qquad
        z_{ij} = \frac{D_{ij} - H_{ij}}{s_{ij}\, n_{ij}\, \nu}

    with :math:`r` the errors of the best linear forecast and :math:`\tilde a_j` the unique activity of sender j, the
    part that no other input explains: earlier bins of all neurons, behaviour, and smooth functions of signals shared by
    many neurons. :math:`D` is free of the bias of penalties. It is the same for every model whose forecast is linear in
    these inputs, so that no model is needed. If bins are short, effects are summed over lags with the kernel that the
    edges of the recording share; effect, error and posterior mean have one kernel for each sign.

    Three corrections make z standard normal for pairs without an edge: **slow activity**, with n the deviation under
    circular shifts of the sender; **common drive**, a matrix H of low rank from unrecorded signals shared by many; and
    **other unrecorded influences**, with :math:`\nu \ge 1` the deviation of pairs without an edge (Efron 2004).

    An edge must pass three tests with one sign, and its p-value is the largest of them:

    1. *Past*: it forecasts the receiver, given the past of all recorded neurons.
    2. *Present*: it still does, given the same bin of all other neurons as well. Two neurons with a common sender that
       acts within the bin fail here.
    3. *Contrast*: the effect exceeds that of the recording backwards. Neurons with a common input that was not recorded
       are related in both directions, and fail here.

    This costs power: a true edge needs an effect about 1.4 times as large. The p-values are those of Student's t with
    the kurtosis of the sum over bins, because sums over few coincidences of rare spikes have heavy tails. Neurons with
    fewer than 30 events, and pairs with fewer than 5 expected coincidences, are not tested
    (:mod:`~synapsnet_pyg.analysis.rare_pairs`). With several lags each lag is tested too, and the p-values are
    combined.

    With a sparse ``learned``, or without one and more than
    :data:`~synapsnet_pyg.nn.functional_connectivity.MOST_DENSE` neurons, candidates alone are tested, in both
    directions, at one lag
    (:func:`~synapsnet_pyg.analysis.candidate_effects.candidate_effects`): the edges of ``learned``, or the likeliest
    senders of each neuron. They were chosen in the same recording; their q-values therefore count all pairs as tested.

    Args:
        session: Training part, standardised.
        learned: Connectivity of a model that was fitted to this part :math:`(N, N)`, sparse or not. The posterior mean
            is then the mean of both estimates, whose errors are partly independent, the learned one scaled to the
            other. The test is the same. None: there is no model.
        resamples: Number of block-bootstrap samples for ``sign_stability``, 10 or more.
        seed: Seed of the samples.

    Raises:
        ValueError: ``resamples`` is below 10, or the session is too short.

    References:
        van de Geer et al. 2014 (effects without the bias of penalties); Efron 2004 (empirical null); Haufe et al. 2013
        (time reversal); Benjamini and Hochberg 1995.
    """
    if resamples < 10:
        raise ValueError(f"Expected at least 10 resamples (got {resamples}).")
    evidence = edge_evidence(session, learned, resamples=resamples, seed=seed)
    release_memory()
    pairs, past, excess = evidence.pairs, evidence.past, evidence.excess
    events = events_of(session)
    tested = pairs_to_test(pairs, events, session.num_bins)
    number = number_to_test(events, session.num_bins)

    values = [evidence.weakest, *(test.z for test in evidence.lags)]
    p = combined_p(torch.stack([two_sided(z, excess) for z in values]), _weights(evidence.lags))
    p = torch.where(tested, p, torch.nan)
    signed, same_bin, spread = evidence.signed, evidence.same_bin, evidence.spread
    same_p = torch.where(tested & pairs.transposed(tested),
                         two_sided(same_bin.z, excess.maximum(pairs.transposed(excess))), torch.nan)  # fmt: skip
    error = spread * signed.deviation
    z = -torch.special.ndtri((p / 2).clamp(1e-300, 0.5)).nan_to_num(0.0)
    mean = pair_posterior_mean(signed.z * signed.deviation, same_bin.z * same_bin.deviation, pairs) * spread
    if learned is not None:
        mean = _mean_with(mean, _at(pairs, learned), tested)
    # An edge is seen in the recording backwards, too, from its receiver to its sender.
    explained = _stands_out(pairs.transposed(past.z), excess)
    by_lag = torch.stack([z.abs() for z in values[1:] or values])

    def of_tested(values: Tensor) -> Tensor:
        """Returns values in float32 with NaN for pairs that were not tested."""
        return torch.where(tested, values, torch.nan).float()

    return EdgeSignificance(
        effect=of_tested(signed.z * error),
        error=of_tested(error),
        p_value=of_tested(p),
        q_value=of_tested(_q(pairs, p, number)),
        edge_probability=of_tested(mixture_of(z[tested]).edge_probability(z)),
        posterior_mean=of_tested(mean),
        sign_stability=of_tested(evidence.stability),
        lag=of_tested(by_lag.argmax(0) + 1.0),
        same_bin=of_tested(evidence.partial_correlation),
        same_bin_q=of_tested(_q(pairs, same_p, number // 2, symmetric=True)),
        reverse_p=torch.where(tested & ~explained, two_sided(evidence.backwards, excess), torch.nan),
        kernel=evidence.kernel.float(),
        density=past.mixture.density,
        null_deviation=past.deviation,
        latents=past.latents,
        rare=int((events < FEWEST_EVENTS).sum()),
        decay=evidence.decay,
        tested=number,
        num_neurons=pairs.num_neurons,
        edge_index=pairs.edge_index if isinstance(pairs, SomePairs) else None,
    )


def _stands_out(z: Tensor, excess: Tensor) -> Tensor:
    """Returns where the p-value of :func:`~synapsnet_pyg.analysis.edge_tests.two_sided` is at most 0.05.

    No distribution has it below 1.95, so that most need not be computed.
    """
    far = z.abs() > 1.95
    result = far.clone()
    result[far] = two_sided(z[far], excess[far]) <= 0.05
    return result


def _at(pairs: Pairs, learned: Tensor) -> Tensor:
    """Returns learned weights, a matrix [N, N], of the held pairs."""
    if not isinstance(pairs, SomePairs):
        return learned.detach()
    sparse = learned.detach().coalesce()
    values = sparse.values().new_zeros(len(pairs.weight))
    values[pairs.at(sparse.indices().flip(0))] = sparse.values()
    return values


def _mean_with(mean: Tensor, learned: Tensor, tested: Tensor) -> Tensor:
    """Returns the mean of posterior means and learned weights, which are scaled to them by least squares."""
    ours, theirs = mean[tested], learned.to(mean)[tested]
    power = float(theirs.square().sum())
    if power == 0:
        return mean
    scale = max(float((ours * theirs).sum()) / power, 0.0)
    return (mean + scale * learned.to(mean)) / 2


def _weights(tests: list[LagTest]) -> Tensor:
    """Returns the weights of the tests: half for the kernel, half for single lags by their share of edges."""
    share = torch.tensor([test.share for test in tests], dtype=torch.float64)
    weights = torch.cat([torch.ones(1, dtype=torch.float64), share / share.sum().clamp_min(1e-9)])
    return weights / weights.sum()


def _q(pairs: Pairs, p: Tensor, tests: int, *, symmetric: bool = False) -> Tensor:
    """Returns q-values of p-values; of symmetric ones each pair counts once."""
    if not symmetric:
        return torch.from_numpy(benjamini_hochberg(p.numpy(), tests))
    one, other = pairs.once()
    q = torch.full_like(p, torch.nan)
    q[one] = q[other] = torch.from_numpy(benjamini_hochberg(p[one].numpy(), tests))
    return q
