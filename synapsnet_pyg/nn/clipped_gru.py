"""GRU of LFADS, with a clipped state and gates that start open."""

import torch
from torch import Tensor


class ClippedGRU(torch.nn.Module):
    r"""GRU with a clipped state.

    .. math::
        [r, z] &= \sigma\big(W_g u + U_g h + 1\big), \qquad n = \tanh\big(W_n u + U_n (r \odot h)\big) \\
        h' &= \mathrm{clip}\big(z \odot h + (1 - z) \odot n,\ \pm 5\big)

    Unlike in PyTorch's GRU the reset gate acts before the matrix. Biases start at one for the gates and at zero for the
    candidate (Pandarinath et al. 2018, Supplementary Note 1).

    Args:
        input_size: Size of the input u.
        hidden_size: Size of the state h.
        fan_in: Inverse variance of the normal distribution of the first weights; None: ``input_size + hidden_size``.
        clip: Largest absolute value of the state.

    Shapes:
        - **inputs:** :math:`(B, C)`, **hidden:** :math:`(B, H)`
        - **output:** :math:`(B, H)`
    """

    def __init__(self, input_size: int, hidden_size: int, *, fan_in: int | None = None, clip: float = 5.0) -> None:
        super().__init__()
        self.clip = clip
        std = (fan_in or input_size + hidden_size) ** -0.5
        self.input_weight = torch.nn.Parameter(torch.randn(3 * hidden_size, input_size) * std)
        self.bias = torch.nn.Parameter(torch.cat([torch.ones(2 * hidden_size), torch.zeros(hidden_size)]))
        self.gates = torch.nn.Linear(hidden_size, 2 * hidden_size, bias=False)
        self.candidate = torch.nn.Linear(hidden_size, hidden_size, bias=False)
        for layer in (self.gates, self.candidate):
            torch.nn.init.normal_(layer.weight, std=std)

    def forward(self, inputs: Tensor, hidden: Tensor) -> Tensor:
        """Returns the next state."""
        return self.step(self._project(inputs), hidden)

    def step(self, projected: Tensor, hidden: Tensor) -> Tensor:
        """Returns the next state; ``projected`` is the inputs' part of gates and candidate [B, 3 H]."""
        H = hidden.shape[1]
        reset, keep = torch.sigmoid(projected[:, : 2 * H] + self.gates(hidden)).chunk(2, dim=1)
        candidate = torch.tanh(projected[:, 2 * H :] + self.candidate(reset * hidden))
        candidate, keep = (
            candidate.to(hidden.dtype),
            keep.to(hidden.dtype),
        )  # the state keeps the precision of its start
        return torch.lerp(candidate, hidden, keep).clamp(-self.clip, self.clip)

    def run(self, inputs: Tensor, hidden: Tensor, *, reverse: bool = False) -> Tensor:
        """Returns all states [B, T, H] along inputs [B, T, C], computed from the last to the first if ``reverse``."""
        projected = self._project(inputs)
        T = inputs.shape[1]
        states: list[Tensor] = []
        for t in reversed(range(T)) if reverse else range(T):
            hidden = self.step(projected[:, t], hidden)
            states.append(hidden)
        return torch.stack(states[::-1] if reverse else states, dim=1)

    def _project(self, inputs: Tensor) -> Tensor:
        """Returns the inputs' part of gates and candidate."""
        return torch.nn.functional.linear(inputs, self.input_weight, self.bias)
