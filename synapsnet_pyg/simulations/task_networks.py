"""Small recurrent networks trained on a task, with their weights as true connectivity."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from torch.nn.utils import clip_grad_norm_

from synapsnet_pyg.data.session import Session

STEP = 0.1
"""Duration of a step of a task, and of a bin, in seconds."""

_NOISE = 0.1  # deviation of a stimulus in each step
_LONGEST_GRADIENT = 0.1  # without a bound, some seeds never learn


class Trials(NamedTuple):
    """Trials of a task: inputs of the network and the correct choices."""

    inputs: np.ndarray
    """Fixation signal, then the stimuli [trials, steps, K]."""
    choice: np.ndarray
    """Correct choice in each step, 0 for no choice [trials, steps]."""


class Task(NamedTuple):
    """Task of fixed timing, with the size and the training of its published network."""

    draw: Callable[[np.random.Generator, int], Trials]
    """Function of generator and number of trials that draws the trials."""
    neurons: int
    """Number of neurons of the published network."""
    learning_rate: float
    """Learning rate of Adam."""
    updates: int
    """Number of updates of the weights."""


def perceptual_decision(random: np.random.Generator, trials: int) -> Trials:
    """Draws trials of choosing the stronger of two noisy stimuli: 1 step of rest, 20 of stimuli, 1 to choose."""
    second = random.integers(0, 2, trials)
    contrast = random.choice([0, 0.064, 0.128, 0.256, 0.512], trials) * np.where(second, 1, -1) / 2
    inputs, choice = np.zeros((trials, 22, 3)), np.zeros((trials, 22), dtype=np.int64)
    inputs[:, :21, 0] = 1
    inputs[:, 1:21, 1:] = 0.5 + np.stack([-contrast, contrast], axis=1)[:, None]
    inputs[:, 1:21, 1:] += _NOISE * random.standard_normal((trials, 20, 2))
    choice[:, 21] = 1 + second
    return Trials(inputs, choice)


def go_nogo(random: np.random.Generator, trials: int) -> Trials:
    """Draws trials of acting on one stimulus and not on the other: 5 steps of stimulus, 5 of delay, 5 to act."""
    go = random.integers(0, 2, trials)
    inputs, choice = np.zeros((trials, 15, 3)), np.zeros((trials, 15), dtype=np.int64)
    inputs[:, :10, 0] = 1
    inputs[np.arange(trials), :5, 1 + go] = 1
    choice[:, 10:] = go[:, None]
    return Trials(inputs, choice)


def delay_comparison(random: np.random.Generator, trials: int) -> Trials:
    """Draws trials of comparing two noisy stimuli: 5 steps of rest, 5 and 5 of stimuli 10 apart, 1 to choose."""
    weaker, second = random.integers(0, 5, trials) / 6, random.integers(0, 2, trials)
    stimulus = np.stack([weaker + (1 - second) / 3, weaker + second / 3], axis=1)
    inputs, choice = np.zeros((trials, 26, 2)), np.zeros((trials, 26), dtype=np.int64)
    inputs[:, :25, 0] = 1
    for begin, strength in ((5, stimulus[:, :1]), (20, stimulus[:, 1:])):
        inputs[:, begin : begin + 5, 1] = strength + _NOISE * random.standard_normal((trials, 5))
    choice[:, 25] = 1 + second
    return Trials(inputs, choice)


TASKS = {
    "perceptual-decision": Task(perceptual_decision, neurons=4, learning_rate=0.005, updates=5000),
    "go-nogo": Task(go_nogo, neurons=8, learning_rate=0.01, updates=2000),
    "delay-comparison": Task(delay_comparison, neurons=12, learning_rate=0.01, updates=5000),
}
"""Name -> task."""


class TaskNetwork(torch.nn.Module):
    r"""Recurrent network with a linear read-out of its choice.

    .. math::
        h(t) = \tanh\big(W h(t-1) + V u(t) + b\big), \qquad h(-1) = 0 \text{ in each trial}

    Args:
        inputs: Number of inputs K.
        neurons: Number of neurons N.
        choices: Number of choices, fixation included.

    Example:
        >>> hidden, scores = TaskNetwork(inputs=3, neurons=8, choices=2)(torch.zeros(5, 15, 3))
        >>> hidden.shape, scores.shape
        (torch.Size([5, 15, 8]), torch.Size([5, 15, 2]))
    """

    def __init__(self, inputs: int, neurons: int, choices: int) -> None:
        super().__init__()
        self.recurrent = torch.nn.RNN(inputs, neurons, batch_first=True)
        self.choose = torch.nn.Linear(neurons, choices)

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Returns activity [trials, steps, N] and scores of the choices [trials, steps, choices]."""
        hidden, _ = self.recurrent(inputs)
        return hidden, self.choose(hidden)


def train_on_task(task: str, neurons: int | None = None, *, updates: int | None = None, seed: int = 0) -> TaskNetwork:
    """Trains a network by Adam on the cross-entropy of its choices, in batches of some 3,200 steps of new trials.

    Learning rates, batches and updates are as published. The gradient is clipped in addition, so that all seeds learn.

    Args:
        task: Key of :data:`TASKS`.
        neurons: Number of neurons N. None: as published.
        updates: Number of updates of the weights. None: as published, ten seconds on one core.
        seed: Seed of the first weights and the trials; torch's global generator is not used.

    Raises:
        ValueError: There is no such task, or a number is out of range.
    """
    if task not in TASKS:
        raise ValueError(f"Expected a task among {', '.join(TASKS)} (got '{task}').")
    entry = TASKS[task]
    neurons = entry.neurons if neurons is None else neurons
    updates = entry.updates if updates is None else updates
    if neurons < 1 or updates < 0:
        raise ValueError(f"Expected neurons >= 1 and updates >= 0 (got {neurons} and {updates}).")
    random = np.random.default_rng([seed, 0])
    sample = entry.draw(random, 100)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = TaskNetwork(sample.inputs.shape[2], neurons, int(sample.choice.max()) + 1)
    optimiser = torch.optim.Adam(network.parameters(), entry.learning_rate)
    for _ in range(updates):
        trials = entry.draw(random, 3200 // sample.inputs.shape[1])
        scores = network(torch.from_numpy(trials.inputs).float())[1]
        optimiser.zero_grad()
        cross_entropy(scores.flatten(0, 1), torch.from_numpy(trials.choice).flatten()).backward()
        clip_grad_norm_(network.parameters(), _LONGEST_GRADIENT)
        optimiser.step()
    return network


def simulate_task_network(
    task: str = "perceptual-decision",
    trials: int = 1_000,
    *,
    seed: int = 0,
    neurons: int | None = None,
    updates: int | None = None,
    name: str | None = None,
) -> Session:
    r"""Simulates a trained network performing its task (NetFormer, task-trained networks).

    .. math::
        h(t + 1) = \tanh\big(W h(t) + V u(t+1) + b\big)

    Activity is h. Behaviour is the input u *one step ahead*, so that a bin determines the next bin; it is 0 in the last
    bin of a trial. Each trial is a segment and begins from zero activity.

    =====================  ===========================================================================
    perceptual-decision    choose the stronger of two stimuli; 4 neurons, 22 steps, 3 inputs
    go-nogo                act or not, without noise; 8 neurons, 15 steps, 3 inputs, two different trials
    delay-comparison       compare two stimuli; 12 neurons, 26 steps, 2 inputs
    =====================  ===========================================================================

    Args:
        task: Key of :data:`TASKS`.
        trials: Number of recorded trials.
        seed: Seed of all random numbers.
        neurons: Number of neurons N. None: as published.
        updates: Number of updates of the weights in training. None: as published (see :func:`train_on_task`).
        name: Name of the session. None: ``"<task>-<seed>"``.

    Returns:
        Session with W as its edges, including the diagonal.

    Raises:
        ValueError: There is no such task, or a number is out of range.

    References:
        Molano-Mazon et al., "NeuroGym: An open resource for developing and sharing neuroscience tasks" (2022). Lu et
        al., "NetFormer: An interpretable model for recovering dynamical connectivity in neuronal population dynamics",
        ICLR 2025.

    Example:
        >>> simulate_task_network("go-nogo", trials=6, updates=1)
        Session('go-nogo-0', 8 neurons x 90 bins of 0.1 s, 3 behaviours, 6 segments, true graph of 64 edges)
    """
    if trials < 1:
        raise ValueError(f"Expected trials >= 1 (got {trials}).")
    network = train_on_task(task, neurons, updates=updates, seed=seed)
    inputs = TASKS[task].draw(np.random.default_rng([seed, 1]), trials).inputs
    with torch.no_grad():
        hidden = network(torch.from_numpy(inputs).float())[0].numpy()
    weights = network.recurrent.get_parameter("weight_hh_l0").detach().numpy()
    return task_session(hidden, inputs, weights, name=f"{task}-{seed}" if name is None else name)


def task_session(hidden: np.ndarray, inputs: np.ndarray, weights: np.ndarray, *, name: str) -> Session:
    """Returns a session of hidden states, with the recurrent weights as its true edges.

    Args:
        hidden: Hidden states [trials, steps, N].
        inputs: Inputs [trials, steps, K].
        weights: Recurrent weights [N, N].
        name: Name of the session.
    """
    trials, steps, K = inputs.shape
    ahead = np.zeros_like(inputs)
    ahead[:, :-1] = inputs[:, 1:]
    first = steps * np.arange(trials)
    return Session.from_arrays(
        hidden.reshape(trials * steps, -1).T,
        ahead.reshape(trials * steps, K),
        bin_size=STEP,
        segment=np.stack([first, first + steps], axis=1),
        behaviour_name=["fixation", *(f"stimulus {k}" for k in range(1, K))],
        name=name,
        true_connectivity=weights,
    )
