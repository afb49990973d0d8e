"""Recorded neuron with synapses that change by spike-timing-dependent plasticity."""

from dataclasses import dataclass, replace

import numpy as np
import torch

from synapsnet_pyg.data.session import Session

STRONGEST = 0.024
"""Largest weight of a synapse; the smallest is 0."""

RATE = 50.0
"""Firing rate of each input in hertz."""

_STEP = 1.0  # Euler's scheme; time constants in milliseconds, potentials in millivolts
_LEAK, _THRESHOLD, _START, _EXCITATORY = -75.0, -55.0, -65.0, 0.0
_MEMBRANE, _SYNAPSE, _PLASTICITY, _REFRACTORY = 10.0, 5.0, 20.0, 2.0
_POTENTIATION, _DEPRESSION = 0.008, 1.1 * 0.008


def simulate_stdp(bins: int = 100_000, seed: int = 2020, *, synapses: int = 100, name: str | None = None) -> Session:
    r"""Simulates a leaky integrate-and-fire neuron under spike-timing-dependent plasticity (NetFormer).

    .. math::
        \tau_m \dot v &= -(v - V_L) - g\,(v - V_E), & \dot g &= -g / \tau_g + \textstyle\sum_i w_i s_i(t) \\
        \dot P_i &= -P_i / \tau + A_+ s_i(t), & \dot M &= -M / \tau - A_- s(t) \\
        w_i &\leftarrow w_i + P_i\, w_{\max} \;\text{ when the neuron spikes}, &
        w_i &\leftarrow w_i + M\, w_{\max} \;\text{ when input i spikes}

    with :math:`s_i` the spikes of independent Poisson inputs of :data:`RATE`, s the spikes of the neuron,
    :math:`0 \le w_i \le w_{\max}` = :data:`STRONGEST` and :math:`w_i(0) = 0.014`. The neuron spikes when
    :math:`v \ge V_\theta`, and stays at :math:`V_L` in this bin and two more.

    =====================  ===========================================================================
    potentials             :math:`V_L` = -75, :math:`V_\theta` = -55, :math:`V_E` = 0, :math:`v(0)` = -65 mV
    time constants         :math:`\tau_m` = 10, :math:`\tau_g` = 5, :math:`\tau` = 20 ms
    plasticity             :math:`A_+` = 0.008, :math:`A_-` = 0.0088
    =====================  ===========================================================================

    Euler's scheme has this order within each millisecond:

    1. P decays, and the inputs' spikes of this bin are added.
    2. The neuron may spike, which raises the weights and lowers M.
    3. v and w are recorded.
    4. g decays, and the inputs' spikes times the weights are added.
    5. The inputs' spikes lower the weights by M, and M decays.
    6. v changes by the new g. The inputs of a bin therefore act on the voltage of the next bin.

    Args:
        bins: Number of bins T of 1 ms.
        seed: Seed of the inputs' spikes; 2020 gives the published spikes.
        synapses: Number of inputs.
        name: Name of the session. None: ``"stdp-<seed>"``.

    Returns:
        Session of the voltage in mV (neuron 0) and the inputs' spikes, 0 or 1 (other neurons). True edges lead from
        each input to neuron 0, and ``edge_weight_series`` is :math:`w_i(t)`.

    Raises:
        ValueError: A number is out of range.

    References:
        Song, Miller and Abbott, "Competitive Hebbian learning through spike-timing-dependent synaptic plasticity",
        Nature Neuroscience 3 (2000). Lu et al., "NetFormer: An interpretable model for recovering dynamical
        connectivity in neuronal population dynamics", ICLR 2025.

    Example:
        >>> session = simulate_stdp(bins=200, synapses=30)
        >>> session
        Session('stdp-2020', 31 neurons x 200 bins of 0.001 s, 0 behaviours, 1 segment, true graph of 30 edges)
        >>> session.edge_weight_series.shape
        torch.Size([30, 200])
    """
    if bins < 1 or synapses < 1:
        raise ValueError(f"Expected bins >= 1 and synapses >= 1 (got {bins} and {synapses}).")
    # numpy's older generator, with which the published spikes were drawn.
    spikes = np.random.RandomState(seed).random_sample((synapses, bins)) < RATE * _STEP / 1000
    state = _State.start(synapses)
    voltage, weights = np.empty((1, bins), dtype=np.float32), np.empty((synapses, bins), dtype=np.float32)
    for t, inputs in enumerate(spikes.T.astype(float)):
        if t > 0:  # the published simulation starts from P = 0 after the first bin's spikes
            state = state.potentiate(inputs)
        state = state.spike()
        voltage[0, t], weights[:, t] = state.voltage, state.weights
        state = state.follow(inputs)
    sender = torch.arange(1, synapses + 1)
    return Session(
        torch.from_numpy(np.concatenate([voltage, spikes.astype(np.float32)])),
        bin_size=_STEP / 1000,
        name=f"stdp-{seed}" if name is None else name,
        edge_index=torch.stack([sender, torch.zeros_like(sender)]),
        edge_weight_series=torch.from_numpy(weights),
    )


@dataclass(frozen=True)
class _State:
    """State of the neuron and its synapses, by the symbols of :func:`simulate_stdp`."""

    voltage: float
    """Voltage v in millivolts."""
    conductance: float
    """Conductance g, relative to the leak."""
    resting: float
    """Remaining refractory time in milliseconds."""
    depression: float
    """Depression M, not above 0."""
    potentiation: np.ndarray
    """Potentiation P of each synapse."""
    weights: np.ndarray
    """Weight w of each synapse."""

    @classmethod
    def start(cls, synapses: int) -> "_State":
        """Returns the state before the first bin."""
        return cls(
            voltage=_START,
            conductance=0.0,
            resting=0.0,
            depression=0.0,
            potentiation=np.zeros(synapses),
            weights=np.full(synapses, 0.014),
        )

    def potentiate(self, inputs: np.ndarray) -> "_State":
        """Returns the state after the decay of P and the inputs' spikes."""
        return replace(self, potentiation=self.potentiation * (1 - _STEP / _PLASTICITY) + _POTENTIATION * inputs)

    def spike(self) -> "_State":
        """Returns the state after a spike or a refractory bin of the neuron, or the unchanged state."""
        if self.resting > 0:
            return replace(self, voltage=_LEAK, resting=self.resting - _STEP)
        if self.voltage < _THRESHOLD:
            return self
        return replace(
            self,
            voltage=_LEAK,
            resting=_REFRACTORY,
            depression=self.depression - _DEPRESSION,
            weights=np.minimum(self.weights + self.potentiation * STRONGEST, STRONGEST),
        )

    def follow(self, inputs: np.ndarray) -> "_State":
        """Returns the state after the inputs' spikes, with the voltage of the next bin."""
        g = self.conductance * (1 - _STEP / _SYNAPSE) + float(self.weights @ inputs)
        change = -(self.voltage - _LEAK) - g * (self.voltage - _EXCITATORY)
        return replace(
            self,
            voltage=self.voltage + change * _STEP / _MEMBRANE,
            conductance=g,
            depression=self.depression * (1 - _STEP / _PLASTICITY),
            weights=np.maximum(self.weights + self.depression * STRONGEST * inputs, 0.0),
        )
