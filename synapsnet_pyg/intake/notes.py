"""Warnings of defects and repairs in a recording."""

import warnings


class DataWarning(UserWarning):
    """Warning of a defect or a repair in a recording."""


def warn(message: str) -> None:
    """Warns of a defect or a repair in a recording."""
    warnings.warn(message, DataWarning, stacklevel=3)
