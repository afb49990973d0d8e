"""One recording of one population, as a graph."""

import hashlib
import os
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor
from torch_geometric.data import Data

from synapsnet_pyg.data.session_checks import (
    RESERVED,
    STATISTICS,
    as_float,
    as_texts,
    check_activity,
    checked_behaviour,
    checked_bin_size,
    checked_course,
    checked_edges,
    checked_names,
    checked_neuron_field,
    checked_segment,
)
from synapsnet_pyg.data.session_file import read_session_file, write_session_file


class Recorded(Protocol):
    """Anything that has the four fields of a :class:`SessionInfo`: a session, or its information alone."""

    @property
    def name(self) -> str: ...  # noqa: D102

    @property
    def neuron_id(self) -> list[str]: ...  # noqa: D102

    @property
    def behaviour_name(self) -> list[str]: ...  # noqa: D102

    @property
    def num_bins(self) -> int: ...  # noqa: D102


@dataclass(frozen=True)
class SessionInfo:
    """Names and length of a session, without its recording; saved with a model in place of its sessions.

    Args:
        name: Name of the session, unique among sessions that are fitted together.
        neuron_id: Ids of its N neurons.
        behaviour_name: Names of its K behaviours.
        num_bins: Number of bins T.

    Example:
        >>> SessionInfo.of(Session(torch.randn(2, 50), bin_size=0.1, name="demo"))
        SessionInfo(name='demo', neuron_id=['demo/0', 'demo/1'], behaviour_name=[], num_bins=50)
    """

    name: str
    neuron_id: list[str]
    behaviour_name: list[str]
    num_bins: int

    @classmethod
    def of(cls, session: Recorded) -> "SessionInfo":
        """Returns the names and the length of a session."""
        return cls(session.name, list(session.neuron_id), list(session.behaviour_name), session.num_bins)


class Split(NamedTuple):
    """Three parts of a session, contiguous in time. Their activity is a view of the session's memory."""

    train: "Session"
    validation: "Session"
    test: "Session"


class Session(Data):
    r"""One recording of one population of neurons, as a graph whose nodes are the neurons.

    The graph's edges, where given, are the *true* connectivity (of a simulation or a connectome), used for scoring
    alone. With ``edge_index[0]`` the sender :math:`j` and ``edge_index[1]`` the receiver :math:`i`, ``edge_weight`` is
    the effect of :math:`j` on :math:`i`.

    Args:
        activity: What is forecast (dF/F, deconvolved events, counts), floating point, finite: :math:`(N, T)`.
        behaviour: What all neurons share (running, pupil, hand), finite: :math:`(T, K)`. None: :math:`K = 0`.
        bin_size: Duration of one bin in seconds.
        segment: First bin and end (exclusive) of each stretch of consecutive bins, in order, :math:`(S, 2)`; no window
            crosses its border. None: the whole recording is one.
        neuron_id: A text for each neuron, unique here and stable across sessions: the same id in two sessions is the
            same neuron. None: ``"<name>/<row>"``.
        behaviour_name: A text for each behaviour. None: ``"behaviour 0"`` and so on.
        name: What the recording is called in tables; unique among sessions that are fitted together.
        edge_index: True edges :math:`(2, E)`, or None.
        edge_weight: Their weights :math:`(E)`, or None for all one.
        edge_weight_course: Where the wiring changes: the weight of each edge in each bin, with which that bin acts on
            the next, :math:`(E, T)`. ``edge_weight`` is then its mean and is left out.
        **neuron_fields: Anything known about each neuron, such as ``position`` :math:`(N, 3)`, ``area`` or
            ``cell_type`` (N texts): tensors, arrays or lists with N entries.

    Raises:
        ValueError: A shape, range or value is not as described; the message says what came and how to mend it.
        KindError: A value is of the wrong kind, such as texts in place of numbers.

    Example:
        >>> session = Session(torch.randn(3, 50), bin_size=0.1, name="demo", area=["V1", "V1", "LM"])
        >>> session
        Session('demo', 3 neurons x 50 bins of 0.1 s, 0 behaviours, 1 segment, area)
        >>> session.neuron_id
        ['demo/0', 'demo/1', 'demo/2']
    """

    def __init__(
        self,
        activity: Tensor | None = None,
        behaviour: Tensor | None = None,
        bin_size: float | None = None,
        segment: Tensor | None = None,
        neuron_id: list[str] | None = None,
        behaviour_name: list[str] | None = None,
        name: str = "session",
        edge_index: Tensor | None = None,
        edge_weight: Tensor | None = None,
        edge_weight_course: Tensor | None = None,
        **neuron_fields: Any,
    ) -> None:
        super().__init__()
        if activity is None:  # PyG makes empty Data objects of a class and fills them itself.
            for key, value in neuron_fields.items():
                setattr(self, key, value)
            return
        check_activity(activity)
        N, T = activity.shape
        self.activity = activity
        self.num_nodes = N
        self.name = str(name)
        self.bin_size = checked_bin_size(bin_size)
        self.behaviour = checked_behaviour(behaviour, activity)
        self.segment = checked_segment(segment, T)
        ids = [f"{name}/{i}" for i in range(N)] if neuron_id is None else neuron_id
        self.neuron_id = checked_names("neuron_id", ids, N, "neuron", "rows of activity")
        K = self.behaviour.shape[1]
        names = [f"behaviour {k}" for k in range(K)] if behaviour_name is None else behaviour_name
        self.behaviour_name = checked_names("behaviour_name", names, K, "behaviour", "columns of behaviour")
        if edge_index is not None:
            if edge_weight_course is not None:
                self.edge_weight_course = checked_course(edge_weight_course, edge_index.shape[-1], T)
                edge_weight = edge_weight_course.mean(1)
            self.edge_index, self.edge_weight = checked_edges(edge_index, edge_weight, N)
        elif edge_weight is not None or edge_weight_course is not None:
            raise ValueError("Expected edge_index [2, E] beside edge_weight (got none); pass both or neither.")
        for key, value in neuron_fields.items():
            if value is not None:
                setattr(self, key, value if key in STATISTICS else checked_neuron_field(key, value, N))

    @classmethod
    def from_arrays(
        cls,
        activity: ArrayLike,
        behaviour: ArrayLike | None = None,
        *,
        bin_size: float,
        name: str = "session",
        segment: ArrayLike | None = None,
        neuron_id: ArrayLike | None = None,
        behaviour_name: ArrayLike | None = None,
        true_connectivity: ArrayLike | None = None,
        **neuron_fields: Any,
    ) -> "Session":
        r"""Makes a session from numpy arrays or anything that numpy reads as such.

        Args:
            activity: :math:`(N, T)`, neurons first; integers become float32.
            behaviour: :math:`(T, K)`, or :math:`(T)` for a single one.
            bin_size: Duration of one bin in seconds.
            name: What the recording is called in tables.
            segment: :math:`(S, 2)` first bin and end (exclusive) of each stretch.
            neuron_id: N texts or numbers.
            behaviour_name: K texts.
            true_connectivity: :math:`(N, N)` with ``[i, j]`` the effect of neuron j on neuron i; zeros are no edges.
            **neuron_fields: N entries each.

        Raises:
            ValueError: As for the class.

        Example:
            >>> Session.from_arrays(np.random.poisson(1.0, (4, 60)), np.zeros(60), bin_size=0.05, name="probe")
            Session('probe', 4 neurons x 60 bins of 0.05 s, 1 behaviour, 1 segment)
        """
        edge_index = edge_weight = None
        if true_connectivity is not None:
            truth = torch.from_numpy(np.array(true_connectivity, dtype=np.float32))
            if truth.dim() != 2 or truth.shape[0] != truth.shape[1]:
                raise ValueError(f"Expected true_connectivity of shape [N, N] (got {list(truth.shape)}).")
            receiver, sender = truth.nonzero(as_tuple=True)
            edge_index, edge_weight = torch.stack([sender, receiver]), truth[receiver, sender]
        if behaviour is not None:
            behaviour = as_float(behaviour, "behaviour")
            behaviour = behaviour[:, None] if behaviour.dim() == 1 else behaviour
        return cls(
            as_float(activity, "activity"),
            behaviour,
            bin_size,
            None if segment is None else torch.from_numpy(np.array(segment, dtype=np.int64)),
            as_texts(neuron_id),
            as_texts(behaviour_name),
            name,
            edge_index,
            edge_weight,
            **neuron_fields,
        )

    @property
    def num_neurons(self) -> int:
        """N."""
        return int(self.activity.shape[0])

    @property
    def num_bins(self) -> int:
        """T."""
        return int(self.activity.shape[1])

    @property
    def num_behaviours(self) -> int:
        """K."""
        return int(self.behaviour.shape[1])

    @property
    def fingerprint(self) -> str:
        """A short text that differs between recordings: of activity, behaviour, segments, ids and names."""
        digest = hashlib.sha256(repr((self.name, self.neuron_id, self.behaviour_name, self.segment.tolist())).encode())
        for row in self.activity:  # a row at a time, so that a slice of a recording need not be copied
            digest.update(row.cpu().numpy().tobytes())
        digest.update(self.behaviour.cpu().numpy().tobytes())
        return digest.hexdigest()[:16]

    @property
    def neuron_fields(self) -> dict[str, Any]:
        """What is known about each neuron beside its id: name of the field -> N entries."""
        return {key: self[key] for key in sorted(self.keys()) if key not in RESERVED}

    @property
    def neuron_columns(self) -> dict[str, list[Any]]:
        """Fields of the neurons as columns of numbers or texts; fields wider than three columns are left out."""
        columns: dict[str, list[Any]] = {}
        for key, value in self.neuron_fields.items():
            if not isinstance(value, Tensor):
                columns[key] = value
            elif value.dim() == 1:
                columns[key] = value.tolist()
            elif value.dim() == 2 and value.shape[1] <= 3:
                axes = zip(range(value.shape[1]), "xyz", strict=False)
                columns |= {f"{key}_{axis}": value[:, a].tolist() for a, axis in axes}
        return columns

    @property
    def true_connectivity(self) -> Tensor | None:
        """The true weights as a matrix :math:`(N, N)`, ``[i, j]`` the effect of j on i; None where unknown.

        Where they change in time, their mean over this session's bins.
        """
        return self._as_matrix(self.edge_weight) if "edge_index" in self else None

    def true_connectivity_at(self, bins: Tensor) -> Tensor | None:
        """The true weights with which each of M bins acts on the next, :math:`(M, N, N)`; None where unknown."""
        if "edge_index" not in self:
            return None
        if "edge_weight_course" in self:
            return self._as_matrix(self.edge_weight_course[:, bins].t())
        return self._as_matrix(self.edge_weight).expand(len(bins), -1, -1)

    def _as_matrix(self, weight: Tensor) -> Tensor:
        """[..., N, N] of [..., E]."""
        matrix = weight.new_zeros(*weight.shape[:-1], self.num_neurons, self.num_neurons)
        matrix[..., self.edge_index[1], self.edge_index[0]] = weight
        return matrix

    def slice(self, start: int, stop: int) -> "Session":
        """The bins ``start`` to ``stop`` (exclusive) as a session: views of the same memory, segments clipped.

        Raises:
            ValueError: Not 0 <= start <= stop <= T.
        """
        if not 0 <= start <= stop <= self.num_bins:
            raise ValueError(f"Expected 0 <= start <= stop <= {self.num_bins} bins (got {start} and {stop}).")
        part = self._shallow_copy()
        part.activity = self.activity[:, start:stop]
        part.behaviour = self.behaviour[start:stop]
        if "edge_weight_course" in self:
            part.edge_weight_course = self.edge_weight_course[:, start:stop]
            part.edge_weight = part.edge_weight_course.mean(1)
        segment = self.segment.clamp(start, stop) - start
        part.segment = segment[segment[:, 1] > segment[:, 0]]
        return part

    def split(self, train: float = 0.8, validation: float = 0.1, test: float = 0.1) -> Split:
        """Cuts the session into three parts, contiguous in time; the default is the protocol of all our scores.

        With three segments or more, whole segments go to one part: each cut moves to the nearest border between
        segments. A recording of fewer segments, or one in which that would cost the training part half of its share
        (one long stretch and a few snippets), is cut at the wanted bin, and no window crosses the cut.

        Args:
            train: Share of the bins for training.
            validation: Share for choosing (epoch, ridge).
            test: Share for the scores. The three add up to one.

        Raises:
            ValueError: The shares are not positive or do not add up to one, or the session has under three bins.
        """
        shares = (train, validation, test)
        if min(shares) <= 0 or abs(sum(shares) - 1) > 1e-6:
            raise ValueError(f"Expected three positive shares that add up to 1 (got {shares}).")
        length = self.segment[:, 1] - self.segment[:, 0]
        in_segments = int(length.sum())
        if in_segments < 3:
            raise ValueError(f"Expected at least 3 bins to split (session '{self.name}' has {in_segments}).")
        borders = length.cumsum(0)  # counted in bins that lie in a segment
        first, second = round(in_segments * train), round(in_segments * (train + validation))
        if len(borders) >= 3:
            a = int((borders[:-2] - first).abs().argmin())
            b = a + 1 + int((borders[a + 1 : -1] - second).abs().argmin())
            if borders[a] >= first / 2:
                return self._cut(int(self.segment[a + 1, 0]), int(self.segment[b + 1, 0]))
        first = min(max(first, 1), in_segments - 2)
        second = min(max(second, first + 1), in_segments - 1)
        return self._cut(self._bin_of(first), self._bin_of(second))

    def _bin_of(self, count: int) -> int:
        """The bin that has ``count`` bins of segments before it."""
        end = (self.segment[:, 1] - self.segment[:, 0]).cumsum(0)
        s = int(torch.searchsorted(end, count, right=True))
        return int(self.segment[s, 1]) - int(end[s]) + count

    def _cut(self, first: int, second: int) -> Split:
        return Split(self.slice(0, first), self.slice(first, second), self.slice(second, self.num_bins))

    def standardise(self, train: "Session | None" = None, inplace: bool = False) -> "Session":
        r"""Brings each neuron and each behaviour to mean zero and deviation one **over the training part**.

        .. math::
            a_i(t) \leftarrow (a_i(t) - \mu_i) / \sigma_i

        with the population deviation. What is constant in training gets :math:`\sigma = 1`; constant neurons are
        marked in ``constant`` :math:`(N)`. The statistics stay in ``activity_mean``, ``activity_scale`` :math:`(N)`
        and ``behaviour_mean``, ``behaviour_scale`` :math:`(K)`.

        Args:
            train: The part whose statistics are used; None takes ``self.split().train``.
            inplace: Overwrite this session's memory instead of copying it, for recordings as large as the memory.

        Returns:
            The standardised session; itself if it is so already.

        Raises:
            ValueError: It is standardised already, and ``train`` asks for it anew.
        """
        if "activity_scale" in self:
            if train is None:
                return self
            raise ValueError(f"Session '{self.name}' is standardised already; load it anew to do it otherwise.")
        train = self.split().train if train is None else train
        bins = torch.cat([torch.arange(int(a), int(b)) for a, b in train.segment])
        contiguous = len(bins) == train.num_bins
        session = self if inplace else self._shallow_copy()
        for name, over_time in (("activity", self.activity), ("behaviour", self.behaviour.t())):
            part = train.activity if name == "activity" else train.behaviour.t()
            # A neuron at a time, so that the largest recording needs no second copy of itself.
            statistics = [_mean_and_scale(row if contiguous else row[bins]) for row in part]
            mean = over_time.new_tensor([m for m, _ in statistics])
            scale = over_time.new_tensor([s for _, s in statistics])
            target = over_time if inplace else over_time.clone()
            target.sub_(mean[:, None]).div_(torch.where(scale > 0, scale, torch.ones_like(scale))[:, None])
            if name == "activity":
                session.activity, session.constant = target, scale == 0
            else:
                session.behaviour = target.t()
            session[f"{name}_mean"] = mean
            session[f"{name}_scale"] = torch.where(scale > 0, scale, torch.ones_like(scale))
        return session

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the session to one HDF5 file, wholly or not at all.

        Raises:
            OSError: The folder is missing, not writable or full; what was at ``path`` is untouched.
        """
        fields = {key: self[key] for key in self.keys() if key not in {"name", "bin_size", "num_nodes"}}
        write_session_file(path, self.name, self.bin_size, fields)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Session":
        """Reads a session that :meth:`save` wrote. Nothing is unpickled.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: The file is not a session, is damaged, or holds what no session can hold.
        """
        fields = read_session_file(path)
        try:
            return cls(**fields)
        except (ValueError, TypeError) as error:
            raise ValueError(f"'{path}': {error}") from None

    def _shallow_copy(self) -> "Session":
        """A session of its own that shares every tensor."""
        copy: Session = self.__copy__()
        return copy

    def __repr__(self) -> str:
        if "activity" not in self:
            return "Session()"
        K, S = self.num_behaviours, len(self.segment)
        parts = [
            f"{self.num_neurons} neurons x {self.num_bins} bins of {self.bin_size:g} s",
            f"{K} behaviour{'s' * (K != 1)}",
            f"{S} segment{'s' * (S != 1)}",
            *self.neuron_fields,
        ]
        if "edge_index" in self:
            parts.append(f"true graph of {self.edge_index.shape[1]} edges")
        if "activity_scale" in self:
            parts.append("standardised")
        return f"Session({self.name!r}, {', '.join(parts)})"


def _mean_and_scale(values: Tensor) -> tuple[float, float]:
    """Mean and population deviation; a deviation that is rounding error of a constant counts as zero."""
    values = values.double()
    mean, scale = float(values.mean()), float(values.std(correction=0))
    return mean, scale if scale > 1e-7 * abs(mean) else 0.0
