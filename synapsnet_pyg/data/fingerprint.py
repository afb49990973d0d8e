"""Fingerprints of recordings: short hashes that tell whether a file is the one that a model was fitted to."""

import hashlib
import json
from typing import TYPE_CHECKING

from torch import Tensor

if TYPE_CHECKING:
    from synapsnet_pyg.data.session import Session


def fingerprint(session: "Session") -> str:
    """Returns a short hash of every field of a session but notes and the unit of positions, which change no number.

    Args:
        session: Session, whole or a part.

    Example:
        >>> import torch
        >>> from synapsnet_pyg.data.session import Session
        >>> slow, fast = (Session(torch.zeros(2, 5), bin_size=bin_size) for bin_size in (0.1, 0.2))
        >>> fingerprint(slow) == fingerprint(fast)
        False
    """
    digest = hashlib.sha256(json.dumps([session.name, session.bin_size]).encode())
    for key in sorted({*session.keys()} - {"name", "bin_size", "num_nodes", "notes", "position_unit"}):
        value = session[key]
        kind = [str(value.dtype), list(value.shape)] if isinstance(value, Tensor) else value
        digest.update(json.dumps([key, kind]).encode())
        if isinstance(value, Tensor):
            # A few rows at a time: a slice of a recording need not be copied, nor is each of many rows a tensor.
            for rows in value.split(max(1, 2**18 // max(1, value[:1].numel()))):
                digest.update(rows.cpu().numpy().tobytes())
    return digest.hexdigest()[:16]


def earlier_fingerprint(session: "Session") -> str:
    """Returns the hash that runs of version 0.1.0 and early 0.2.0 hold: bin size and further fields are not in it.

    Args:
        session: Session, whole or a part.
    """
    digest = hashlib.sha256(
        repr((session.name, session.neuron_id, session.behaviour_name, session.segment.tolist())).encode()
    )
    if "segment_part" in session:
        digest.update(repr((session.segment_part, session.context.tolist())).encode())
    for row in session.activity:
        digest.update(row.cpu().numpy().tobytes())
    digest.update(session.behaviour.cpu().numpy().tobytes())
    if "behaviour_recorded" in session:
        digest.update(session.behaviour_recorded.cpu().numpy().tobytes())
    return digest.hexdigest()[:16]
