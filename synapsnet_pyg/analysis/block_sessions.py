"""Connectivity from group to group over several sessions, with animals as clusters."""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from scipy.special import ndtr, ndtri, stdtr, stdtrit

from synapsnet_pyg.analysis.false_discovery import benjamini_hochberg
from synapsnet_pyg.data.session import Session


def blocks_over_sessions(
    tables: "Mapping[str, pd.DataFrame]", animals: Mapping[str, str] | None = None
) -> "pd.DataFrame":
    r"""Computes the mean weight of each block over sessions, with an interval over animals or sessions.

    .. math::
        \bar w = \frac{1}{A} \sum_{a=1}^{A} \bar w_a, \qquad
        s = \sqrt{\frac{1}{A (A - 1)} \sum_a (\bar w_a - \bar w)^2}, \qquad
        \bar w \pm t_{0.975, A - 1}\, s

    with :math:`\bar w_a` the mean over the sessions of animal a. Sessions of one animal are not independent, so that
    the interval has as many degrees of freedom as there are animals, minus one. The test against shuffled labels adds
    the normal quantiles of the sessions' p-values, with the sign of their z, divided by the square root of their number
    (Stouffer). It asks about these sessions and not about others.

    Args:
        tables: Session name -> table of :func:`~synapsnet_pyg.analysis.blocks.connectivity_blocks`.
        animals: Session name -> name of its animal; None: each session is an animal.

    Returns:
        Table with a row for each pair of groups that a session has pairs of, and these columns.

        ===================  ==================================================================================
        sender, receiver     groups, in order
        sessions, animals    number of sessions and animals with such pairs
        pairs                number of pairs in all sessions
        mean_weight          mean over animals
        error                standard error over animals, NaN for a single one
        low, high            95 % confidence interval of the mean weight, over animals
        p_zero, q_zero       test of the mean weight against zero, two-sided, and its false discovery rate
        p_labels, q_labels   test against shuffled labels within sessions, two-sided, and its false discovery rate
        ===================  ==================================================================================

    Raises:
        ValueError: There is no table, or a session has no animal.

    References:
        Aarts et al. (2014), A solution to dependency: using multilevel analysis to accommodate nested data.

    Example:
        >>> row = {"sender": "V1", "receiver": "LM", "pairs": 12, "z": 1.0, "p_labels": 0.3}
        >>> weights = {"a1": 0.1, "a2": 0.3, "b1": 0.4}
        >>> tables = {name: pd.DataFrame([row | {"mean_weight": weight}]) for name, weight in weights.items()}
        >>> blocks = blocks_over_sessions(tables, {"a1": "a", "a2": "a", "b1": "b"})
        >>> blocks[["sender", "receiver", "sessions", "animals", "pairs", "mean_weight", "error"]].round(2)
          sender receiver  sessions  animals  pairs  mean_weight  error
        0     V1       LM         3        2     36          0.3    0.1
    """
    if not tables:
        raise ValueError("Expected the table of at least one session (got none).")
    unknown = [name for name in tables if animals is not None and name not in animals]
    if unknown:
        raise ValueError(f"Expected the animal of every session (got none of {', '.join(unknown)}).")
    rows = pd.concat(
        [table.assign(session=name, animal=animals[name] if animals else name) for name, table in tables.items()],
        ignore_index=True,
    )
    rows = rows[rows["pairs"] > 0].assign(signed=lambda table: _signed_quantile(table))
    groups = rows.groupby(["sender", "receiver"], sort=True)
    by_animal = rows.groupby(["sender", "receiver", "animal"])["mean_weight"].mean().groupby(level=[0, 1], sort=True)
    mean, error, count = by_animal.mean(), by_animal.sem(), by_animal.count()
    half = error * stdtrit((count - 1).clip(lower=1), 0.975)
    with np.errstate(invalid="ignore", divide="ignore"):
        p_zero = 2 * stdtr((count - 1).clip(lower=1), -(mean / error).abs())
        p_labels = 2 * ndtr(-(groups["signed"].sum(min_count=1) / groups["signed"].count() ** 0.5).abs())
    table = pd.DataFrame(
        {
            "sessions": groups["session"].nunique(),
            "animals": count,
            "pairs": groups["pairs"].sum(),
            "mean_weight": mean,
            "error": error,
            "low": mean - half,
            "high": mean + half,
            "p_zero": p_zero,
            "q_zero": benjamini_hochberg(p_zero),
            "p_labels": p_labels,
            "q_labels": benjamini_hochberg(p_labels),
        }
    )
    return table.reset_index()


def animals_of(sessions: Iterable[Session], animal: str) -> dict[str, str]:
    """Returns session name -> name of its animal.

    Args:
        sessions: Sessions of all animals.
        animal: Field of the neurons with the animal, one value in each session; or the beginnings of the sessions'
            names, one for each animal, separated by commas.

    Raises:
        ValueError: A session has several values of the field, or its name begins like no animal.

    Example:
        >>> import torch
        >>> sessions = [Session(torch.zeros(2, 9), bin_size=0.1, name=name) for name in ("m1-monday", "m2-friday")]
        >>> animals_of(sessions, "m1,m2")
        {'m1-monday': 'm1', 'm2-friday': 'm2'}
    """
    sessions = list(sessions)
    if any(animal in session.neuron_columns for session in sessions):
        return {session.name: _only_value(session, animal) for session in sessions}
    beginnings = [part.strip() for part in animal.split(",") if part.strip()]
    return {session.name: _only_beginning(session.name, beginnings) for session in sessions}


def _only_value(session: Session, field: str) -> str:
    """Returns the value that a field has for all neurons of a session."""
    values = sorted({str(value) for value in session.neuron_columns.get(field, [])} - {""})
    if len(values) != 1:
        found = ", ".join(values[:5]) or "none"
        raise ValueError(f"Expected one '{field}' for all neurons of session '{session.name}' (got {found}).")
    return values[0]


def _only_beginning(name: str, beginnings: list[str]) -> str:
    """Returns the longest beginning of a session's name."""
    fitting = sorted((start for start in beginnings if name.startswith(start)), key=len)
    if not fitting:
        raise ValueError(
            f"Expected a field of the neurons, or beginnings of all session names, one for each animal (got "
            f"'{','.join(beginnings)}' for session '{name}')."
        )
    return fitting[-1]


def _signed_quantile(table: "pd.DataFrame") -> "pd.Series":
    """Returns the normal quantile of each two-sided p-value of shuffled labels, with the sign of z."""
    quantile = -ndtri(table["p_labels"].clip(lower=1e-300) / 2)
    return pd.Series(np.sign(table["z"]) * quantile, index=table.index)
