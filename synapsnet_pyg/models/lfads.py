"""LFADS: activity of the population as the output of a dynamical system with inferred inputs."""

import math
from collections.abc import Iterable, Mapping
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from synapsnet_pyg.data.session import Session, SessionInfo
from synapsnet_pyg.data.windows import Window
from synapsnet_pyg.models.forecaster import Forecast, Forecaster
from synapsnet_pyg.nn.clipped_gru import ClippedGRU


class LFADS(Forecaster):
    r"""Latent factor analysis via dynamical systems (Pandarinath et al. 2018), used as a forecaster.

    An encoder reads the window and gives the distribution of the generator's first state :math:`g_0`. A controller,
    which reads the window through a second encoder, gives the distribution of the inputs :math:`u(t)`. The generator
    then runs on:

    .. math::
        c(t) &= \mathrm{GRU}\big([e(t), f(t - 1)],\ c(t - 1)\big), \qquad u(t) \sim \mathcal{N}(\mu, \sigma^2)(c(t)) \\
        g(t) &= \mathrm{GRU}\big([u(t), b(t - 1)],\ g(t - 1)\big) \\
        f(t) &= W_f\, g(t) \text{ with rows of unit length}, \qquad \hat a(t) = V f(t) + v

    LFADS smooths: it reconstructs the bins that it encodes. To forecast, it encodes the window's W bins and generates
    W + 1, the last of them without input from the encoder. The loss is the error of this last bin, plus

    .. math::
        \mathrm{MSE}_{seen} + \rho(n)\big(\kappa_g\, \mathrm{KL}[g_0] + \kappa_u\, \mathrm{KL}[u]
        + \tfrac{\kappa_2}{2} \overline{U^2}\big)

    with :math:`\rho` rising from 0 to 1 over the first steps n of training. The prior of :math:`g_0` is a normal
    distribution with learned mean. The prior of u is an autoregressive process of order 1 with learned time constant
    and variance. Coordinated dropout hides entries of the window from the encoders and scores the reconstruction of the
    hidden entries alone, so that inferred inputs cannot copy the activity. In evaluation distributions are replaced by
    their means.

    Observations are normal with equal variances, hence the squared error. The published comparison gives neither the
    observation model nor the weights of the divergences. Each of several targets (P > 1) is forecast from the W bins
    before it, in a separate pass.

    Args:
        sessions: One session, or its :class:`~synapsnet_pyg.data.session.SessionInfo`.
        window: Number of encoded bins W.
        generator_size: Size of the generator's state g.
        encoder_size: Size of each direction of both encoders.
        controller_size: Size of the controller's state c; 0 leaves controller and inputs out.
        num_factors: Number of factors f.
        num_inputs: Number of inputs u.
        dropout: Share of encoder outputs and factors set to zero in training.
        coordinated_dropout: Share of the window's entries that training hides from the encoders.
        initial_kl_weight: Weight :math:`\kappa_g` of the divergence of the first state, summed over dimensions.
        input_kl_weight: Weight :math:`\kappa_u` of the divergence of the inputs, summed over dimensions and bins.
        l2_weight: Weight :math:`\kappa_2` of the recurrent weights of generator and controller.
        ramp_steps: Number of training steps until divergences and L2 count in full.
        causal: Whether the controller's encoder reads forward only.
        use_behaviour: Whether behaviour drives the generator.

    Shapes:
        - **window:** activity :math:`(B, N, L)`, behaviour :math:`(B, L, K)`, target :math:`(B, N, P)`
        - **output:** activity :math:`(B, N, P)`

    References:
        Pandarinath et al. 2018, *Nature Methods* 15, 805; Keshtkaran and Pandarinath 2019 (coordinated dropout).
    """

    one_session = True
    renamed: ClassVar[Mapping[str, str]] = {r"(^|\.)(initial|input)_law\.": r"\1\2_distribution."}

    def __init__(
        self,
        sessions: Iterable[Session | SessionInfo],
        window: int = 5,
        *,
        generator_size: int = 256,
        encoder_size: int = 256,
        controller_size: int = 256,
        num_factors: int = 128,
        num_inputs: int = 128,
        dropout: float = 0.1,
        coordinated_dropout: float = 0.3,
        initial_kl_weight: float = 1e-4,
        input_kl_weight: float = 1e-4,
        l2_weight: float = 1e-4,
        ramp_steps: int = 1000,
        causal: bool = False,
        use_behaviour: bool = True,
    ) -> None:
        super().__init__(sessions, window)
        (info,) = self.sessions.values()
        N, K = len(info.neuron_id), self.num_behaviours * use_behaviour
        self.use_behaviour, self.coordinated_dropout, self.causal = use_behaviour, coordinated_dropout, causal
        self.initial_kl_weight, self.input_kl_weight, self.l2_weight = initial_kl_weight, input_kl_weight, l2_weight
        self.ramp_steps = ramp_steps
        self.steps: Tensor
        self.register_buffer("steps", torch.tensor(0))
        self.dropout = torch.nn.Dropout(dropout)
        G, C, F, U = generator_size, controller_size, num_factors, num_inputs if controller_size else 0

        self.initial_encoder = _Encoder(N, encoder_size)
        self.initial_distribution = _linear(2 * encoder_size, 2 * G)
        self.initial_prior = torch.nn.Parameter(torch.zeros(G))
        self.generator = ClippedGRU(U + K, G, fan_in=G)
        self.factors = torch.nn.Parameter(torch.randn(F, G) * G**-0.5)
        self.readout = _linear(F, N)
        self.controlled = C > 0
        if self.controlled:
            self.input_encoder = _Encoder(N, encoder_size, directions=1 if causal else 2)
            self.controller = ClippedGRU((1 if causal else 2) * encoder_size + F, C, fan_in=C)
            self.controller_start = torch.nn.Parameter(torch.zeros(C))
            self.input_distribution = _linear(C, 2 * U)
            self.log_time_constant = torch.nn.Parameter(torch.full((U,), math.log(10.0)))
            self.log_noise = torch.nn.Parameter(torch.full((U,), math.log(0.1)))

    def forward(self, window: Window) -> Forecast:
        """Forecasts the bin after each of the window's last P positions, each from the W bins before it."""
        P = window.target.shape[-1]
        newest = self.window + P - 1
        activity, behaviour = window.activity[..., -newest:].transpose(1, 2), window.behaviour[:, -newest:]
        seen, known = (
            torch.stack([values[:, p : p + self.window] for p in range(P)], dim=1).flatten(0, 1)  # [B P, W, N or K]
            for values in (activity, behaviour)
        )
        generated = self._generate(seen, known)
        forecast = generated.activity[:, -1].unflatten(0, (-1, P)).transpose(1, 2)
        return Forecast(forecast, penalty=generated.penalty)

    def reconstruct(self, window: Window) -> Tensor:
        """Returns the inferred activity of the window's W newest bins, without noise [B, N, W]."""
        newest = window.activity[..., -self.window :].transpose(1, 2)
        return self._generate(newest, window.behaviour[:, -self.window :]).activity[:, :-1].transpose(1, 2)

    def _generate(self, seen: Tensor, behaviour: Tensor) -> "_Generated":
        """Encodes activity [B, W, N] and generates W + 1 bins."""
        B, W, _ = seen.shape
        kept = torch.ones_like(seen)
        if self.training and self.coordinated_dropout > 0:
            kept = torch.bernoulli(kept * (1 - self.coordinated_dropout))
        shown = seen * kept / (1 - self.coordinated_dropout) if self.training else seen

        ends = self.initial_encoder.ends(shown)
        mean, log_variance = self.initial_distribution(self.dropout(ends)).chunk(2, dim=-1)
        initial = _Normal(mean, log_variance.exp() + 1e-4)
        state = self._draw(initial)
        projection = torch.nn.functional.normalize(self.factors, dim=1)
        factors = state @ projection.t()
        encoded = self._encoded(shown) if self.controlled else None
        control = self.controller_start.expand(B, -1) if self.controlled else None
        bins, inputs, distributions = [], [], []
        for t in range(W + 1):
            pushed = []
            if encoded is not None and control is not None:
                control = self.controller(torch.cat([encoded[:, t], factors], -1), control)
                mean, log_variance = self.input_distribution(control).chunk(2, dim=-1)
                distributions.append(_Normal(mean, log_variance.exp() + 1e-4))
                inputs.append(self._draw(distributions[-1]))
                pushed.append(inputs[-1])
            if self.use_behaviour:  # the newest before bin t
                pushed.append(behaviour[:, max(t - 1, 0)])
            state = self.generator(torch.cat(pushed, -1) if pushed else state[:, :0], state)
            factors = self.dropout(state) @ projection.t()
            bins.append(self.readout(factors))
        activity = torch.stack(bins, dim=1)
        if not self.training:
            return _Generated(activity, 0.0)

        self.steps += 1
        hidden = 1 - kept if self.coordinated_dropout > 0 else kept
        error = ((activity[:, :W] - seen).square() * hidden).sum() / hidden.sum().clamp_min(1)
        penalty = self._penalty(initial, inputs, distributions)
        return _Generated(activity, error + (self.steps / self.ramp_steps).clamp(max=1) * penalty)

    def _penalty(self, initial: "_Normal", inputs: list[Tensor], distributions: list["_Normal"]) -> Tensor:
        """Returns the weighted divergences of first state and inputs, plus L2 of the recurrent weights."""
        divergence = _normal_kl(initial.mean, initial.variance, self.initial_prior, 0.1)
        penalty: Tensor = self.initial_kl_weight * divergence.sum(-1).mean()
        if inputs:
            penalty = penalty + self.input_kl_weight * self._input_kl(inputs, distributions)
        cells = [self.generator] + ([self.controller] if self.controlled else [])
        recurrent = [w for cell in cells for w in (cell.gates.weight, cell.candidate.weight)]
        size = sum(w.numel() for w in recurrent)
        return penalty + self.l2_weight / 2 * torch.stack([w.square().sum() for w in recurrent]).sum() / size

    def _encoded(self, shown: Tensor) -> Tensor:
        """Returns the controller's input at each of W + 1 bins, from all other bins; zero at the forecast bin."""
        forward, *backward = self.input_encoder.states(shown)
        zero = torch.zeros_like(forward[:, :1])
        before = torch.cat([zero, forward[:, :-1], zero], dim=1)
        return self.dropout(torch.cat([before, *(torch.cat([b[:, 1:], zero, zero], 1) for b in backward)], -1))

    def _draw(self, normal: "_Normal") -> Tensor:
        """Draws from a normal distribution in training; returns its mean in evaluation."""
        mean, variance = normal
        return mean + variance.sqrt() * torch.randn_like(mean) if self.training else mean

    def _input_kl(self, inputs: list[Tensor], distributions: list["_Normal"]) -> Tensor:
        """Returns the divergence of the drawn inputs from their autoregressive prior, mean over windows."""
        memory = torch.exp(-torch.exp(-self.log_time_constant))
        noise = self.log_noise.exp()
        before = torch.zeros_like(inputs[0])
        total = inputs[0].new_zeros(())
        for t, (drawn, (mean, variance)) in enumerate(zip(inputs, distributions, strict=True)):
            prior_variance = noise / (1 - memory.square()) if t == 0 else noise
            log_ratio = _log_normal(drawn, mean, variance) - _log_normal(drawn, memory * before, prior_variance)
            total = total + log_ratio.sum(-1).mean()
            before = drawn
        return total


class _Normal(NamedTuple):
    """Normal distribution of independent numbers."""

    mean: Tensor
    """Mean of each number."""
    variance: Tensor
    """Variance of each number."""


class _Generated(NamedTuple):
    """Result of the generator."""

    activity: Tensor
    """Generated activity [B, W + 1, N]."""
    penalty: Tensor | float
    """Reconstruction error, divergences and L2 in training; zero in evaluation."""


class _Encoder(torch.nn.Module):
    """GRU that reads forward and, for two directions, a second GRU that reads backward; first states are learned."""

    def __init__(self, num_neurons: int, size: int, directions: int = 2) -> None:
        super().__init__()
        self.cells = torch.nn.ModuleList(ClippedGRU(num_neurons, size) for _ in range(directions))
        self.start = torch.nn.Parameter(torch.zeros(directions, size))

    def states(self, inputs: Tensor) -> list[Tensor]:
        """Returns the states [B, W, H] of each direction, in the order of time."""
        start = self.start[:, None].expand(-1, len(inputs), -1)
        states = []
        for direction, cell in enumerate(self.cells):
            assert isinstance(cell, ClippedGRU)
            states.append(cell.run(inputs, start[direction], reverse=direction == 1))
        return states

    def ends(self, inputs: Tensor) -> Tensor:
        """Returns the last states of both directions, concatenated [B, 2 H]."""
        forward, backward = self.states(inputs)
        return torch.cat([forward[:, -1], backward[:, 0]], dim=-1)


def _linear(inputs: int, outputs: int) -> torch.nn.Linear:
    """Returns a new linear layer with weights of variance ``1 / inputs`` and zero bias."""
    layer = torch.nn.Linear(inputs, outputs)
    torch.nn.init.normal_(layer.weight, std=inputs**-0.5)
    torch.nn.init.zeros_(layer.bias)
    return layer


def _normal_kl(mean: Tensor, variance: Tensor, prior_mean: Tensor, prior_variance: float) -> Tensor:
    """Returns the divergence of one normal distribution from another, for each dimension."""
    ratio = variance / prior_variance
    return 0.5 * (ratio - 1 - ratio.log() + (mean - prior_mean).square() / prior_variance)


def _log_normal(x: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    """Returns the log density of a normal distribution."""
    return -0.5 * (variance.log() + (x - mean).square() / variance + math.log(2 * math.pi))
