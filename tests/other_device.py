"""A device beside the CPU that needs no hardware, to find code that would mix devices or make a GPU wait.

FakeTensorMode cannot do this: the CPU's build of torch makes no tensors on "cuda" ("not linked with support for cuda
devices"), and it cannot follow code that reads numbers, such as the linear start, or products of sparse matrices.
"""

from contextlib import contextmanager

import torch
from torch.utils._mode_utils import no_dispatch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

OTHER = torch.device("meta")
"""Name of the device: not the CPU's, and known to every build of torch."""

aten = torch.ops.aten
INDEXING = (aten.index, aten.index_put, aten.index_put_, aten._index_put_impl_, aten._unsafe_index)
WAITS = (aten._local_scalar_dense, aten.nonzero, aten.masked_select, aten.equal, aten._unique2, aten.unique_dim,
         aten.bincount, aten.is_nonzero)  # fmt: skip
"""Functions whose result the processor must wait for, since it reads it or its size."""


class OtherTensor(torch.Tensor):
    """A tensor that says to be on the other device and holds its numbers on the CPU."""

    @staticmethod
    def __new__(cls, values):
        strides = values.stride() if values.layout == torch.strided else None  # else a sparse matrix
        return torch.Tensor._make_wrapper_subclass(cls, values.shape, strides=strides, dtype=values.dtype, device=OTHER)

    def __init__(self, values):
        self.values_on_cpu = values

    def __repr__(self):
        return f"OtherTensor({self.values_on_cpu!r})"

    def tolist(self):
        return self.cpu().tolist()

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        return _on_other(function, args, kwargs or {}, None)


class OtherDevice(TorchDispatchMode):
    """Computes on the other device; counts what a GPU would make the processor wait for."""

    def __init__(self):
        super().__init__()
        self.waits = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        return _on_other(function, args, kwargs or {}, self.waits)

    @contextmanager
    def without_waiting(self):
        """Raises an error if the processor would wait within the statement."""
        before = len(self.waits)
        yield
        assert not self.waits[before:], f"the processor waits for {self.waits[before:]}"


def _on_other(function, args, kwargs, waits):
    given = [value for value in tree_flatten((args, kwargs))[0] if isinstance(value, torch.Tensor)]
    here = [value for value in given if not isinstance(value, OtherTensor)]
    packet = function._overloadpacket
    copies = packet in (aten._to_copy, aten.copy_)
    device = kwargs.get("device")
    to_other = torch.device(device).type == OTHER.type if device is not None else len(here) < len(given)
    if len(here) < len(given) and not copies and packet not in INDEXING:
        mixed = [value for value in here if value.dim()]  # single numbers may come from the CPU
        if mixed:
            raise RuntimeError(f"{function}: a tensor {list(mixed[0].shape)} on the CPU beside one on the other device")
    if waits is not None and _makes_wait(packet, args, kwargs, given, here):
        waits.append(str(function))
    own = {}

    def unwrapped(value):
        if isinstance(value, OtherTensor):
            own[id(value.values_on_cpu)] = value
            return value.values_on_cpu
        return torch.device("cpu") if isinstance(value, torch.device) else value

    def wrapped(value):
        if not isinstance(value, torch.Tensor) or not (to_other or id(value) in own):
            return value
        return own[id(value)] if id(value) in own else OtherTensor(value)

    changed = tree_map(unwrapped, (args, kwargs))
    if packet is aten._to_copy and to_other != (len(here) < len(given)):
        changed[1].pop("non_blocking", None)
    result = function(*changed[0], **changed[1])
    if torch.Tag.inplace_view in function.tags and isinstance(args[0], OtherTensor):  # changes the wrapper's shape too
        with no_dispatch():
            function(*args, **kwargs)
    if packet is aten.copy_:
        return args[0]
    if packet is aten._to_copy and result is changed[0][0]:
        result = result.clone()
    return tree_map(wrapped, result)


def _makes_wait(packet, args, kwargs, given, here):
    crosses = len(here) < len(given)
    if packet is aten.copy_:
        crosses = isinstance(args[0], OtherTensor) != isinstance(args[1], OtherTensor)
        to_cpu = not isinstance(args[0], OtherTensor)
        return crosses and (to_cpu or not (args[2:] or (kwargs.get("non_blocking", False),))[0])
    if packet is aten._to_copy and kwargs.get("device") is not None:
        to_cpu, from_cpu = torch.device(kwargs["device"]).type == "cpu", bool(here)
        return (crosses and to_cpu) or (from_cpu and not to_cpu and not kwargs.get("non_blocking"))
    if packet in INDEXING and crosses:
        indices = [index for index in args[1] if index is not None]
        return any(not isinstance(index, OtherTensor) or index.dtype == torch.bool for index in indices)
    return packet in WAITS and crosses
