"""Tables of scores over horizons."""

from collections.abc import Container, Mapping, Sequence
from itertools import groupby

from synapsnet_pyg.models.forecasting import Method
from synapsnet_pyg.runs.tables import Table, number_text

TITLES = {"correlation": "correlation", "against_copy": "1 - MSE / MSE of a copy", "mae": "MAE"}
"""Score of a table over horizons -> its title."""


def label_of(label: str, method: Method, methods: Container[Method]) -> str:
    """Returns the label of a row; a model that also forecasts directly is marked where its forecasts are fed back.

    Args:
        label: Label of the model.
        method: Way of forecasting of the row.
        methods: All ways in which the model can forecast.
    """
    return f"{label} (rolled out)" if method == "rolled" and "direct" in methods else label


def shown_horizons(horizon: int) -> list[int]:
    """Returns the horizons that a table shows: all up to six, else powers of two and the last.

    Example:
        >>> shown_horizons(4), shown_horizons(20)
        ([1, 2, 3, 4], [1, 2, 4, 8, 16, 20])
    """
    if horizon <= 6:
        return list(range(1, horizon + 1))
    return [2**k for k in range(horizon.bit_length()) if 2**k < horizon] + [horizon]


def horizon_table(
    title: str, key: str, values: Mapping[str, Sequence[float]], *, cells: Mapping[str, Sequence[str]] | None = None
) -> Table:
    """Returns a table of one score with horizons as columns.

    Args:
        title: Title.
        key: Score, a key of :data:`TITLES`.
        values: Model -> score of each horizon, NaN where it is not defined.
        cells: Model -> text of each horizon. None: the scores.
    """
    H = max(map(len, values.values()), default=1)
    columns = shown_horizons(H)
    texts = cells or {model: [number_text(value) for value in scores] for model, scores in values.items()}
    rows = [[model, *(texts[model][h - 1] for h in columns)] for model in values]
    notes = [f"Best: {best_text(best_models(key, values))}."]
    return Table(title, ["model", *map(str, columns)], rows, notes)


def best_models(key: str, values: Mapping[str, Sequence[float]]) -> list[str | None]:
    """Returns the model with the best score for each horizon; None if no model has one.

    Args:
        key: Score; of ``mae`` and ``mse`` the smallest is best.
        values: Model -> score of each horizon, NaN where it is not defined.

    Example:
        >>> best_models("correlation", {"copy": [0.7, 0.4], "var1": [0.6, 0.5]})
        ['copy', 'var1']
    """
    sign = -1 if key in ("mae", "mse") else 1
    best: list[str | None] = []
    for scores in zip(*values.values(), strict=True):
        known = {model: sign * score for model, score in zip(values, scores, strict=True) if score == score}
        best.append(max(known, key=known.__getitem__) if known else None)
    return best


def best_text(best: Sequence[str | None]) -> str:
    """Returns the best model for each horizon as text, neighbouring horizons together.

    Example:
        >>> best_text(["copy", "var1", "var1"])
        '1: copy, 2-3: var1'
    """
    parts, h = [], 1
    for model, group in groupby(best):
        last = h + len(list(group)) - 1
        parts.append(f"{h if h == last else f'{h}-{last}'}: {model or 'none'}")
        h = last + 1
    return ", ".join(parts)
