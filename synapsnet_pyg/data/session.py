"""Recording of one population, as a graph."""

import os
from copy import copy
from typing import Any, NamedTuple

import torch
from torch import Tensor

from synapsnet_pyg.data.conversions import as_columns, text
from synapsnet_pyg.data.fingerprint import fingerprint
from synapsnet_pyg.data.session_checks import (
    RESERVED,
    STATISTICS,
    checked_activity,
    checked_behaviour,
    checked_bin_size,
    checked_edges,
    checked_names,
    checked_neuron_field,
    checked_recorded,
    checked_responses,
    checked_segment,
    checked_segment_context,
    checked_segment_part,
    checked_statistic,
    checked_weight_series,
)
from synapsnet_pyg.data.session_file import read_session_file, write_session_file
from synapsnet_pyg.data.session_info import SessionInfo as SessionInfo
from synapsnet_pyg.data.session_sources import SessionSources
from synapsnet_pyg.data.session_split import PARTS, Bins, bins_within, check_shares, split_bins
from synapsnet_pyg.data.standardisation import Statistics


class Split(NamedTuple):
    """Three parts of a session. A part that is contiguous in time is a view of the session's memory."""

    train: "Session"
    """Part that models are fitted to."""
    validation: "Session"
    """Part that chooses epochs and hyperparameters."""
    test: "Session"
    """Part that scores are computed on."""


class Session(SessionSources):
    r"""Recording of one population of neurons, as a graph whose nodes are the neurons.

    The graph's edges, if given, are the *true* connectivity (of a simulation or a connectome). Only scores use them.
    With ``edge_index[0]`` the sender :math:`j` and ``edge_index[1]`` the receiver :math:`i`, ``edge_weight`` is
    the effect of :math:`j` on :math:`i`.

    Args:
        activity: Activity to forecast (dF/F, deconvolved events, counts), floating point, finite: :math:`(N, T)`; half
            precision becomes float32.
        behaviour: Variables that all neurons share (running, pupil, hand), finite: :math:`(T, K)`. None: :math:`K = 0`.
        bin_size: Duration of one bin in seconds.
        segment: First bin and end (exclusive) of each block of consecutive bins, in order, :math:`(S, 2)`; no window
            crosses its border. None: one segment.
        segment_part: Part of each segment, S texts among ``train``, ``validation``, ``test`` and ``""`` (unused), each
            of the three at least once; :meth:`split` follows it. None: parts are contiguous in time.
        segment_context: Number of bins before each segment :math:`(S)` that forecasts of its first bins may see,
            although they belong to another part. None: 0.
        neuron_id: Text for each neuron, unique here and stable across sessions: the same id in two sessions is the
            same neuron. None: ``"<name>/<row>"``.
        behaviour_name: Text for each behaviour. None: ``"behaviour 0"`` and so on.
        name: Name of the recording in tables; unique among sessions that are fitted together.
        edge_index: True edges :math:`(2, E)`, or None.
        edge_weight: Weights of the true edges :math:`(E)`. None: 1 for each edge.
        edge_weight_series: Weights :math:`(E, T)` of connectivity that changes in time; ``[e, t]`` is the weight of
            edge e from bin t to the next. ``edge_weight`` becomes their mean over bins and must be left out.
        true_response: True response to one pulse :math:`(N, N, H)`; ``[i, j, h]`` is the mean change of the activity of
            i, in its units when the session was made, h bins after one unit (of counts, one spike) is added to j at a
            random time within a bin. It includes paths through other neurons.
        true_response_error: Standard error of ``true_response`` :math:`(N, N, H)`. None: 0, a response without noise.
        behaviour_recorded: True where a behaviour was recorded :math:`(T, K)`; elsewhere its value is a fill, which
            counts for no statistic, and which models see as the mean. None: everywhere.
        notes: Sentences on the origin of the session: what was kept of a recording, what was left out and why.
        position_unit: Unit of the neurons' positions, such as ``"mm"``. None: unknown.
        **neuron_fields: Fields of the neurons, such as ``position`` :math:`(N, 3)`, ``area`` or ``cell_type``
            (N texts): tensors, arrays or lists with N entries.

    Raises:
        ValueError: A shape, range or value is wrong.
        WrongTypeError: A value is of the wrong kind, such as texts in place of numbers.

    Example:
        >>> import torch
        >>> Session(torch.randn(3, 50), bin_size=0.1, name="demo", area=["V1", "V1", "LM"])
        Session('demo', 3 neurons x 50 bins of 0.1 s, 0 behaviours, 1 segment, area)
    """

    def __init__(
        self,
        activity: Tensor | None = None,
        behaviour: Tensor | None = None,
        *,
        bin_size: float | None = None,
        segment: Tensor | None = None,
        segment_part: list[str] | None = None,
        segment_context: Tensor | None = None,
        neuron_id: list[str] | None = None,
        behaviour_name: list[str] | None = None,
        name: str = "session",
        edge_index: Tensor | None = None,
        edge_weight: Tensor | None = None,
        edge_weight_series: Tensor | None = None,
        true_response: Tensor | None = None,
        true_response_error: Tensor | None = None,
        behaviour_recorded: Tensor | None = None,
        notes: list[str] | None = None,
        position_unit: str | None = None,
        **neuron_fields: Any,
    ) -> None:
        super().__init__()
        if activity is None:  # PyG builds empty objects of the class and fills them
            self.update(neuron_fields)
            return
        self.activity = activity = checked_activity(activity)
        N, T = activity.shape
        self.num_nodes = N
        self.name = text(name)
        self.bin_size = checked_bin_size(bin_size)
        self.behaviour = checked_behaviour(behaviour, activity)
        recorded = checked_recorded(behaviour_recorded, self.behaviour)
        if recorded is not None:
            self.behaviour_recorded = recorded
        if notes:
            self.notes = [text(note) for note in notes]
        if position_unit:
            self.position_unit = text(position_unit)
        self.segment = checked_segment(segment, T)
        context = checked_segment_context(segment_context, self.segment)
        self.update({"segment_part": checked_segment_part(segment_part, len(self.segment)), "segment_context": context})
        ids = [f"{self.name}/{i}" for i in range(N)] if neuron_id is None else neuron_id
        self.neuron_id = checked_names("neuron_id", ids, N, "rows of activity")
        K = self.behaviour.shape[1]
        names = [f"behaviour {k}" for k in range(K)] if behaviour_name is None else behaviour_name
        self.behaviour_name = checked_names("behaviour_name", names, K, "columns of behaviour")
        if edge_index is not None:
            if edge_weight_series is not None:
                self.edge_weight_series = checked_weight_series(edge_weight_series, edge_index.shape[-1], T)
                edge_weight = edge_weight_series.mean(1)
            self.edge_index, self.edge_weight = checked_edges(edge_index, edge_weight, N)
        elif edge_weight is not None or edge_weight_series is not None:
            raise ValueError("Expected edge_index [2, E] beside edge_weight (got none); pass both or neither.")
        responses = checked_responses(true_response, true_response_error, N)
        if responses is not None:
            self.true_response, self.true_response_error = responses
        for key, value in neuron_fields.items():
            if value is not None:
                checked = checked_statistic if key in STATISTICS else checked_neuron_field
                self[key] = checked(key, value, K if key.startswith("behaviour_") else N)

    @property
    def num_neurons(self) -> int:
        """Number of neurons N."""
        return int(self.activity.shape[0])

    @property
    def num_bins(self) -> int:
        """Number of bins T."""
        return int(self.activity.shape[1])

    @property
    def num_behaviours(self) -> int:
        """Number of behaviours K."""
        return int(self.behaviour.shape[1])

    @property
    def fingerprint(self) -> str:
        """Short hash of every field but the notes and the unit of positions, to compare recordings."""
        return fingerprint(self)

    @property
    def neuron_fields(self) -> dict[str, Tensor | list[str]]:
        """Fields of the neurons beside their ids: name of the field -> N entries."""
        return {key: self[key] for key in sorted(self.keys()) if key not in RESERVED}

    @property
    def neuron_columns(self) -> dict[str, list[Any]]:
        """Fields of the neurons as columns of numbers or texts; fields wider than three columns are left out."""
        return as_columns(self.neuron_fields)

    def known_behaviour(self, behaviour: Tensor, fill: float = float("nan")) -> Tensor:
        """Returns behaviour (T, K) with ``fill`` where it was not recorded."""
        return behaviour.masked_fill(~self.behaviour_recorded, fill) if "behaviour_recorded" in self else behaviour

    @property
    def recorded_share(self) -> list[float]:
        """Share of the bins in which each behaviour was recorded."""
        if "behaviour_recorded" not in self:
            return [1.0] * self.num_behaviours
        shares: list[float] = self.behaviour_recorded.float().mean(0).tolist()
        return shares

    @property
    def true_connectivity(self) -> Tensor | None:
        """True weights as a matrix :math:`(N, N)`, ``[i, j]`` the effect of j on i; None if unknown.

        Weights that change in time are averaged over the bins of this session.
        """
        return self._as_matrix(self.edge_weight) if "edge_index" in self else None

    def true_connectivity_at(self, bins: Tensor) -> Tensor | None:
        """Returns the true weights with which each of M bins acts on the next, :math:`(M, N, N)`; None if unknown."""
        if "edge_index" not in self:
            return None
        if "edge_weight_series" in self:
            return self._as_matrix(self.edge_weight_series[:, bins].t())
        return self._as_matrix(self.edge_weight).expand(len(bins), -1, -1)

    def _as_matrix(self, weight: Tensor) -> Tensor:
        """Returns edge weights [..., E] as matrices [..., N, N]."""
        matrix = weight.new_zeros(*weight.shape[:-1], self.num_neurons, self.num_neurons)
        matrix[..., self.edge_index[1], self.edge_index[0]] = weight
        return matrix

    def slice(self, start: int, stop: int) -> "Session":
        """Returns the bins ``start`` to ``stop`` (exclusive) as views of the same memory, with segments clipped.

        Raises:
            ValueError: ``start`` or ``stop`` is out of range, or ``start`` is above ``stop``.
        """
        if not 0 <= start <= stop <= self.num_bins:
            raise ValueError(f"Expected 0 <= start <= stop <= {self.num_bins} bins (got {start} and {stop}).")
        segment = self.segment.clamp(start, stop) - start
        kept = segment[:, 1] > segment[:, 0]
        part = self._of_bins(slice(start, stop), segment[kept], self.context.minimum(segment[:, 0])[kept])
        if "segment_part" in self:
            part.segment_part = [name for name, keep in zip(self.segment_part, kept.tolist(), strict=True) if keep]
        return part

    def _of_bins(self, bins: Bins, segment: Tensor, context: Tensor) -> "Session":
        """Returns some bins, with segments and contexts that are given."""
        part = copy(self)
        part.activity = self.activity[:, bins]
        part.behaviour = self.behaviour[bins]
        if "behaviour_recorded" in self:
            part.behaviour_recorded = self.behaviour_recorded[bins]
        if "edge_weight_series" in self:
            part.edge_weight_series = self.edge_weight_series[:, bins]
            part.edge_weight = part.edge_weight_series.mean(1)
        part.segment = segment
        part.update({"segment_part": None, "segment_context": context if bool(context.any()) else None})
        return part

    @property
    def context(self) -> Tensor:
        """Number of bins before each segment that forecasts of its first bins may see :math:`(S)`."""
        return self.segment_context if "segment_context" in self else torch.zeros_like(self.segment[:, 0])

    def part_bins(self, part: str) -> Tensor:
        """Returns the bins of the session that a part of :meth:`split` holds, in order.

        Args:
            part: ``train``, ``validation`` or ``test``.
        """
        if "segment_part" in self:
            return bins_within(self.segment, self.context, self._is_in(part)).bins
        border = (0, *split_bins(self.segment, 0.8, 0.1), self.num_bins)
        return torch.arange(*border[PARTS.index(part) :][:2])

    def _is_in(self, part: str) -> Tensor:
        """Returns True for the segments of a part [S]."""
        return torch.tensor([name == part for name in self.segment_part], device=self.segment.device)

    def within(self, chosen: Tensor) -> "Session":
        """Returns some of the segments without any other bin but their contexts.

        Segments that follow each other without a gap are views of the same memory; others are copied.

        Args:
            chosen: True for the segments to keep :math:`(S)`.

        Example:
            >>> segment = torch.tensor([[0, 2], [2, 4], [4, 5]])
            >>> session = Session(torch.tensor([[0.0, 1, 2, 3, 4]]), bin_size=1, segment=segment)
            >>> session.within(torch.tensor([True, False, True])).activity.tolist()
            [[0.0, 1.0, 4.0]]
        """
        part = bins_within(self.segment, self.context, chosen)
        return self._of_bins(part.selection, part.segment, part.context)

    def split(self, train: float | None = None, validation: float | None = None, test: float | None = None) -> Split:
        """Splits the session into three parts: by ``segment_part`` if the session has it, else contiguous in time.

        All scores of the package use the split without arguments, by default 80, 10 and 10 % of the bins. With three
        segments or more, each border moves to the nearest border between segments, unless the training part would lose
        half of its share, as with one long segment and a few short ones. No window crosses a border.

        Args:
            train: Share of the bins for training, in place of ``segment_part``. All three shares are given, or none.
            validation: Share of the bins for the choice of epoch and ridge.
            test: Share of the bins for the scores. The three shares add up to one.

        Raises:
            ValueError: The shares are not positive or do not add up to one, or the session has under three bins.

        Example:
            >>> Session(torch.randn(3, 50), bin_size=0.1).split().train.num_bins
            40
        """
        if (train, validation, test) == (None, None, None):
            if "segment_part" in self:
                return Split(*(self.within(self._is_in(part)) for part in PARTS))
            train, validation, test = 0.8, 0.1, 0.1
        check_shares(train, validation, test)
        if (in_segments := int((self.segment[:, 1] - self.segment[:, 0]).sum())) < 3:
            raise ValueError(f"Expected at least 3 bins to split (session '{self.name}' has {in_segments}).")
        first, second = split_bins(self.segment, train or 0.0, validation or 0.0)
        return Split(self.slice(0, first), self.slice(first, second), self.slice(second, self.num_bins))

    def standardise(self, train: "Session | None" = None, inplace: bool = False) -> "Session":
        r"""Brings each neuron and each behaviour to mean zero and deviation one **over the training part**.

        .. math::
            a_i(t) \leftarrow (a_i(t) - \mu_i) / \sigma_i

        with the population deviation, or 1 for rows that are constant in training. ``constant`` :math:`(N)` marks
        constant neurons. The statistics are kept in ``activity_mean``, ``activity_scale`` :math:`(N)`,
        ``behaviour_mean`` and ``behaviour_scale`` :math:`(K)`. Behaviour that was not recorded becomes zero, the mean.

        Args:
            train: Part whose statistics are used. None: ``self.split().train``.
            inplace: Overwrite this session's memory instead of copying it, for recordings as large as the memory.

        Returns:
            The standardised session; itself if it is standardised already.

        Raises:
            ValueError: The session is standardised already, and ``train`` asks for other statistics.

        Example:
            >>> import torch
            >>> session = Session(torch.tensor([[1.0, 3, 1, 3, 1, 3, 1, 3, 5, 5]]), bin_size=0.1)
            >>> session.standardise().activity.tolist()
            [[-1.0, 1.0, -1.0, 1.0, -1.0, 1.0, -1.0, 1.0, 3.0, 3.0]]
        """
        if "activity_scale" in self:
            if train is None:
                return self
            raise ValueError(f"Session '{self.name}' is standardised already; load it anew to use other statistics.")
        train = self.split().train if train is None else train
        activity = Statistics.of(train.activity, train.segment)
        recorded = train.behaviour_recorded.t() if "behaviour_recorded" in train else None
        behaviour = Statistics.of(train.behaviour.t(), train.segment, recorded)
        session = self if inplace else copy(self)
        session.activity = activity.apply(self.activity, inplace)
        session.behaviour = behaviour.apply(self.behaviour.t(), inplace).t()
        session.behaviour = self.known_behaviour(session.behaviour, 0.0)  # the mean, which tells a model nothing
        session.constant = activity.constant
        session.activity_mean, session.activity_scale = activity.mean, activity.scale
        session.behaviour_mean, session.behaviour_scale = behaviour.mean, behaviour.scale
        return session

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the session to one HDF5 file, completely or not at all.

        Raises:
            OSError: The folder is missing, not writable or full; an older file at ``path`` is untouched.
        """
        attributes = {key: self[key] for key in ("name", "bin_size", "position_unit") if key in self}
        fields = {key: self[key] for key in self.keys() if key not in attributes and key != "num_nodes"}
        write_session_file(path, fields, attributes)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Session":
        """Reads a session from a file of :meth:`save`, without unpickling.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: The file is not a session, is damaged, or holds invalid fields.
        """
        fields = read_session_file(path)
        try:
            return cls(**fields)
        except (ValueError, TypeError) as error:
            raise ValueError(f"'{path}': {error}") from None

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
        if "true_response" in self:
            parts.append(f"true response over {self.true_response.shape[2]} bins")
        if "activity_scale" in self:
            parts.append("standardised")
        return f"Session({self.name!r}, {', '.join(parts)})"
