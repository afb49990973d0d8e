"""Proposal of traces or counts in an unknown file: axes by names and sizes, clocks, behaviours."""

import re
from dataclasses import replace

import numpy as np

from synapsnet_pyg.readers.array_activity import axis_of, stated_bin_size
from synapsnet_pyg.readers.array_keys import ArrayKeys, last_name
from synapsnet_pyg.readers.array_survey import (
    Proposal,
    Survey,
    is_activity,
    is_clock_name,
    is_neuron_field,
    is_other,
    is_position,
)
from synapsnet_pyg.readers.table_files import TABLE


def propose_traces(survey: Survey, activity: str | None, given: ArrayKeys) -> Proposal:
    """Returns a proposal for traces or counts."""
    key = activity or _likely_activity(survey)
    if key is None:
        why = ("no array has numbers along neurons and bins",)
        return Proposal(
            reasons=why, missing=("--activity KEY", "--axes neuron,bin", "--bin-size SECONDS"), possible=False
        )
    if key == TABLE and key in survey.readable:
        return _wide_table(survey, given)
    key = survey.file.resolve(key)
    entry = survey.file.entry(key)
    shape = entry.shape or ()
    if entry.pieces is not None:
        return _cells(survey, key)
    axes, reasons, certain = _axes(survey, key, shape)
    sizes = dict(zip(axes, shape, strict=False))
    T, N = sizes.get("bin", 0), sizes.get("neuron", 0)
    clock = given.times or next((own for own in survey.vectors(T) if survey.is_clock(own) and T > 1), None)
    if clock is None and entry.axes and "bin" in axes:
        named = entry.axes[axes.index("bin")]
        clock = named if named in survey.readable else None
    size = None if clock else stated_bin_size(survey.file, reasons)
    taken = {key, clock}
    behaviour = [
        own
        for own in survey.file.keys
        if own not in (*taken, TABLE) and survey.numeric(own) and _fits_frames(survey, own, sizes) and T > 1
    ]
    known = survey.neuron_keys(N, taken | set(behaviour))
    missing: tuple[str, ...] = () if clock or size else ("--bin-size SECONDS",)
    if clock:
        reasons.append(f"times of the bins '{clock}'")
        if not survey.in_seconds(clock):
            reasons.append(f"'{clock}' counts ticks: --sampling-rate is their number a second (1000 for milliseconds)")
            missing = ("--sampling-rate HZ",)
    return Proposal(
        replace(known, activity=key, axes=axes, times=clock),
        tuple(reasons),
        tuple(behaviour),
        where=survey.where(N),
        missing=missing,
        certain=certain,
    )


def _likely_activity(survey: Survey) -> str | None:
    """Returns the key of the most likely activity."""
    if TABLE in survey.readable and all(len(shape) < 2 for key, shape in survey.shape.items() if key != TABLE):
        return TABLE
    scores = {}
    for key, entry in survey.readable.items():
        shape = [n for n in entry.shape or () if n != 1] if entry.pieces is None else []
        if entry.pieces is not None and entry.dtype == "cells":
            # Cells of one array each for a trial; cells of cells are something else.
            first = [piece for piece in survey.file.pieces(key, 20) if piece.size]
            fits = all(piece.ndim == 2 and min(piece.shape) > 1 and piece.dtype.kind in "fiub" for piece in first)
        else:
            fits = survey.numeric(key) and len(shape) in (2, 3) and min(entry.shape or (0,)) > 0
        if not fits and not (len(survey.file.keys) == 1 and len(shape) == 1 and survey.numeric(key)):
            continue
        fit = 1 if is_activity(key) else -1 if is_other(key) else 0
        scores[key] = (fit, len(set(entry.axes) & {"time"}), int(np.prod(entry.shape or (1,))))
    return max(scores, key=lambda key: scores[key]) if scores else None


def _axes(survey: Survey, key: str, shape: tuple[int, ...]) -> tuple[tuple[str, ...], list[str], bool]:
    """Returns the likely axes of an activity, why, and whether the file names them."""
    named = tuple(axis_of(name) for name in survey.file.entry(key).axes)
    told = f"'{key}' {list(shape)}"
    if set(named) in ({"neuron", "bin"}, {"neuron", "bin", "trial"}):
        return named, [f"activity {told} with the axes {', '.join(survey.file.entry(key).axes)} of the file"], True
    wanted = ["neuron", "bin"] if len(shape) < 3 else ["neuron", "bin", "trial"]
    if len(shape) not in (2, 3):
        return ("neuron", "bin"), [f"activity {told}"], False
    votes = {axis: _votes(survey, key, axis) for axis in wanted}
    axes: list[str] = [""] * len(shape)
    reasons = []
    for axis in sorted(wanted, key=lambda axis: -max([votes[axis].count(n) for n in shape] + [0])):
        free = [place for place in range(len(shape)) if not axes[place] and shape[place] in votes[axis]]
        if len(free) == 1:
            axes[free[0]] = axis
            reasons.append(f"{shape[free[0]]} {axis}s by other arrays")
    left = [axis for axis in wanted if axis not in axes]
    places = [place for place in range(len(shape)) if not axes[place]]
    if len(left) == 2 and set(left) == {"neuron", "bin"}:  # most recordings have more bins than neurons
        places.sort(key=lambda place: shape[place])
        equal = len({shape[place] for place in places}) == 1
        reasons.append("which is which is not known" if equal else "the longer axis taken for bins")
    elif len(left) > 1:
        if survey.file.path.suffix.lower() != ".mat":
            left = [axis for axis in ("trial", "neuron", "bin") if axis in left]  # MATLAB puts trials last
        equal = len({shape[place] for place in places}) < len(places)
        reasons.append("the usual order of axes taken" + ("; which is which is not known" if equal else ""))
    for place, axis in zip(places, left, strict=True):
        axes[place] = axis
    return tuple(axes), [f"activity {told}: {', '.join(axes)} ({'; '.join(reasons)})"], False


def _votes(survey: Survey, key: str, axis: str) -> list[int]:
    """Returns lengths of other arrays whose names or shapes speak of an axis."""
    lengths: list[int] = []
    own = survey.file.shape(key) or ()
    for other, shape in survey.shape.items():
        name, entry = last_name(other), survey.readable[other]
        if other in (key, TABLE):
            continue
        if "texts" in entry.dtype and len(entry.shape or ()) <= 2:
            lengths += [max(entry.shape or (0,))] if axis == "neuron" else []
        elif len(shape) == 1:
            lengths += [shape[0]] if axis == _axis_of_vector(name, shape, in_trials=len(own) == 3) else []
        elif len(shape) == 2 and is_position(name):
            # Positions of the animal have a row a bin, those of neurons one a neuron.
            lengths += [max(shape)] if axis == ("bin" if max(shape) == max(own) else "neuron") else []
        elif len(shape) == 2 and (shape[0] == shape[1] or is_neuron_field(name, shape)):
            lengths += [max(shape)] if axis == "neuron" else []
    return [n for n in lengths if n > 1 and n in own]


def _axis_of_vector(name: str, shape: tuple[int, ...], *, in_trials: bool) -> str:
    """Returns the axis that a vector has an entry for each step of, by its name."""
    if is_clock_name(name):
        return "bin"
    if is_neuron_field(name, shape):
        return "neuron"
    return "trial" if in_trials else "bin"


def _fits_frames(survey: Survey, key: str, sizes: dict[str, int]) -> bool:
    """Returns True if an array has a sample for each bin or each trial, and none for each neuron."""
    shape, T, trials = survey.shape[key], sizes["bin"], sizes.get("trial")
    if not shape or len(shape) > 3 or sizes["neuron"] in shape:
        return False
    fits = T in shape or (trials is not None and trials in shape)
    unsure = shape.count(T) + (shape.count(trials) if trials else 0) > (2 if trials else 1)
    return fits and not unsure and not is_clock_name(last_name(key))


def _cells(survey: Survey, key: str) -> Proposal:
    """Returns a proposal for cells with one array for each trial."""
    pieces = [np.shape(piece) for piece in survey.file.pieces(key) if np.size(piece)]
    first = {shape[0] for shape in pieces if len(shape) == 2}
    axes = ("trial", "neuron", "bin") if len(first) == 1 else ("trial", "bin", "neuron")
    reason = f"activity '{key}', one array for each of {len(pieces)} trials"
    return Proposal(ArrayKeys(key, axes), (reason,), missing=("--bin-size SECONDS",))


def _wide_table(survey: Survey, given: ArrayKeys) -> Proposal:
    """Returns a proposal for a table with a row a bin and a column a neuron."""
    names = [key for key in survey.file.children("") if key != TABLE]
    columns = [key for key in names if survey.numeric(key)]
    clock = given.times or next((key for key in names if survey.is_clock(key)), None)
    rest = [key for key in columns if key != clock]
    stems = [re.sub(r"\d+", "", key) for key in rest]
    usual = max(set(stems), key=stems.count) if stems else ""
    neurons = [key for key, stem in zip(rest, stems, strict=True) if stem == usual]
    others = [key for key in rest if key not in neurons] if len(neurons) > 1 else []
    reason = f"a table with a column for each of {len(rest) - len(others)} neurons" + (
        f", and times '{clock}'" if clock else ""
    )
    size = None if clock else stated_bin_size(survey.file, [])
    return Proposal(
        ArrayKeys(TABLE, times=clock),
        (reason,),
        tuple(others),
        missing=() if clock or size else ("--bin-size SECONDS",),
        certain=clock is not None,
        unsure=tuple(others),
    )
