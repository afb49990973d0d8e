"""Checks of the fields of a session, which return the checked value or raise an error."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from synapsnet_pyg.data.conversions import text
from synapsnet_pyg.data.session_split import PARTS
from synapsnet_pyg.files import shorten
from synapsnet_pyg.intake.plain import is_positive, kind_of, plain_array

PER_SESSION = {"activity", "behaviour", "bin_size", "segment", "neuron_id", "behaviour_name", "name", "num_nodes"}
"""Fields that every session has."""

OPTIONAL = {"behaviour_recorded", "notes", "position_unit", "segment_part", "segment_context"}
"""Fields of a session that are no fields of its neurons, and may be missing."""

STATISTICS = ("activity_mean", "activity_scale", "constant", "behaviour_mean", "behaviour_scale")
"""Fields of a standardised session."""

TRUTH = ("edge_index", "edge_weight", "edge_weight_series", "true_response", "true_response_error")
"""Fields of a session whose connectivity is known."""

RESERVED = PER_SESSION | OPTIONAL | {*TRUTH, *STATISTICS}
"""Names that no field of the neurons may have. Every other field of a session has one entry for each neuron."""


_TENSORS = (torch.float32, torch.float64, torch.int8, torch.int16, torch.int32, torch.int64, torch.bool)
"""Types of tensors that every function of torch takes."""


class WrongTypeError(TypeError):
    """Error for a value of the wrong kind from a user, such as texts in place of numbers."""


def as_float(values: Any, name: str) -> Tensor:
    """Returns real numbers as a float32 tensor; raises a :class:`WrongTypeError` for anything else.

    Raises:
        WrongTypeError: The values are texts, complex numbers or objects.
    """
    array = plain_array(values)
    if array.dtype.kind not in "fib":
        raise WrongTypeError(f"Expected {name} of real numbers (got {kind_of(array)}).")
    with np.errstate(over="ignore"):  # infinity is told by the checks
        return torch.from_numpy(np.array(array, dtype=np.float32))


def _at_least_single(values: Tensor) -> Tensor:
    """Returns numbers, those of half precision, with which few functions of torch compute, in float32."""
    return values.float() if values.is_floating_point() and values.element_size() < 4 else values


def checked_activity(activity: Tensor) -> Tensor:
    """Returns finite floating-point activity [N, T], in float32 at least."""
    if not isinstance(activity, Tensor) or not activity.is_floating_point():
        kind = activity.dtype if isinstance(activity, Tensor) else type(activity).__name__
        raise WrongTypeError(
            f"Expected activity as a floating-point tensor (got {kind}); Session.from_arrays converts arrays."
        )
    if activity.dim() != 2 or activity.shape[0] == 0:
        raise ValueError(f"Expected activity of shape [N, T], neurons first (got {list(activity.shape)}).")
    # In parts: a mask of the whole recording would take a quarter of the recording's memory.
    parts = activity.detach().split(max((1 << 20) // max(activity.shape[1], 1), 1))
    bad = torch.cat([(~part.isfinite()).any(1) for part in parts]).nonzero().flatten().tolist()
    if bad:
        raise ValueError(
            f"Expected finite activity (neurons {shorten(bad)} hold NaN or infinity); leave them out or fill the gaps."
        )
    return _at_least_single(activity)


def checked_bin_size(bin_size: float | None) -> float:
    """Returns the bin size in seconds, which must be finite and above 0."""
    if bin_size is None or not is_positive(bin_size):
        raise ValueError(f"Expected bin_size, the duration of one bin in seconds, above 0 (got {bin_size}).")
    return float(bin_size)


def checked_behaviour(behaviour: Tensor | None, activity: Tensor) -> Tensor:
    """Returns finite behaviour [T, K] in the precision of the activity; [T, 0] for None."""
    T = activity.shape[1]
    if behaviour is None:
        return activity.new_zeros(T, 0)
    if behaviour.dim() != 2 or behaviour.shape[0] != T:
        hint = "; transpose it?" if behaviour.dim() == 2 and behaviour.shape[1] == T else ""
        raise ValueError(f"Expected behaviour of shape [T, K] with T = {T} bins (got {list(behaviour.shape)}){hint}")
    bad = [k for k in range(behaviour.shape[1]) if not bool(behaviour[:, k].isfinite().all())]
    if bad:
        raise ValueError(f"Expected finite behaviour (columns {shorten(bad)} hold NaN or infinity); fill the gaps.")
    return behaviour.to(activity.dtype)


def checked_segment(segment: Tensor | None, T: int) -> Tensor:
    """Returns segments [S, 2] in order, apart and within 0..T; one whole segment for None."""
    if segment is None:
        return torch.tensor([[0, T]])
    if segment.is_floating_point() and bool((segment != segment.round()).any()):
        wrong = float(segment[segment != segment.round()][0])
        raise ValueError(
            f"Expected segment of whole numbers of bins, start and stop (got {wrong:g}); divide seconds by bin_size."
        )
    segment = segment.long()
    if segment.dim() != 2 or segment.shape[1] != 2:
        raise ValueError(f"Expected segment of whole numbers [S, 2], start and stop (got {list(segment.shape)}).")
    flat = segment.flatten()
    ordered = bool((segment[:, 0] < segment[:, 1]).all()) and bool((flat[1:] >= flat[:-1]).all())
    if len(flat) and (not ordered or int(flat[0]) < 0 or int(flat[-1]) > T):
        raise ValueError(
            f"Expected segments in order, apart, each start < stop, within 0..{T} (got {segment.tolist()[:4]}...)."
        )
    return segment.long()


def checked_segment_part(parts: Iterable[Any] | None, S: int) -> list[str] | None:
    """Returns the part of each of S segments as texts, each of the three parts at least once; None for None."""
    if parts is None:
        return None
    names = [text(name) for name in parts]
    if len(names) != S:
        raise ValueError(f"Expected one segment_part for each of the {S} segments (got {len(names)}).")
    if unknown := sorted(set(names) - {*PARTS, ""}):
        raise ValueError(
            f"Expected segment_part among {', '.join(PARTS)} and an empty text for unused segments (got "
            f"{shorten([repr(name) for name in unknown])})."
        )
    if missing := [part for part in PARTS if part not in names]:
        raise ValueError(f"Expected segments of all three parts in segment_part (there is none of {missing[0]}).")
    return names


def checked_segment_context(context: Tensor | None, segment: Tensor) -> Tensor | None:
    """Returns the number of bins before each segment [S, 2] that its forecasts may see [S]; None for None."""
    if context is None:
        return None
    if context.shape != segment[:, 0].shape or context.is_floating_point():
        raise ValueError(
            f"Expected segment_context of whole numbers, one for each of {len(segment)} segments (got "
            f"{list(context.shape)})."
        )
    if bool((context < 0).any()) or bool((context > segment[:, 0]).any()):
        raise ValueError("Expected segment_context from 0 to the first bin of each segment (got others).")
    return context.long()


def checked_recorded(recorded: Tensor | None, behaviour: Tensor) -> Tensor | None:
    """Returns where behaviour was recorded [T, K], or None if it was everywhere."""
    if recorded is None:
        return None
    if recorded.shape != behaviour.shape:
        raise ValueError(
            f"Expected behaviour_recorded of shape {list(behaviour.shape)}, as behaviour (got {list(recorded.shape)})."
        )
    recorded = recorded.bool()
    return None if bool(recorded.all()) else recorded


def checked_names(field: str, names: Iterable[Any], length: int, entries: str) -> list[str]:
    """Returns names as texts, one for each of ``length`` entries and all different.

    Args:
        field: Name of the field in the error's message.
        names: Names to check.
        length: Number of entries.
        entries: Description of the entries in the error's message, such as "rows of activity".
    """
    names = [text(name) for name in names]
    if len(names) != length:
        raise ValueError(f"Expected one {field} for each of the {length} {entries} (got {len(names)}); transpose it?")
    if len(set(names)) != length:
        twice = sorted(name for name, times in Counter(names).items() if times > 1)
        raise ValueError(
            f"Expected a different {field} for each of the {entries} "
            f"({shorten([repr(t) for t in twice])} come more than once)."
        )
    return names


def checked_edges(edge_index: Tensor, edge_weight: Tensor | None, N: int) -> tuple[Tensor, Tensor]:
    """Returns true edges [2, E] within 0..N-1 and their finite weights [E]."""
    if edge_index.dim() != 2 or edge_index.shape[0] != 2 or edge_index.is_floating_point():
        raise ValueError(
            f"Expected edge_index of whole numbers [2, E], sender and receiver (got {list(edge_index.shape)})."
        )
    if edge_index.numel() and (int(edge_index.min()) < 0 or int(edge_index.max()) >= N):
        raise ValueError(
            f"Expected edge_index within 0..{N - 1} (got {int(edge_index.min())}..{int(edge_index.max())})."
        )
    E = edge_index.shape[1]
    edge_weight = torch.ones(E) if edge_weight is None else edge_weight
    if edge_weight.shape != (E,) or not bool(edge_weight.isfinite().all()):
        raise ValueError(f"Expected {E} finite edge weights, one for each edge (got {list(edge_weight.shape)}).")
    return edge_index, _at_least_single(edge_weight)


def checked_weight_series(series: Tensor, E: int, T: int) -> Tensor:
    """Returns the finite weight of each of E edges in each of T bins [E, T]."""
    if series.shape != (E, T) or not bool(series.isfinite().all()):
        raise ValueError(
            f"Expected finite weights of {E} edges in {T} bins in edge_weight_series (got {list(series.shape)})."
        )
    return _at_least_single(series)


def checked_response(field: str, response: Tensor, N: int) -> Tensor:
    """Returns a finite response of N neurons to a pulse to each of them, over at least one bin [N, N, H]."""
    if response.dim() != 3 or response.shape[:2] != (N, N) or not response.shape[2] or not response.is_floating_point():
        raise ValueError(
            f"Expected floating-point {field} of shape [{N}, {N}, H], [receiver, sender, bin] "
            f"(got {list(response.shape)})."
        )
    if not bool(response.isfinite().all()):
        raise ValueError(f"Expected finite {field} (got NaN or infinity).")
    return _at_least_single(response)


def checked_responses(response: Tensor | None, error: Tensor | None, N: int) -> tuple[Tensor, Tensor] | None:
    """Returns a true response [N, N, H] and its standard error, zero for None; None without a response."""
    if response is None:
        if error is not None:
            raise ValueError("Expected true_response beside true_response_error (got none); pass both or neither.")
        return None
    response = checked_response("true_response", response, N)
    error = response.new_zeros(response.shape) if error is None else error
    error = checked_response("true_response_error", error, N)
    if error.shape != response.shape:
        raise ValueError(f"Expected true_response_error of shape {list(response.shape)} (got {list(error.shape)}).")
    return response, error


def checked_neuron_field(key: str, value: Any, N: int) -> Tensor | list[str]:
    """Returns a field of the neurons with N entries, as a tensor or a list of texts."""
    if key in RESERVED or key.startswith("_"):
        raise ValueError(f"Expected another name than '{key}' for a field of the neurons; a session needs it itself.")
    array = plain_array(value)
    if array.ndim == 0 or array.shape[0] != N:
        raise ValueError(f"Expected {N} entries in '{key}', one for each neuron (got {list(array.shape)}).")
    if array.dtype.kind in "fib":
        kept = isinstance(value, Tensor) and value.dtype in _TENSORS
        return _at_least_single(value if kept else torch.from_numpy(np.array(array)))
    if array.dtype.kind != "U" or array.ndim != 1:
        raise ValueError(
            f"Expected one number or text for each neuron in '{key}' (got {kind_of(array)} {list(array.shape)})."
        )
    return [text(entry) for entry in array.tolist()]


def checked_statistic(key: str, values: Tensor, length: int) -> Tensor:
    """Returns a statistic of standardised activity or behaviour, finite, and above 0 if it is a scale."""
    if values.shape != (length,) or not bool(values.isfinite().all()):
        raise ValueError(f"Expected {length} finite numbers in {key} (got {list(values.shape)}).")
    if key.endswith("_scale") and not bool((values > 0).all()):
        raise ValueError(f"Expected {key} above 0 (got {float(values.min()):g}).")
    return values.bool() if key == "constant" else _at_least_single(values)


def check_connectivity(num_neurons: int, connectivity: Tensor) -> None:
    """Raises an error unless a connectivity is a finite matrix with ``num_neurons`` rows and columns.

    Raises:
        ValueError: The matrix is not :math:`(N, N)`, or not finite.
    """
    N = num_neurons
    if connectivity.shape != (N, N):
        raise ValueError(f"Expected a connectivity of shape [{N}, {N}] (got {list(connectivity.shape)}).")
    weights = connectivity.coalesce().values() if connectivity.is_sparse else connectivity
    if not bool(weights.isfinite().all()):
        raise ValueError("Expected finite weights (got NaN or infinity); set them to zero or fit anew.")
