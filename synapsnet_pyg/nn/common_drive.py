"""Estimate of an unrecorded drive that all neurons share, from the activity of the whole population."""

import torch
from torch import Tensor


class CommonDrive(torch.nn.Module):
    r"""Common input of all neurons through a few latents, computed from the population.

    .. math::
        u(t) = R\, a(t), \qquad H_i(t) = \sum_k L_{ik}\, u_k(t)

    Arousal, a stimulus or an unrecorded area changes many neurons together. A neuron that changes first then seems to
    drive the rest. Such an effect is dense and of low rank, unlike the effect of synapses, and is kept apart from the
    connectivity. Both factors start at zero. They have no gradient there and stay zero until :meth:`set` fills them.

    Args:
        num_neurons: Number of neurons N.
        latents: Largest number of latent inputs.

    Shapes:
        - **activity:** :math:`(B, N, L)`
        - **output:** :math:`(B, N, L)`
    """

    def __init__(self, num_neurons: int, latents: int) -> None:
        super().__init__()
        self.senders = torch.nn.Parameter(torch.zeros(latents, num_neurons))
        self.receivers = torch.nn.Parameter(torch.zeros(num_neurons, latents))

    def forward(self, activity: Tensor) -> Tensor:
        """Returns the drive of every neuron at every position."""
        return self.receivers @ (self.senders @ activity)

    @torch.no_grad()
    def set(self, receivers: Tensor, senders: Tensor) -> None:
        """Sets the first k latents; the others stay zero.

        Args:
            receivers: Factor L :math:`(N, k)`.
            senders: Factor R :math:`(k, N)`.
        """
        self.receivers[:, : receivers.shape[1]].copy_(receivers)
        self.senders[: len(senders)].copy_(senders)

    def extra_repr(self) -> str:
        """Returns the sizes for ``repr(model)``."""
        return f"{self.senders.shape[1]} neurons, at most {len(self.senders)} latents"
