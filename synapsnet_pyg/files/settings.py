"""Settings as JSON, and whether two of them are the same."""

from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]
"""Object of JSON, only where JSON is read or written."""


def first_difference(now: Mapping[str, Any], then: Mapping[str, Any]) -> str:
    """Returns the first setting that differs, as the text ``key then (got now)``; an empty text without a difference.

    Args:
        now: Settings of this call.
        then: Settings saved on disk.
    """
    for key in [*now, *(key for key in then if key not in now)]:
        if now.get(key) != then.get(key):
            return f"{key} {then.get(key)} (got {now.get(key)})"
    return ""
