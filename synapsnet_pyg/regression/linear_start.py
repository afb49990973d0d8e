"""The linear forecast that SynapsNet starts from, its weights taken apart into edges and a common drive."""

from typing import NamedTuple

import torch
from torch import Tensor

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.regression.least_squares import Chosen, Moments, moments, selective_ridge
from synapsnet_pyg.regression.sparse_low_rank import FEWEST, sparse_low_rank


class LinearStart(NamedTuple):
    r"""A forecast :math:`\sum_l \kappa_l (\rho_i a_i + \sum_j A_{ij} a_j + H_i)(t - l) + d_i \cdot b(t) + c_i`."""

    kernel: Tensor
    """[W], newest last."""
    own: Tensor
    """[N]: of each neuron's own activity."""
    behaviour: Tensor
    """[N, K]."""
    intercept: Tensor
    """[N]."""
    edges: Tensor
    """A [N, N]."""
    doubt: Tensor
    """Probability that there is no edge [N, N]; all one where that cannot be told."""
    load: Tensor
    """Of the common drive [N, k]; k may be 0."""
    read: Tensor
    """[k, N]; ``load @ read @ activity`` is what the common drive adds."""


def linear_start(
    train: Session,
    validation: Session,
    window: int,
    edges: Tensor | None = None,
    own: bool = True,
    behaviour: bool = True,
    latents: int = 8,
) -> LinearStart:
    """Solves the linear forecast by ridge regression and takes its weights apart.

    The ridge is on the weights between neurons alone; it and the kernel's decay are those whose forecasts correlate
    best with the validation part. The weights are then parted by :func:`~synapsnet_pyg.regression.sparse_low_rank
    .sparse_low_rank`. The edges are its expected ones, or, where the validation part is forecast worse with those, all
    that is not the common drive, and then no edge is doubted more than another.

    Args:
        train: Standardised.
        validation: Standardised likewise.
        window: W.
        edges: Which pairs may have a weight [N, N]; None: none.
        own: Whether a neuron's own activity counts.
        behaviour: Whether behaviour does.
        latents: Most that the common drive may have; it is looked for where all pairs may have a weight.
    """
    N, device = train.num_neurons, train.activity.device
    allowed = torch.zeros(N, N + train.num_behaviours, dtype=torch.bool, device=device)
    if edges is not None:
        allowed[:, :N] = edges
    allowed[:, :N].fill_diagonal_(own)
    allowed[:, N:] = behaviour
    penalised = torch.ones_like(allowed)
    penalised[:, :N].fill_diagonal_(False)
    penalised[:, N:] = False

    def solve(decay: float, exponents: range | list[int] = range(12, 1, -1)) -> tuple[Chosen, Tensor, Moments, Moments]:
        kernel = exponential_kernel(window, decay).to(train.activity)
        seen, held_out = moments(train, kernel=kernel), moments(validation, kernel=kernel)
        return selective_ridge(seen, held_out, allowed, penalised, exponents), kernel, seen, held_out

    first = solve(0.0)
    others = [solve(decay, [first[0].exponent]) for decay in (0.5, 1.0, 1.5, 2.0, 3.0) if window > 1]
    (coefficients, exponent, correlation), kernel, seen, held_out = max(
        [first, *others], key=lambda one: one[0].correlation
    )
    weights = coefficients[:, :N].clone().fill_diagonal_(0)
    start = LinearStart(
        kernel,
        coefficients[:, :N].diagonal(),
        coefficients[:, N:],
        seen.y - coefficients @ seen.u,
        weights,
        torch.ones_like(weights),
        weights[:, :0],
        weights[:0],
    )
    complete = edges is not None and bool((edges | torch.eye(N, dtype=torch.bool, device=device)).all())
    if not complete or latents == 0 or N < FEWEST:
        return start
    error = seen.standard_error(coefficients, 10 ** (exponent / 2))[:, :N]
    parted = sparse_low_rank(weights, error, latents)
    drive = parted.load @ parted.read
    own_of_drive = drive.diagonal()
    start = start._replace(
        own=start.own - own_of_drive if own else start.own,
        edges=(weights - drive).fill_diagonal_(0),
        load=parted.load,
        read=parted.read,
    )
    shrunk = coefficients.clone()
    shrunk[:, :N] = (parted.edges + drive).fill_diagonal_(0) + coefficients[:, :N].diagonal().diag()
    better = float(held_out.correlation(shrunk).mean()) >= correlation
    return start._replace(edges=parted.edges, doubt=1 - parted.probability) if better else start


def exponential_kernel(window: int, decay: float) -> Tensor:
    """Weights [W] of the last bins, newest last, that fall by 1/e in ``decay`` bins, with sum one; 0: newest only."""
    age = torch.arange(window - 1, -1, -1, dtype=torch.float32)
    kernel = torch.exp(-age / decay) if decay > 0 else (age == 0).float()
    return kernel / kernel.sum()
