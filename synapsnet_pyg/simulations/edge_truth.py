"""Classes of all pairs of neurons of a simulation: synapse, effect without synapse, nothing."""

from torch import Tensor

from synapsnet_pyg.data.session import Session

SELF, NOTHING, EFFECT, SYNAPSE = -1, 0, 1, 2
"""Classes of a pair: a neuron with itself; no effect; an effect without a synapse; a synapse."""

ERRORS = 4.0
"""Number of standard errors above which a response is clearly above its noise."""

SHARE = 0.25
"""Smallest effect, as a share of the median response to a true synapse."""


def edge_truth(session: Session) -> Tensor:
    r"""Returns the class of every pair of neurons, from the true weights and the true response to a pulse.

    ================  ==================================================================================
    :data:`SYNAPSE`   the true weight is not zero
    :data:`EFFECT`    the weight is zero, yet j changes i: through a third neuron, within the bin or later
    :data:`NOTHING`   neither
    :data:`SELF`      the diagonal
    ================  ==================================================================================

    An effect exists if the response :math:`r_{ij}(h)` at its peak, or summed over bins, is more than
    :data:`ERRORS` times its standard error and at least :data:`SHARE` of the same quantity's median over all
    synapses:

    .. math::
        p_{ij} = \max_h |r_{ij}(h)|, \qquad s_{ij} = \Big|\sum_h r_{ij}(h)\Big|

    The error of the sum is at most the sum of the errors. With :data:`ERRORS` = 4, noise alone makes effects of a few
    of ten thousand pairs; a stricter rule would leave more true effects among the pairs with nothing. Without a
    ``true_response``, or without any synapse, no pair is an effect.

    Args:
        session: Session with a true connectivity.

    Returns:
        Classes :math:`(N, N)`, [receiver, sender], int64.

    Raises:
        ValueError: The session has no true connectivity.

    Example:
        >>> import torch
        >>> response = torch.tensor([[1.0, 0, 0], [0.4, 1, 0], [0.2, 0.5, 1]])[:, :, None]
        >>> chain = [[0.0, 0, 0], [1, 0, 0], [0, 1, 0]]  # 0 -> 1 -> 2
        >>> session = Session.from_arrays(
        ...     torch.rand(3, 9).numpy(), bin_size=0.1, true_connectivity=chain, true_response=response
        ... )
        >>> edge_truth(session)
        tensor([[-1,  0,  0],
                [ 2, -1,  0],
                [ 1,  2, -1]])
    """
    weights = session.true_connectivity
    if weights is None:
        raise ValueError(f"Expected a session with a true connectivity ('{session.name}' has none).")
    synapse = (weights != 0).fill_diagonal_(False)
    classes = synapse.long() * SYNAPSE
    if "true_response" in session and bool(synapse.any()):
        response, error = session.true_response.double(), session.true_response_error.double()
        at_peak = _exists(response, error, synapse)
        # Errors of neighbouring bins may be correlated, so that only their sum bounds the error of the sum.
        in_sum = _exists(response.sum(2, keepdim=True), error.sum(2, keepdim=True), synapse)
        classes[(at_peak | in_sum) & ~synapse] = EFFECT
    return classes.fill_diagonal_(SELF)


def _exists(response: Tensor, error: Tensor, synapse: Tensor) -> Tensor:
    """Returns where any entry of a response [N, N, H] is clear of noise and large enough [N, N]."""
    size = response.abs()
    median = size.amax(2)[synapse].median()
    return ((size > ERRORS * error) & (size >= SHARE * median)).any(2)
