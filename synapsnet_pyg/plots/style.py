"""Colours of all figures, and a style that the user's own settings of matplotlib override."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib import rcParams, rcParamsDefault

EXCITES, INHIBITS = "#b2182b", "#2166ac"
TRUE, FORECAST = "#8c8c8c", "#d9601a"
BLUE, ORANGE, GREY = "#1f5fa8", FORECAST, "#666666"
COLOURS = [BLUE, ORANGE, "#3a8f4d", "#8a5ab5", "#b5485d", "#7a6a4f", "#4fa6b3", "#d4a72c", "#5b5b5b", "#e08bb3"]
"""One colour a line or model."""
GROUPS = [ORANGE, "#3a8f4d", "#8a5ab5", "#d4a72c", "#4fa6b3", "#7a6a4f", "#e08bb3", "#4a4a4a", "#9bbf3b", "#14595c"]
"""One colour a group of neurons: neither red nor blue, which are the colours of weights in the same figure."""
OTHER = "#bdbdbd"
"""Colour of the groups that have no colour of their own."""

_LINES = ("-", "--", ":", "-.")
"""Styles of lines; each goes through all colours before the next begins."""

STYLE = {
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
}
"""Settings of matplotlib: texts stay texts in SVG and PDF files, as journals and drawing programs want them."""


def apply_style() -> None:
    """Takes over the settings of :data:`STYLE` that the user has not changed in matplotlib.

    A ``matplotlibrc`` file, or :func:`matplotlib.style.use` before this call, has the last word.
    """
    settings: Any = rcParams  # whose annotation knows no text as a key
    usual: Any = rcParamsDefault
    settings.update({key: value for key, value in STYLE.items() if settings[key] == usual[key]})


def settings_for_processes() -> Mapping[str, Any]:
    """Returns this process's settings of matplotlib, for :func:`apply_settings` in another one."""
    settings: Any = rcParams
    return {key: settings[key] for key in settings if not key.startswith("backend")}  # which draws nothing here


def apply_settings(settings: Mapping[str, Any]) -> None:
    """Takes over the settings of another process.

    Args:
        settings: Settings from :func:`settings_for_processes`.
    """
    ours: Any = rcParams
    ours.update(settings)


def line_look(place: int) -> dict[str, str]:
    """Returns colour and style of one of several lines; the first forty lines all look different.

    Args:
        place: Number of the line, from 0.

    Example:
        >>> line_look(0), line_look(10)
        ({'color': '#1f5fa8', 'ls': '-'}, {'color': '#1f5fa8', 'ls': '--'})
    """
    return {"color": COLOURS[place % len(COLOURS)], "ls": _LINES[place // len(COLOURS) % len(_LINES)]}


def group_colours(groups: Sequence[str]) -> dict[str, str]:
    """Returns a colour for each group, in the order of their names; no two groups have the same.

    Where there are more groups than colours, the largest groups get them, and all others are one entry in grey.

    Args:
        groups: Group of each neuron.

    Returns:
        Group -> colour; the entry of the others, if there is one, is the last, and :func:`group_label` finds it.

    Example:
        >>> group_colours(["V1", "LM", "V1"])
        {'LM': '#d9601a', 'V1': '#3a8f4d'}
    """
    sizes = Counter(groups)
    if len(sizes) <= len(GROUPS):
        return dict(zip(sorted(sizes), GROUPS, strict=False))
    largest = sorted(sorted(sizes), key=lambda group: -sizes[group])[: len(GROUPS) - 1]
    return {**dict(zip(sorted(largest), GROUPS, strict=False)), f"{len(sizes) - len(largest)} others": OTHER}


def group_label(group: str, colours: dict[str, str]) -> str:
    """Returns the entry of a group among its colours: its name, or that of the others.

    Args:
        group: Name of a group.
        colours: Colours from :func:`group_colours`.
    """
    return group if group in colours else next(reversed(colours))
