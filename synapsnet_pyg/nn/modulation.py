"""Gains with which behaviour scales the input and output of neurons."""

import torch
from torch import Tensor


class Modulation(torch.nn.Module):
    r"""Gains of all neurons of a session that depend on the behaviour.

    .. math::
        A_{ij}(t) = \big(1 + r_i \cdot b(t)\big)\, A_{ij}\, \big(1 + s_j \cdot b(t)\big)

    The weights A stay constant, and the connectivity changes with the behaviour. Neuromodulators and inhibition of a
    class of neurons act in this way. The 2 N K parameters r and s start at zero.

    Args:
        num_neurons: Number of neurons N.
        num_behaviours: Number of behaviours K.

    Shapes:
        - **behaviour:** :math:`(B, L, K)`
        - **output:** gains of receiving and of sending, :math:`(B, N, L)` each
    """

    def __init__(self, num_neurons: int, num_behaviours: int) -> None:
        super().__init__()
        self.receiver = torch.nn.Parameter(torch.zeros(num_neurons, num_behaviours))
        self.sender = torch.nn.Parameter(torch.zeros(num_neurons, num_behaviours))

    def forward(self, behaviour: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the gains of receiving and of sending in each bin."""
        behaviour = behaviour.transpose(1, 2)
        return 1 + self.receiver @ behaviour, 1 + self.sender @ behaviour

    def extra_repr(self) -> str:
        """Returns the sizes for ``repr(model)``."""
        return f"{len(self.sender)} neurons, {self.sender.shape[1]} behaviours"
