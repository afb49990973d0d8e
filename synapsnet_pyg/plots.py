"""One function a figure: numbers and Axes in, Axes out. The only file that knows matplotlib."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from torch import Tensor

EXCITES, INHIBITS = "#b2182b", "#2166ac"
TRUE, FORECAST = "#8c8c8c", "#d9601a"
_BLUE, _ORANGE, _GREY = "#1f5fa8", FORECAST, "#666666"
COLOURS = [_BLUE, _ORANGE, "#3a8f4d", "#8a5ab5", "#b5485d", "#7a6a4f", "#4fa6b3", "#d4a72c", "#5b5b5b", "#e08bb3"]
"""One a group or model, over again where there are more."""


def matrix(
    ax: Axes,
    connectivity: Tensor,
    title: str = "",
    limit: float | None = None,
    groups: Sequence[str] | None = None,
    bar: bool = True,
) -> Axes:
    """A connectivity [N, N] as a picture: row = receiver, column = sender, red excites, blue inhibits.

    Args:
        ax: To draw on.
        connectivity: The weights; the diagonal is left white.
        title: Above it.
        limit: Weight of full colour; None: the 99.5th percentile of the absolute weights off the diagonal.
        groups: N texts, such as areas; neurons of one group lie together, and its name stands at the side.
        bar: Whether a bar beside it tells the colours' weights.
    """
    values = connectivity.detach().cpu().double().clone().fill_diagonal_(0).numpy()
    if limit is None:
        limit = float(np.quantile(np.abs(values), 0.995)) or float(np.abs(values).max()) or 1.0
    if groups is not None and len(set(groups)) > 1:
        order = np.argsort(np.array(groups), kind="stable")
        values, ordered = values[np.ix_(order, order)], np.array(groups)[order]
        border = np.flatnonzero(ordered[1:] != ordered[:-1]) + 1
        middle = (np.append(0, border) + np.append(border, len(ordered)) - 1) / 2
        size = np.diff(np.concatenate([[0], border, [len(ordered)]]))
        names = [str(group) or "?" for group in ordered[np.append(0, border)]]
        # Names of groups that are hardly a line high would lie on top of each other.
        names = [name if size[g] >= 0.02 * len(ordered) else "" for g, name in enumerate(names)]
        ax.set_yticks(middle, names, fontsize="small")
        ax.set_xticks([])
        for place in border - 0.5:
            ax.axhline(place, color="0.4", lw=0.4)
            ax.axvline(place, color="0.4", lw=0.4)
    image = ax.imshow(values, cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="nearest", aspect="equal")
    ax.set(title=title, xlabel="sender j", ylabel="receiver i")
    if ax.figure is not None and bar:
        clipped = "both" if np.abs(values).max() > limit else "neither"
        ax.figure.colorbar(image, ax=ax, shrink=0.8, label="weight", extend=clipped)
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
    ax: Axes,
    seconds: np.ndarray,
    truth: np.ndarray,
    forecast: np.ndarray,
    labels: Sequence[str] = (),
    breaks: Sequence[int] = (),
) -> Axes:
    """True activity and its forecast over time, one neuron above the other.

    Args:
        ax: To draw on.
        seconds: [M].
        truth: Standardised activity [n, M] of a few neurons.
        forecast: [n, M].
        labels: One a neuron.
        breaks: Places where a new segment begins: lines end there, and a mark is set.
    """
    floor = 0.0
    ticks = []
    broken = np.insert(seconds, breaks, np.nan)
    for row, (x, y) in enumerate(zip(truth, forecast, strict=True)):
        offset = floor - float(max(x.max(), y.max()))
        floor = offset + float(min(x.min(), y.min())) - 0.5
        ticks.append(offset + float(x.mean()))
        for course, colour, width, name in ((x, "0.6", 0.8, "true"), (y, _ORANGE, 1.2, "forecast one bin ahead")):
            shown = np.insert(course.astype(float), breaks, np.nan) + offset
            ax.plot(broken, shown, color=colour, lw=width, label=name if row == 0 else None)
    for place in breaks:
        ax.axvline(float(seconds[place - 1 : place + 1].mean()), color="0.85", lw=0.6, zorder=0)
    # Each neuron in its own deviations; a bar tells how large three of them are.
    high = floor + 3.5
    ax.plot([1.01, 1.01], [high - 3, high], color="k", lw=1.5, transform=ax.get_yaxis_transform(), clip_on=False)
    ax.text(
        1.015,
        high - 1.5,
        "3 deviations",
        transform=ax.get_yaxis_transform(),
        rotation=90,
        va="center",
        fontsize="small",
    )
    ax.set(xlabel="time (s)", yticks=ticks, yticklabels=list(labels) or [""] * len(ticks))
    ax.set_xlim(seconds[0], seconds[-1])
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.tick_params(axis="y", length=0)
    ax.legend(frameon=False, ncols=2, loc="upper right", bbox_to_anchor=(1, -0.06))
    return ax


def training_curve(
    ax: Axes, epochs: Sequence[int], correlation: Sequence[float], anchors: Mapping[str, float] = {}
) -> Axes:
    """Validation correlation over epochs, the chosen epoch marked, anchors as lines."""
    best = int(np.argmax(correlation))
    ax.plot(epochs, correlation, color=_BLUE, marker="o", ms=3)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.plot(epochs[best], correlation[best], "o", ms=9, mfc="none", mec=_ORANGE, mew=1.5)
    ax.set_title(f"chosen: epoch {epochs[best]}, correlation {correlation[best]:.3f}", color=_ORANGE, fontsize="medium")
    for name, value in anchors.items():
        ax.axhline(value, color=_GREY, ls=":", lw=1)
        ax.annotate(name, (1, value), (-2, 2), xycoords=("axes fraction", "data"), textcoords="offset points",
                    ha="right", color=_GREY, fontsize="small")  # fmt: skip
    ax.set(xlabel="epoch", ylabel="validation correlation")
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def figure(width: float, height: float, columns: int = 1, rows: int = 1) -> tuple[Figure, list[Axes]]:
    """A figure without a window, in inches, with Axes side by side, row after row."""
    made = Figure(figsize=(width, height), layout="constrained")
    axes = made.subplots(rows, columns, squeeze=False)
    return made, list(axes.ravel())


def heat_map(ax: Axes, activity: Tensor, bin_size: float, segment: Tensor | None = None, columns: int = 1500) -> Axes:
    """Activity of all neurons over time; those that go together lie together.

    Args:
        ax: To draw on.
        activity: [N, T]; each neuron is shown in its own deviations, between -3 and 3.
        bin_size: Seconds.
        segment: [S, 2]; borders between segments are marked where there are at most 50.
        columns: Bins are averaged to at most about so many columns.
    """
    T = activity.shape[1]
    step = max(1, T // columns)
    shown = activity[:, : T // step * step].unflatten(1, (-1, step)).mean(2).cpu().double()
    shown = (shown - shown.mean(1, keepdim=True)) / shown.std(1, keepdim=True).clamp(min=1e-12)
    # Order along the first axis of the population, so that a common course is seen.
    order = np.argsort(np.linalg.eigh((shown @ shown.t()).numpy())[1][:, -1])
    image = ax.imshow(
        shown.numpy()[order], cmap="RdBu_r", vmin=-3, vmax=3, aspect="auto", interpolation="nearest",
        extent=(0, T // step * step * bin_size, len(shown), 0),
    )  # fmt: skip
    if segment is not None and 1 < len(segment) <= 50:
        for start in segment[1:, 0].tolist():
            ax.axvline(start * bin_size, color="k", lw=0.6)
    ax.set(ylabel="neuron, sorted")
    if ax.figure is not None:
        ax.figure.colorbar(image, ax=ax, shrink=0.8, label="activity (deviations)", pad=0.01)
    return ax


def behaviour_course(ax: Axes, behaviour: Tensor, bin_size: float, names: Sequence[str]) -> Axes:
    """Each behaviour [T, K] over time, in its own deviations, one above the other."""
    seconds = np.arange(len(behaviour)) * bin_size
    ticks = []
    for k, course in enumerate(behaviour.cpu().double().t().numpy()):
        deviation = float(course.std()) or 1.0
        ticks.append(-6.0 * k)
        ax.plot(seconds, (course - course.mean()) / deviation - 6.0 * k, color=_BLUE, lw=0.7)
    ax.set(xlabel="time (s)", yticks=ticks, yticklabels=list(names))
    ax.set_xlim(0, len(behaviour) * bin_size)
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.tick_params(axis="y", length=0)
    return ax


def stacked(width: float, height: float, heights: Sequence[float]) -> tuple[Figure, list[Axes]]:
    """A figure without a window, in inches, with Axes above each other that share their time."""
    made = Figure(figsize=(width, height), layout="constrained")
    axes = made.subplots(len(heights), 1, sharex=True, height_ratios=list(heights))
    return made, list(axes)


def sweep(ax: Axes, curves: Mapping[str, Mapping[int, Sequence[float]]], what: str) -> Axes:
    """Test correlation against a size, a line for each model (SynapsNet, figures 6 and 7).

    Args:
        ax: To draw on.
        curves: Model -> size -> correlation of each session; bars are standard errors over sessions.
        what: Of the size, for the axis.
    """
    for (model, points), color in zip(curves.items(), COLOURS * len(curves), strict=False):
        sizes = sorted(points)
        mean, error = zip(*(_mean_and_sem(points[size]) for size in sizes), strict=True)
        ax.errorbar(sizes, mean, error, color=color, marker="o", ms=4, lw=1.5, capsize=2, label=model)
    ax.set_xscale("log")
    sizes = sorted({size for points in curves.values() for size in points})
    ax.set_xticks(sizes, [str(size) for size in sizes])
    ax.set_xticks([], minor=True)
    ax.set(xlabel=what, ylabel="test correlation")
    ax.legend(frameon=False)
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def ranking(ax: Axes, correlations: Mapping[str, Sequence[float]]) -> Axes:
    """Models from best to worst: every session a dot, mean and standard error beside them."""
    order = sorted(correlations, key=lambda model: float(np.mean(correlations[model])))
    for place, model in enumerate(order):
        values = correlations[model]
        mean, error = _mean_and_sem(values)
        ax.plot(values, [place] * len(values), "o", ms=3, color="0.75", zorder=1)
        ax.errorbar(mean, place, xerr=error, fmt="o", ms=5, color=_BLUE, capsize=2, zorder=2)
    ax.set_yticks(range(len(order)), order)
    ax.set(xlabel="test correlation")
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def components(ax: Axes, truth: Tensor, forecast: Tensor, bin_size: float) -> Axes:
    """Population activity along its first principal axes, true and forecast [components, T] (figure 2a)."""
    seconds = np.arange(truth.shape[1]) * bin_size
    for k, (true, ours) in enumerate(zip(truth.cpu().numpy(), forecast.cpu().numpy(), strict=True)):
        deviation = float(true.std()) or 1.0
        ax.plot(seconds, true / deviation - 6 * k, color="0.55", lw=1, label="true" if k == 0 else None)
        ax.plot(seconds, ours / deviation - 6 * k, color=_ORANGE, lw=1, label="forecast" if k == 0 else None)
    ax.set_yticks([-6 * k for k in range(len(truth))], [f"PC{k + 1}" for k in range(len(truth))])
    ax.set(xlabel="time (s)")
    ax.legend(frameon=False, ncols=2, loc="upper right", bbox_to_anchor=(1, -0.08), fontsize="small")
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.tick_params(axis="y", length=0)
    return ax


def component_bars(ax: Axes, correlations: Mapping[str, Sequence[Sequence[float | None]]]) -> Axes:
    """How well each model forecasts the first principal components, mean over sessions (figure 2b)."""
    width = 0.8 / max(len(correlations), 1)
    for place, (model, color) in enumerate(zip(correlations, COLOURS * len(correlations), strict=False)):
        for k in range(3):
            values = [row[k] for row in correlations[model] if len(row) > k and row[k] is not None]
            if values:
                mean, error = _mean_and_sem(values)  # type: ignore[arg-type]
                label = model if k == 0 else None
                ax.bar(k + (place + 0.5) * width - 0.4, mean, width, yerr=error, color=color, label=label)
    ax.set_xticks(range(3), ["PC1", "PC2", "PC3"])
    ax.set(ylabel="correlation, true and forecast")
    ax.legend(frameon=False, fontsize="small", ncols=4, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def one_against_other(ax: Axes, x: Mapping[str, float], y: Mapping[str, float], name_x: str, name_y: str) -> Axes:
    """Two models' correlation, every session a dot (figure 2c)."""
    both = [session for session in x if session in y]
    a, b = [x[session] for session in both], [y[session] for session in both]
    span = (min(a + b, default=0.0), max(a + b, default=1.0))
    ax.axline((span[0], span[0]), slope=1, color="0.7", lw=1, ls="--")
    ax.plot(a, b, "o", ms=5, color=_BLUE)
    ax.set(xlabel=f"{name_x}: test correlation", ylabel=f"{name_y}: test correlation")
    ax.set_title(
        f"{sum(p < q for p, q in zip(a, b, strict=True))} of {len(both)} sessions above the line", fontsize="medium"
    )
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def _mean_and_sem(values: Sequence[float]) -> tuple[float, float]:
    return float(np.mean(values)), float(np.std(values, ddof=1) / len(values) ** 0.5) if len(values) > 1 else 0.0


def raster(ax: Axes, activity: np.ndarray, seconds: np.ndarray, title: str = "", limit: float = 3.0) -> Axes:
    """Standardised activity [N, M] over time as it is, so that truth and forecast can stand side by side.

    Args:
        ax: To draw on.
        activity: Rows in the order wanted.
        seconds: Time of the bins [M].
        title: Above it.
        limit: Deviations of full colour.
    """
    image = ax.imshow(
        activity, cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto", interpolation="nearest",
        extent=(float(seconds[0]), float(seconds[-1]), len(activity), 0),
    )  # fmt: skip
    ax.set(title=title, xlabel="time (s)", ylabel="neuron", yticks=[])
    if ax.figure is not None:
        ax.figure.colorbar(image, ax=ax, shrink=0.8, label="activity (deviations)", pad=0.01)
    return ax


def current_correlation(ax: Axes, seconds: np.ndarray, curves: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> Axes:
    """Correlation of input current and activity against delay (figure 4b).

    Args:
        ax: To draw on.
        seconds: Delays [D]; above 0 the current leads. What lies at 0 and below is not known when a forecast is made,
            and is shaded.
        curves: Kind of connectivity -> mean and standard error over neurons, [D] each.
    """
    ax.axvspan(float(seconds[0]), 0, color="0.94", lw=0)
    ax.axhline(0, color="0.7", lw=0.8)
    for (kind, (mean, error)), colour in zip(curves.items(), COLOURS * len(curves), strict=False):
        ax.plot(seconds, mean, color=colour, marker="o", ms=3, lw=1.4, label=kind)
        ax.fill_between(seconds, mean - error, mean + error, color=colour, alpha=0.2, lw=0)
    ax.set_xlim(float(seconds[0]), float(seconds[-1]))
    ax.set(xlabel="delay of the activity behind the current (s)", ylabel="correlation")
    ax.legend(frameon=False, fontsize="small")
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def p_values(ax: Axes, counts: np.ndarray, borders: np.ndarray) -> Axes:
    """Histogram of p-values, beside what there would be without any edge.

    Args:
        ax: To draw on.
        counts: How many lie between two borders [M].
        borders: [M + 1].
    """
    ax.bar(borders[:-1], counts, np.diff(borders), align="edge", color=_BLUE, ec="white", lw=0.5, label="all pairs")
    ax.axhline(counts.sum() / len(counts), color=_ORANGE, lw=1.5, ls="--", label="if there were no edges")
    ax.set(xlabel="p-value", ylabel="pairs", xlim=(borders[0], borders[-1]))
    ax.legend(frameon=False)
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def graph(
    ax: Axes,
    position: np.ndarray,
    edge_index: np.ndarray,
    edge_weight: np.ndarray,
    groups: Sequence[str],
    axes: Sequence[str] = (),
) -> Axes:
    """Neurons as dots and edges as lines, red where they excite, blue where they inhibit.

    Args:
        ax: To draw on.
        position: [N, 2]; neurons whose position is not finite are left out.
        edge_index: [2, E], sender and receiver.
        edge_weight: [E]; lines of strong edges are wide.
        groups: N texts, a colour each.
        axes: Names of the two axes; none where a position means nothing by itself.
    """
    width = 0.4 + 1.8 * np.abs(edge_weight) / (float(np.abs(edge_weight).max(initial=0)) or 1.0)
    colours = [EXCITES if weight > 0 else INHIBITS for weight in edge_weight]
    lines = np.stack([position[edge_index[0]], position[edge_index[1]]], axis=1)
    ax.add_collection(LineCollection(list(lines), colors=colours, linewidths=width, alpha=0.5, zorder=1))
    for group, colour in zip(sorted(set(groups)), COLOURS * len(groups), strict=False):
        x, y = position[np.array(groups) == group].T
        ax.scatter(x, y, s=22, color=colour, ec="white", lw=0.5, zorder=2, label=group)
    ax.set_aspect("equal", "datalim")
    ax.legend(frameon=False, fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))
    ax.spines[["top", "right"]].set_visible(False)
    if len(axes) == 2:
        ax.set(xlabel=axes[0], ylabel=axes[1])
    else:
        ax.set_axis_off()
    return ax


def block_matrix(
    ax: Axes,
    weight: np.ndarray,
    groups: Sequence[str],
    marked: np.ndarray,
    label: str = "",
    limit: float | None = None,
) -> Axes:
    """Mean weight from group to group: row = receiver, column = sender.

    Args:
        ax: To draw on.
        weight: [G, G], NaN where there is no pair.
        groups: Names [G].
        marked: Blocks that get a star [G, G].
        label: Of the colours.
        limit: Weight of full colour; None: the largest.
    """
    if limit is None:
        limit = float(np.nanmax(np.abs(weight), initial=0)) or 1.0
    image = ax.imshow(weight, cmap="RdBu_r", vmin=-limit, vmax=limit)
    for row, column in np.argwhere(marked):
        ax.text(column, row, "*", ha="center", va="center", fontsize="large")
    ax.set_xticks(range(len(groups)), groups, rotation=45, ha="right", fontsize="small")
    ax.set_yticks(range(len(groups)), groups, fontsize="small")
    ax.set(xlabel="sender", ylabel="receiver")
    if ax.figure is not None:
        ax.figure.colorbar(image, ax=ax, shrink=0.8, label=label)
    return ax


def weight_against_distance(
    ax: Axes, distance: np.ndarray, weight: np.ndarray, null_mean: np.ndarray, null_deviation: np.ndarray
) -> Axes:
    """Mean absolute weight in ranges of distance [M], beside that under shuffled positions."""
    ax.fill_between(
        distance, null_mean - 2 * null_deviation, null_mean + 2 * null_deviation, color="0.85", lw=0,
        label="shuffled positions, 2 deviations",
    )  # fmt: skip
    ax.plot(distance, weight, color=_BLUE, marker="o", ms=4, label="connectivity")
    ax.set(xlabel="distance of sender and receiver", ylabel="mean absolute weight")
    ax.legend(frameon=False)
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def matrices_over_one(columns: int) -> tuple[Figure, list[Axes], Axes]:
    """A figure without a window: Axes for matrices side by side, and one below them."""
    made = Figure(figsize=(2.9 * columns, 6.6), layout="constrained")
    grid = made.add_gridspec(2, columns, height_ratios=[1, 1.1])
    return made, [made.add_subplot(grid[0, k]) for k in range(columns)], made.add_subplot(grid[1, :])


def recoveries(ax: Axes, pearson: Mapping[str, Sequence[float]]) -> Axes:
    """Recovery of known wiring by each method, every seed a dot, its law a violin (figure 5c)."""
    for place, values in enumerate(pearson.values()):
        if len(values) > 2 and np.ptp(values) > 0:
            bodies: Any = ax.violinplot(values, [place], widths=0.8, showextrema=False)["bodies"]
            for body in bodies:
                body.set(facecolor=_BLUE, alpha=0.25)
        ax.plot([place] * len(values), values, "o", ms=3, color=_BLUE, alpha=0.6)
        ax.plot([place - 0.3, place + 0.3], [float(np.mean(values))] * 2, color=_ORANGE, lw=2)
    ax.axhline(0, color="0.8", lw=0.8, zorder=0)
    ax.set_xticks(range(len(pearson)), [name.replace("_", " ") for name in pearson], rotation=30, ha="right")
    ax.set(ylabel="Pearson with the true weights")
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def weight_courses(ax: Axes, seconds: np.ndarray, courses: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> Axes:
    """True weights over time [M], grey, and learned ones, in colour and brought to the true ones' mean and deviation.

    Args:
        ax: To draw on.
        seconds: [M].
        courses: Name of a weight -> its true and its learned course.
    """
    for place, (name, (true, learned)) in enumerate(courses.items()):
        colour = COLOURS[place % len(COLOURS)]
        shown = learned - learned.mean()
        if learned.std() > 0 and true.std() > 0:
            shown = shown * true.std() / learned.std()
        ax.plot(seconds, true, color="0.6", lw=3, alpha=0.6, label="true" if place == 0 else None)
        ax.plot(seconds, shown + true.mean(), color=colour, lw=1.2, label=name)
    ax.set(xlabel="time (s)", ylabel="weight (learned: rescaled)")
    ax.legend(frameon=False, fontsize="x-small", ncols=2)
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def course_agreement(ax: Axes, pearson: np.ndarray, by_chance: np.ndarray, title: str = "") -> Axes:
    """How well the course of each weight was found, beside what courses of other weights would agree by chance.

    Args:
        ax: To draw on.
        pearson: Of each weight's learned and true course [E].
        by_chance: Of learned courses and true ones of other weights, as many as wanted.
        title: Above it.
    """
    borders = np.linspace(-1, 1, 21)
    found, chance = (np.histogram(values, borders)[0] for values in (pearson, by_chance))
    expected = chance * (found.sum() / max(chance.sum(), 1))
    ax.bar(borders[:-1], found, np.diff(borders), align="edge", color=_BLUE, ec="white", lw=0.5, label="weights")
    ax.stairs(expected, borders, color=_GREY, lw=1.2, label="courses of other weights")
    median = float(np.nanmedian(pearson))
    ax.axvline(median, color=_ORANGE, lw=1.5, label=f"median {median:.2f}")
    ax.set(xlabel="Pearson of learned and true course", ylabel="weights", ylim=(0, 1.3 * max(*found, *expected, 1)))
    ax.set_title(title, fontsize="medium")
    ax.legend(frameon=False, fontsize="x-small", loc="upper left")
    ax.spines[["top", "right"]].set_visible(False)
    return ax


def changes(ax: Axes, true: np.ndarray, learned: Mapping[str, np.ndarray]) -> Axes:
    """True changes of weights against those that each method found, on the line where they are the same.

    Args:
        ax: To draw on.
        true: [M].
        learned: Method -> [M].
    """
    ax.axhline(0, color="0.85", lw=0.8, zorder=0)
    ax.axline((0, 0), slope=1, color="0.7", lw=1, ls="--", zorder=0)
    for place, (method, values) in enumerate(learned.items()):
        size = 3 + 4 * (1 - place / len(learned))  # so that none hides those before it
        ax.plot(true, values, "o", ms=size, color=COLOURS[place % len(COLOURS)], alpha=0.8, mew=0, label=method)
    ax.set(xlabel="true change", ylabel="learned change")
    ax.legend(frameon=False, fontsize="small")
    ax.spines[["top", "right"]].set_visible(False)
    return ax
