"""Neurons and pairs with enough events for tests of their edges."""

import torch
from torch import Tensor

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.regression.pairs import Pairs

FEWEST_EVENTS = 30.0
"""Fewest events of a neuron whose edges are tested."""
FEWEST_COINCIDENCES = 5.0
"""Fewest coincidences that chance must bring about for a pair to be tested (Cochran 1954)."""


def kurtosis(rows: Tensor) -> Tensor:
    """Returns the kurtosis of each row, 3 for normal values."""
    squares = (part.double().square() for part in rows.split(64))
    return torch.cat([square.square().mean(1) / square.mean(1).square().clamp_min(1e-30) for square in squares])


def events_of(session: Session) -> Tensor:
    """Returns the number of events of each neuron [N]: bins over kurtosis, the number of spikes if they are rare."""
    parts = (rows - rows.mean(1, keepdim=True) for rows in session.activity.split(64))
    found = [torch.stack([kurtosis(centred), centred.abs().amax(1).double()]) for centred in parts]
    tailedness, largest = torch.cat(found, 1)
    return torch.where(largest > 1e-6, session.num_bins / tailedness.clamp_min(1.0), 0.0)


def pairs_to_test(pairs: Pairs, events: Tensor, bins: int) -> Tensor:
    """Returns the pairs with enough events to be tested, and that stand for no others, as booleans."""
    enough = torch.where(events >= FEWEST_EVENTS, events, 0.0).double()
    tested = pairs.clear(pairs.outer(enough, enough) / bins) >= FEWEST_COINCIDENCES
    return tested if pairs.weight is None else tested & (pairs.weight == 1)


def number_to_test(events: Tensor, bins: int) -> int:
    """Returns the number of all pairs with enough events to be tested."""
    enough = events[events >= FEWEST_EVENTS].double().sort().values
    partners = len(enough) - torch.searchsorted(enough, FEWEST_COINCIDENCES * bins / enough)
    return int(partners.sum()) - int((enough.square() >= FEWEST_COINCIDENCES * bins).sum())
