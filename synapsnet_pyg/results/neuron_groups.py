"""Fields that group the neurons of a session."""

from synapsnet_pyg.data.session import Session

_FIELDS = ("area", "cell_type", "layer")


def fields_with_groups(session: Session) -> list[str]:
    """Returns the fields among area, cell type and layer that are known and differ between neurons."""
    fields = session.neuron_fields
    return [field for field in _FIELDS if isinstance(fields.get(field), list) and len(set(fields[field])) > 1]


def group_of_each(session: Session, field: str) -> list[str]:
    """Returns the group of each neuron [N] by a field of texts, ``unknown`` where it is empty."""
    return [str(value) or "unknown" for value in session.neuron_fields[field]]
