"""What the whole population tells of a drive that all neurons share and nobody recorded."""

import torch
from torch import Tensor


class CommonDrive(torch.nn.Module):
    r"""A few latent inputs, read from the population and heard by every neuron.

    .. math::
        u(t) = R\, a(t), \qquad H_i(t) = \sum_k L_{ik}\, u_k(t)

    Arousal, a stimulus or an unrecorded area moves many neurons together. Whoever of them moved first then seems to
    drive the rest: such an effect is dense and of low rank, unlike that of synapses, and belongs here, not into the
    connectivity. It starts at zero, without gradient, and stays there unless :meth:`set` gives it something to do.

    Args:
        num_neurons: N.
        latents: How many there may be.

    Shapes:
        - **activity:** :math:`(B, N, L)`
        - **output:** :math:`(B, N, L)`
    """

    def __init__(self, num_neurons: int, latents: int) -> None:
        super().__init__()
        self.read = torch.nn.Parameter(torch.zeros(latents, num_neurons))
        self.load = torch.nn.Parameter(torch.zeros(num_neurons, latents))

    def forward(self, activity: Tensor) -> Tensor:
        """What every neuron hears of the latents at every position."""
        return self.load @ (self.read @ activity)

    @torch.no_grad()
    def set(self, load: Tensor, read: Tensor) -> None:
        """Takes the first latents from factors [N, k] and [k, N]; the others stay zero."""
        self.load[:, : load.shape[1]].copy_(load)
        self.read[: len(read)].copy_(read)

    def extra_repr(self) -> str:
        """For ``repr(model)``."""
        return f"{self.read.shape[1]} neurons, at most {len(self.read)} latents"
