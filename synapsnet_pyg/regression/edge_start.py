"""Linear forecast along given edges, of any number of neurons.

Each receiver has a ridge regression of its own on its senders, a few hundred at most, computed in blocks of receivers.
Nothing of the size N x N is held.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.nn.threads import in_threads
from synapsnet_pyg.progress import counted, steps
from synapsnet_pyg.regression.bin_pairs import filtered
from synapsnet_pyg.regression.linear_start import DECAYS, EXPONENTS, exponential_kernel
from synapsnet_pyg.regression.principal_axes import principal_axes
from synapsnet_pyg.regression.selective_ridge import best_choice
from synapsnet_pyg.regression.sparse_low_rank import FEWEST, EdgeMixture, Squares

_TRIED = 128
"""Largest number of receivers on which ridge, kernel and number of latents are chosen."""
_KEPT = 0.9
"""Least share of what edges add to the forecast of the validation part that posterior means must keep."""
_BLOCK = 2**23
"""Largest number of values of the inputs of a block of receivers."""


class EdgeStart(NamedTuple):
    r"""Linear forecast :math:`\sum_l \kappa_l (\rho_i a_i + \sum_j A_{ij} a_j + H_i)(t - l) + d_i \cdot b(t) + c_i`."""

    kernel: Tensor
    """Weights of the last bins [W], newest last."""
    weight: Tensor
    """Weight of each edge, without the common drive [E]; of a complete graph [N, N]."""
    edge_probability: Tensor
    """Posterior probability of each edge, in the same shape; zero if it was not estimated."""
    receivers: Tensor
    """Weights [N, k] with which neurons receive the k latents of the common drive; k may be 0."""
    senders: Tensor
    """Weights [k, N] with which neurons send to the latents."""


def edge_start(
    train: Session,
    validation: Session,
    window: int,
    edge_index: Tensor,
    *,
    own: bool = True,
    behaviour: bool = True,
    latents: int = 8,
    screened: bool = False,
) -> EdgeStart:
    """Solves the linear forecast along given edges by ridge regression, with latents and posterior means.

    Inputs of a receiver are its senders (with a ridge), its own activity, latents and behaviour (without). Latents are
    the first principal components: a common drive, beside which edges explain what single senders add. Ridge, kernel
    and number of latents are those with the largest correlation on validation, over at most 128 receivers. Empirical
    Bayes (:class:`~synapsnet_pyg.regression.sparse_low_rank.EdgeMixture`) shrinks the weights and gives each edge a
    probability, unless this loses more than a tenth of what edges add to the forecast of the validation part.

    Args:
        train: Training part, standardised.
        validation: Validation part, standardised in the same way.
        window: Number of past bins W.
        edge_index: Edges :math:`(2, E)`, sorted by receiver.
        own: Whether a neuron's own activity is an input.
        behaviour: Whether the behaviour is an input.
        latents: Largest number of latents.
        screened: Whether the edges are those of :func:`~synapsnet_pyg.regression.candidate_edges.candidate_edges`, the
            likeliest of all pairs.

    Raises:
        ValueError: A part has no segment of two bins.
    """
    N = train.num_neurons
    axes = principal_axes(train, min(latents, N // 4) if N >= FEWEST else 0)
    inputs = _Inputs(_padded(edge_index, N), axes, own, behaviour)
    tried = torch.linspace(0, N - 1, min(N, _TRIED)).long().to(axes.device)

    def tries(decay: float) -> tuple[Tensor, _Sums, _Sums]:
        """Returns a kernel, and the sums of both parts over the receivers on which it is tried."""
        kernel = exponential_kernel(window, decay).to(train.activity)
        seen, held_out = (inputs.sums(inputs.of(part, kernel), tried) for part in (train, validation))
        return kernel, seen, held_out

    newest = tries(0.0)
    chosen = _best_ridge(*newest, len(axes), EXPONENTS)
    for count in (count for count in (4, 2, 1, 0) if count < len(axes)):
        other = _best_ridge(*newest, count, [chosen.exponent])
        chosen = max(chosen, other, key=lambda choice: choice.correlation)
    for decay in steps("choose kernel", DECAYS if window > 1 else ()):
        other = _best_ridge(*tries(decay), chosen.latents, [chosen.exponent])
        chosen = max(chosen, other, key=lambda choice: choice.correlation)
    seen = inputs.of(train, chosen.kernel)
    blocks = torch.arange(N, device=axes.device).split(inputs.block(train))

    with counted("linear start", len(blocks)) as done:

        def solve(receivers: Tensor) -> tuple[Tensor, Tensor]:
            """Returns coefficients and standard errors of some receivers [b, m]."""
            solved = inputs.sums(seen, receivers).solve_with_errors(chosen.ridge, chosen.latents)
            done()
            return solved

        solved = in_threads(solve, blocks)
    coefficients, errors = (torch.cat(values) for values in zip(*solved, strict=True))
    real = inputs.senders < N
    weight, error = coefficients[:, : real.shape[1]][real], errors[:, : real.shape[1]][real]
    first = real.shape[1] + own
    start = EdgeStart(
        kernel=chosen.kernel,
        weight=weight.to(axes),
        edge_probability=torch.zeros_like(weight).to(axes),
        receivers=coefficients[:, first : first + chosen.latents].to(axes),
        senders=axes[: chosen.latents],
    )
    if len(weight) < FEWEST * (FEWEST - 1):
        return start
    mixture, z = EdgeMixture(density=0.1, edge_variance=10.0, null_variance=1.0), weight / error
    squares = Squares.of(z)
    for _ in range(40):
        mixture = mixture.update_from_largest(z, N * (N - 1)) if screened else mixture.update(squares)
    shrinkage, only_edges = torch.zeros_like(coefficients), torch.zeros_like(coefficients, dtype=torch.bool)
    shrinkage[:, : real.shape[1]][real] = mixture.shrinkage(z)
    only_edges[:, : real.shape[1]] = True
    none, shrunk, whole = (
        chosen.held_out.correlation(torch.where(only_edges, factor * coefficients, coefficients)[tried])
        for factor in (torch.zeros_like(shrinkage), shrinkage, torch.ones_like(shrinkage))
    )
    if shrunk < none + _KEPT * (whole - none):
        return start
    return start._replace(
        weight=mixture.posterior_mean(z).mul(error).to(axes),
        edge_probability=mixture.edge_probability(z).to(axes),
    )


class _Part(NamedTuple):
    """Part of a session with what its receivers share."""

    part: Session
    kernel: Tensor
    """Weights of the last bins [W], newest last."""
    common: Tensor
    """Latents and behaviour before each target, centred [k + K, T]."""


def _before_targets(part: Session, kernel: Tensor, series: Tensor) -> Tensor:
    """Returns time series [n, bins] weighted by a kernel before each target, centred [n, T].

    No target lies in the first bin of a segment.
    """
    segments = [(begin, end) for begin, end in part.segment.tolist() if end - begin > 1]
    if not segments:
        raise ValueError(f"Expected a segment of more than 1 bins in session '{part.name}' (all are shorter).")
    return _centred([filtered(series[:, begin : end - 1], kernel) for begin, end in segments])


def _targets(part: Session, receivers: Tensor) -> Tensor:
    """Returns the activity of some receivers in all bins but the first of each segment, centred [b, T]."""
    activity = part.activity[receivers]
    return _centred([activity[:, begin + 1 : end] for begin, end in part.segment.tolist()])


def _centred(pieces: list[Tensor]) -> Tensor:
    """Returns pieces of time series side by side, without their means."""
    series = torch.cat(pieces, dim=1)
    return series.sub_(series.mean(1, keepdim=True))


class _Sums(NamedTuple):
    """Mean products over bins of the inputs (edges, own activity, latents, behaviour) and targets of some receivers."""

    uu: Tensor
    """Products of inputs [b, m, m]."""
    uy: Tensor
    """Products of inputs and target [b, m]."""
    yy: Tensor
    """Mean square of the target [b]."""
    edges: Tensor
    """Mask of the inputs that are edges [b, m]."""
    bins: int
    """Number of bins."""
    first_latent: int
    """Number of the first latent among the inputs."""
    num_latents: int
    """Number of latents among the inputs."""

    def solve(self, ridge: float, latents: int) -> Tensor:
        """Returns coefficients with the first few latents alone [b, m]."""
        _, factor, products = self._equations(ridge, latents)
        return torch.cholesky_solve(products[..., None], factor)[..., 0]

    def solve_with_errors(self, ridge: float, latents: int) -> tuple[Tensor, Tensor]:
        """Returns coefficients and their standard errors, with the first few latents alone [b, m]."""
        matrix, factor, products = self._equations(ridge, latents)
        coefficients = torch.cholesky_solve(products[..., None], factor)[..., 0]
        inverse = torch.cholesky_inverse(factor)
        spread = (inverse @ matrix * inverse).sum(2) / self.bins
        fitted = (coefficients * (matrix @ coefficients[..., None])[..., 0]).sum(1)
        residual = self.yy - 2 * (coefficients * self.uy).sum(1) + fitted
        return coefficients, (residual.clamp_min(1e-12)[:, None] * spread.clamp_min(1e-12)).sqrt()

    def _equations(self, ridge: float, latents: int) -> tuple[Tensor, Tensor, Tensor]:
        """Returns products of the inputs in use, Cholesky factor of these with the ridge, and products with the target.

        Later latents and inputs that are zero are not in use: their coefficients are zero.
        """
        unused = torch.zeros_like(self.edges)
        unused[:, self.first_latent + latents : self.first_latent + self.num_latents] = True
        unused |= self.uu.diagonal(dim1=1, dim2=2) < 1e-12
        penalty = torch.where(self.edges, ridge / self.bins, 1e-9)
        matrix = self.uu.masked_fill(unused[:, None] | unused[:, :, None], 0.0)
        factor = torch.linalg.cholesky(matrix + torch.where(unused, 1.0, penalty).diag_embed())
        return matrix, factor, self.uy * ~unused

    def correlation(self, coefficients: Tensor) -> float:
        """Returns the correlation of forecast and target, mean over receivers; zero where either is constant."""
        joint = (coefficients * self.uy).sum(1)
        product = (coefficients * (self.uu @ coefficients[..., None])[..., 0]).sum(1) * self.yy
        return float(torch.where(product > 1e-20, joint / product.clamp_min(1e-20).sqrt(), 0.0).mean())


class _Inputs(NamedTuple):
    """Inputs of all receivers."""

    senders: Tensor
    """Senders of each receiver; N fills the rows of those that have fewer [N, most]."""
    axes: Tensor
    """Axes of the latents [k, N]."""
    own: bool
    """Whether a neuron's own activity is an input."""
    behaviour: bool
    """Whether the behaviour is an input."""

    def block(self, part: Session) -> int:
        """Returns the number of receivers whose inputs are held at once."""
        return max(1, _BLOCK // ((self.senders.shape[1] + self.own + len(self.axes)) * part.num_bins))

    def of(self, part: Session, kernel: Tensor) -> _Part:
        """Returns a part with its latents and behaviour."""
        shared = [_before_targets(part, kernel, self.axes @ part.activity)]
        newest = torch.zeros_like(kernel)
        newest[-1] = 1.0
        shared += [_before_targets(part, newest, part.behaviour.t())] if self.behaviour else []
        return _Part(part, kernel, torch.cat(shared))

    def sums(self, seen: _Part, receivers: Tensor) -> _Sums:
        """Computes the mean products of some receivers."""
        blocks = receivers.split(self.block(seen.part))
        parts = in_threads(lambda block: self._sums(seen, block), blocks)
        uu, uy, yy, edges = (torch.cat(values) for values in zip(*(part[:4] for part in parts), strict=True))
        return parts[0]._replace(uu=uu, uy=uy, yy=yy, edges=edges)

    def _sums(self, seen: _Part, receivers: Tensor) -> _Sums:
        """Computes the mean products of a block of receivers."""
        part, kernel, common = seen
        senders, real = self.senders[receivers], self.senders[receivers] < part.num_neurons
        single = torch.cat([senders.clamp_max(part.num_neurons - 1), receivers[:, None][:, : int(self.own)]], dim=1)
        inputs = _before_targets(part, kernel, part.activity[single.flatten()]).view(*single.shape, -1)
        inputs[:, : senders.shape[1]] *= real[..., None]
        inputs = torch.cat([inputs, common.expand(len(receivers), -1, -1)], dim=1)
        target, T = _targets(part, receivers), inputs.shape[2]
        edges = torch.zeros(inputs.shape[:2], dtype=torch.bool, device=inputs.device)
        edges[:, : senders.shape[1]] = real
        return _Sums(
            uu=(inputs @ inputs.transpose(1, 2)).double() / T,
            uy=(inputs @ target[..., None])[..., 0].double() / T,
            yy=target.double().square().mean(1),
            bins=T,
            edges=edges,
            first_latent=senders.shape[1] + self.own,
            num_latents=len(self.axes),
        )


class _Choice(NamedTuple):
    """Choice on validation."""

    kernel: Tensor
    exponent: int
    latents: int
    held_out: _Sums
    correlation: float

    @property
    def ridge(self) -> float:
        """Ridge on the edges, on the scale of sums over bins."""
        return 10 ** (self.exponent / 2)


def _best_ridge(kernel: Tensor, seen: _Sums, held_out: _Sums, latents: int, exponents: Sequence[int]) -> _Choice:
    """Chooses a ridge."""
    return best_choice(
        _Choice(kernel, exponent, latents, held_out, held_out.correlation(seen.solve(10 ** (exponent / 2), latents)))
        for exponent in exponents
    )


def _padded(edge_index: Tensor, num_neurons: int) -> Tensor:
    """Returns the senders of each receiver, filled up with ``num_neurons`` [N, most]."""
    sender, receiver = edge_index
    degree = torch.bincount(receiver, minlength=num_neurons)
    place = torch.arange(len(receiver), device=receiver.device) - (degree.cumsum(0) - degree)[receiver]
    senders = torch.full((num_neurons, int(degree.max()) if len(receiver) else 0), num_neurons, device=receiver.device)
    senders[receiver, place] = sender
    return senders
