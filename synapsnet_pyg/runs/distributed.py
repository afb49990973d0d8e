"""Fits by several processes, one on each device of one or more machines.

If the model has parameters of single sessions (``Forecaster.per_session``, such
as the connectivity) and there is a session for each process, every process keeps the activations, gradients and moments
of Adam of its own sessions, and their recordings on its device. Gradients of the other parameters alone travel: those
of the dynamics, and of the embeddings, since a neuron may be in sessions of two processes. Processes can only work at
once if a step takes a batch of each: it minimises the mean loss of R batches, as one process does that accumulates
them. With fewer sessions, or a model that shares all parameters, each process instead has its part of every batch, and
the fit is that of one process, up to random numbers of dropout and the statistics of batch normalisation.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, distributed
from torch.nn import Module

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.data.shares import ShareSampler, owners
from synapsnet_pyg.data.windows import EpochSampler
from synapsnet_pyg.models.forecaster import Forecaster
from synapsnet_pyg.runs.processes import Processes


class Shards:
    """Parts that the processes of a fit have in its sessions and parameters.

    Args:
        model: Model of the fit.
        sessions: Sessions of the fit.
        processes: Processes of the fit.

    Attributes:
        sharded: Whether each process trains its own sessions alone; else each has a part of every batch.
        names: Names of all sessions.
        own: Names of the sessions that this process starts and validates.
        held: Names of the sessions whose recordings this process needs on its device.
    """

    def __init__(self, model: Forecaster, sessions: Sequence[Session], processes: Processes) -> None:
        self.model, self.processes = model, processes
        self.sharded = bool(model.per_session) and 1 < processes.size <= len(sessions)
        self._owner = owners({session.name: session.num_bins for session in sessions}, processes.size)
        self.names = list(self._owner)
        self.own = [name for name, owner in self._owner.items() if owner == processes.rank]
        self.held = self.own if self.sharded else self.names
        local = [(p, name) for name, part in self._parts() for p in part.parameters()] if self.sharded else []
        self._local = {p for p, _ in local}
        self._foreign = [p for p, name in local if self._owner[name] != processes.rank]

    def _parts(self) -> Iterator[tuple[str, Module]]:
        """Yields each session's name with each module that holds its parameters."""
        for name in self._owner:
            for modules in self.model.per_session:
                yield name, getattr(self.model, modules)[self.model.index_of(name)]

    @property
    def batches_per_step(self) -> int:
        """Number of batches in a step, which a resumed fit must keep."""
        return self.processes.size if self.sharded else 1

    def sampler(self, batches: EpochSampler) -> ShareSampler:
        """Returns the shares of this process in the steps of an epoch.

        Args:
            batches: Batches of the sessions that this process holds.
        """
        lengths = self.processes.gather(len(batches)) if self.sharded else None
        return ShareSampler(batches, self.processes.rank, self.processes.size, lengths=lengths)

    def exchange_gradients(self, weight: float) -> None:
        """Sums the gradients of shared parameters over the processes.

        Args:
            weight: Weight of this process in the step. At 0 its sessions take no part, as in a step without them.
        """
        if self.processes.size == 1:
            return
        if weight == 0:
            for parameter in self._local:
                parameter.grad = None
        gradients = [p.grad for p in self.model.parameters() if p.grad is not None and p not in self._local]
        if gradients:
            summed = torch.cat([gradient.flatten() for gradient in gradients])
            distributed.all_reduce(summed)
            for gradient, part in zip(gradients, summed.split([g.numel() for g in gradients]), strict=True):
                gradient.copy_(part.view_as(gradient))

    @torch.no_grad()
    def spread(self) -> None:
        """Sends the parameters of each session from its process to the others, and the rest from the first one."""
        if self.processes.size == 1:
            return
        owner = {id(value): self._owner[name] for name, part in self._parts() for value in _tensors(part)}
        for value in _tensors(self.model):
            distributed.broadcast(value, src=owner.get(id(value), 0))

    def add_moments(self, state: dict[int, Any], optimizer: torch.optim.Optimizer) -> None:
        """Adds Adam's moments of the other processes' sessions to a state of the first process.

        Args:
            state: State of the optimizer, number of a parameter -> moments.
            optimizer: Optimizer of this process.
        """
        if not self.sharded:
            return
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        own = {i: {key: value.cpu() for key, value in state[i].items()}
               for i, p in enumerate(parameters) if p in self._local and i in state}  # fmt: skip
        everyone: list[Any] | None = [None] * self.processes.size if self.processes.is_first else None
        distributed.gather_object(own, everyone)
        for other in everyone or []:
            state.update(other)

    def forget_moments(self, optimizer: torch.optim.Optimizer) -> None:
        """Frees Adam's moments of the other processes' sessions, which a checkpoint has."""
        for parameter in self._foreign:
            optimizer.state.pop(parameter, None)


def _tensors(module: Module) -> Iterator[Tensor]:
    """Yields all parameters and buffers, also those that are not saved."""
    yield from module.parameters()
    yield from module.buffers()
