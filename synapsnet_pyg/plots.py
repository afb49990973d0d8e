"""One function a figure: numbers and Axes in, Axes out. The only file that knows matplotlib."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

_BLUE, _ORANGE, _GREY = "#1f5fa8", "#d9601a", "#666666"


def matrix(ax: Axes, connectivity: Tensor, title: str = "", limit: float | None = None) -> Axes:
    """A connectivity [N, N] as a picture: row = receiver, column = sender, red excites, blue inhibits.

    Args:
        ax: To draw on.
        connectivity: The weights; the diagonal is left white.
        title: Above it.
        limit: Weight of full colour; None: the 99.5th percentile of the absolute weights off the diagonal.
    """
    values = connectivity.detach().cpu().double().clone().fill_diagonal_(0).numpy()
    if limit is None:
        limit = float(np.quantile(np.abs(values), 0.995)) or float(np.abs(values).max()) or 1.0
    image = ax.imshow(values, cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="nearest", aspect="equal")
    ax.set(title=title, xlabel="sender j", ylabel="receiver i")
    if ax.figure is not None:
        ax.figure.colorbar(image, ax=ax, shrink=0.8, label="weight")
    return ax


def true_against_learned(ax: Axes, truth: Tensor, learned: Tensor) -> Axes:
    """Every pair of neurons as a point, true weight against learned weight."""
    off = ~np.eye(len(truth), dtype=bool)
    x, y = truth.detach().cpu().numpy()[off], learned.detach().cpu().numpy()[off]
    ax.axhline(0, color="0.85", lw=0.8, zorder=0)
    ax.axvline(0, color="0.85", lw=0.8, zorder=0)
    ax.scatter(x[x != 0], y[x != 0], s=3, color=_BLUE, alpha=0.5, lw=0, label="edge", rasterized=True)
    ax.scatter(x[x == 0], y[x == 0], s=2, color="0.6", alpha=0.5, lw=0, label="no edge", rasterized=True)
    ax.set(xlabel="true weight", ylabel="learned weight", title=f"Pearson {np.corrcoef(x, y)[0, 1]:.2f}")
    ax.legend(frameon=False, markerscale=4, loc="upper left")
    return ax


def forecast_course(
    ax: Axes, seconds: np.ndarray, truth: np.ndarray, forecast: np.ndarray, labels: Sequence[str] = ()
) -> Axes:
    """True activity and its forecast over time, one neuron above the other.

    Args:
        ax: To draw on.
        seconds: [M].
        truth: Standardised activity [n, M] of a few neurons.
        forecast: [n, M].
        labels: One a neuron.
    """
    offset = 0.0
    ticks = []
    for row, (x, y) in enumerate(zip(truth, forecast, strict=True)):
        offset -= float(x.max() - min(x.min(), y.min())) + 0.5 if row else 0.0
        ticks.append(offset + float(x.mean()))
        ax.plot(seconds, x + offset, color="0.6", lw=0.8, label="true" if row == 0 else None)
        ax.plot(seconds, y + offset, color=_ORANGE, lw=1.2, label="forecast one bin ahead" if row == 0 else None)
    ax.set(xlabel="time (s)", yticks=ticks, yticklabels=list(labels) or [""] * len(ticks))
    ax.set_xlim(seconds[0], seconds[-1])
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.tick_params(axis="y", length=0)
    ax.legend(frameon=False, ncols=2, loc="lower right", bbox_to_anchor=(1, 1))
    return ax


def training_curve(
    ax: Axes, epochs: Sequence[int], correlation: Sequence[float], anchors: Mapping[str, float] = {}
) -> Axes:
    """Validation correlation over epochs, the chosen epoch marked, anchors as lines."""
    best = int(np.argmax(correlation))
    ax.plot(epochs, correlation, color=_BLUE, marker="o", ms=3)
    ax.plot(epochs[best], correlation[best], "o", ms=9, mfc="none", mec=_ORANGE, mew=1.5)
    ax.set_title(f"chosen: epoch {epochs[best]}, correlation {correlation[best]:.3f}", color=_ORANGE, fontsize="medium")
    for name, value in anchors.items():
        ax.axhline(value, color=_GREY, ls=":", lw=1)
        ax.annotate(name, (1, value), (-2, 2), xycoords=("axes fraction", "data"), textcoords="offset points",
                    ha="right", color=_GREY, fontsize="small")  # fmt: skip
    ax.set(xlabel="epoch", ylabel="validation correlation")
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def figure(width: float, height: float, columns: int = 1) -> tuple[Figure, list[Axes]]:
    """A figure without a window, in inches, with Axes side by side."""
    made = Figure(figsize=(width, height), layout="constrained")
    axes = made.subplots(1, columns, squeeze=False)[0]
    return made, list(axes)
