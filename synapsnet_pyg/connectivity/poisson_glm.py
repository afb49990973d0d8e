"""Poisson regression of spike counts on the population's last bin: the coupled GLM of the field."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.data.windows import blocks


class Link(NamedTuple):
    """How the sum of all that drives a neuron becomes its expected count."""

    rate: Callable[[Tensor], Tensor]
    slope: Callable[[Tensor], Tensor]
    """Derivative of the rate."""
    inverse: Callable[[Tensor], Tensor]


SOFTPLUS = Link(torch.nn.functional.softplus, torch.sigmoid, lambda rate: rate + torch.log(-torch.expm1(-rate)))
EXPONENTIAL = Link(torch.exp, torch.exp, torch.log)


def poisson_glm(
    session: Session,
    *,
    link: Link = SOFTPLUS,
    ridges: Sequence[float] | None = None,
) -> Tensor:
    r"""Regresses every neuron's next count on all neurons' counts and the behaviour, with Poisson noise.

    .. math::
        x_i(t + 1) \sim \mathrm{Poisson}\Big(f\big(\textstyle\sum_j w_{ij}\, a_j(t) + d_i \cdot b(t) + c_i\big)\Big),
        \qquad
        C_{ij} = \frac{w_{ij}}{\sigma_i} \Big\langle f'\big(\cdot\big) \Big\rangle_t

    with the counts :math:`x`, their standardised form :math:`a` and deviation :math:`\sigma`. The likelihood has a
    ridge :math:`\tfrac{\lambda}{2} \|w\|^2`; :math:`\lambda` is the one of the largest likelihood on the validation
    part. All neurons are fitted at once by L-BFGS, whose gradient is two matrix products, a stretch of bins at a time.

    Args:
        session: A recording of counts, in whole numbers from 0; standardised is fine.
        link: :math:`f`: :data:`SOFTPLUS`, linear for large sums, or :data:`EXPONENTIAL`.
        ridges: Candidates for :math:`\lambda`, in units of a sum over bins. Each fit starts from the one before; the
            search ends with the first that is worse on validation. None: half decades from 1e5 down to 10.

    Returns:
        The mean effect on the expected count in the unit of the regressions, :math:`(N, N)`: standardised activity of
        the receiver per standardised activity of the sender.

    Raises:
        ValueError: The activity is no counts, or a part has no segment of two bins.

    References:
        Truccolo et al., "A point process framework for relating neural spiking activity to spiking history, neural
        ensemble, and extrinsic covariate effects", 2005.
        Pillow et al., "Spatio-temporal correlations and visual signalling in a complete neuronal population", 2008.

    Example:
        >>> _ = torch.manual_seed(0)
        >>> drives = torch.poisson(torch.ones(4000))
        >>> driven = torch.poisson(1 + drives.roll(1))
        >>> poisson_glm(Session(torch.stack([drives, driven]), bin_size=0.1)).round(decimals=1).abs()
        tensor([[0.0000, 0.0000],
                [0.5000, 0.0000]])
    """
    session = session.standardise()
    split = session.split()
    train, validation = Counts.of(split.train), Counts.of(split.validation)
    # One column more than neurons and behaviours: what a neuron does without them.
    weights = train.counts.new_zeros(session.num_neurons, session.num_neurons + session.num_behaviours + 1)
    weights[:, -1] = link.inverse(train.counts.mean(1).clamp_min(1e-3))
    best, smallest = weights, float("inf")
    for ridge in [10 ** (k / 2) for k in range(10, 1, -1)] if ridges is None else ridges:
        weights = _fit(train, link, ridge, weights)
        loss, _ = validation.loss_and_gradient(weights, link)
        if loss >= smallest:
            break
        best, smallest = weights, loss
    effect = train.mean_slope(best, link) / session.activity_scale
    return (effect[:, None] * best[:, : session.num_neurons]).float()


def _fit(train: "Counts", link: Link, ridge: float, start: Tensor) -> Tensor:
    """Weights of the largest penalised likelihood [N, N + K + 1]."""
    N = len(start)

    def objective(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weights = torch.from_numpy(flat).to(start).view_as(start)
        loss, gradient = train.loss_and_gradient(weights, link)
        couplings = weights[:, :N]
        gradient[:, :N] += ridge / train.bins * couplings
        loss += ridge / train.bins / 2 * float(couplings.square().sum())
        return loss, gradient.double().flatten().cpu().numpy()

    # The likelihood is summed in single precision, which leaves seven digits.
    options = {"maxiter": 200, "ftol": 1e-7, "gtol": 1e-5}
    found = minimize(objective, start.double().flatten().cpu().numpy(), jac=True, method="L-BFGS-B", options=options)
    return torch.from_numpy(found.x).to(start).view_as(start)


class Counts(NamedTuple):
    """Counts of one part beside what they are regressed on."""

    part: Session
    counts: Tensor
    """[N, T]."""

    @classmethod
    def of(cls, part: Session) -> "Counts":
        """Of a part of a standardised session.

        Raises:
            ValueError: Its activity is no counts.
        """
        raw = part.activity * part.activity_scale[:, None] + part.activity_mean[:, None]
        counts = raw.round()
        # What rounding leaves of a count that has been standardised and back is still that count.
        other = (counts < 0) | ((raw - counts).abs() > 1e-3 + 1e-5 * counts)
        if bool(other.any()):
            raise ValueError(
                f"Expected counts, whole numbers from 0, in session '{part.name}' (got {float(raw[other][0]):.4g}); "
                "use ridge_var or lasso_var for other activity."
            )
        return cls(part, counts)

    @property
    def bins(self) -> int:
        """How many counts of a neuron are regressed."""
        return sum(stop - start for start, stop in blocks(self.part, past=1))

    def loss_and_gradient(self, weights: Tensor, link: Link) -> tuple[float, Tensor]:
        """Negative log likelihood a bin, summed over neurons (without what no weight changes), and its gradient."""
        loss, gradient = 0.0, torch.zeros_like(weights)
        for counts, inputs in self._pairs():
            drive = weights @ inputs
            rate = link.rate(drive).clamp_min(1e-20)
            loss += float((rate - counts * rate.log()).sum())
            gradient.addmm_(link.slope(drive) * (1 - counts / rate), inputs.t())
        return loss / self.bins, gradient / self.bins

    def mean_slope(self, weights: Tensor, link: Link) -> Tensor:
        """Mean over bins of what one more unit of drive adds to each neuron's expected count [N]."""
        slope = weights.new_zeros(len(weights))
        for _, inputs in self._pairs():
            slope += link.slope(weights @ inputs).sum(1)
        return slope / self.bins

    def _pairs(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Counts [N, bins] and what they are regressed on, of the bin before [N + K + 1, bins]."""
        activity, behaviour = self.part.activity, self.part.behaviour
        for start, stop in blocks(self.part, past=1):
            seen = activity[:, start - 1 : stop - 1]
            inputs = torch.cat([seen, behaviour[start - 1 : stop - 1].t(), torch.ones_like(seen[:1])])
            yield self.counts[:, start:stop], inputs
