"""Scores of each neuron of a session, beside those of simple forecasts and its ceiling."""

from collections.abc import Mapping

import numpy as np
from torch import Tensor

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.metrics import correlation, squared_error
from synapsnet_pyg.models.forecasting import SessionForecast
from synapsnet_pyg.runs.ceiling import Ceiling
from synapsnet_pyg.runs.scores import scored_neurons

_SMALL = 0.05
"""Ceiling below which its reached share is not given, since the ratio of two small numbers says nothing."""


def neuron_scores(
    session: Session, forecasts: Mapping[str, SessionForecast], ceiling: Ceiling, baseline: str | None
) -> dict[str, object]:
    """Computes the scores of each neuron.

    Args:
        session: Whole session of the N neurons, standardised.
        forecasts: Model -> its forecast of the same test bins; the fitted model comes first.
        ceiling: Ceilings of the N neurons over these bins.
        baseline: Model with the best mean correlation among the others. The best model of each neuron would be chosen
            by its luck in the test bins.

    Returns:
        Columns of a table with a row for each neuron.

        ===================  ========================================================================================
        neuron_id            id of the neuron
        scored, constant     whether it varies in training and test bins; whether it is constant in training
        mean_activity        mean over the test bins in the unit of the recording
        rate_hz              for counts: this mean in Hz
        correlation, mse     scores of the fitted model; NaN if the neuron is not scored
        correlation_MODEL    correlation of each other model
        best_baseline        ``baseline``, the same for all neurons
        gain                 correlation of the fitted model minus that of ``best_baseline``
        ceiling              estimated largest correlation (:func:`~synapsnet_pyg.runs.ceiling.score_ceiling`)
        of_ceiling           correlation / ceiling; NaN for ceilings below 0.05
        counting_noise       for counts: share of the variance that is counting noise (above 1: more regular)
        lasting              share of the variance that lasts from bin to bin
        ===================  ========================================================================================

        and the fields of the neurons.
    """
    fitted, *others = forecasts
    first = forecasts[fitted]
    kept = scored_neurons(session, first.truth)
    r = {model: _of_scored(correlation(one.truth, one.forecast), kept) for model, one in forecasts.items()}
    mean = own_units(session, first.truth).double().mean(1).cpu().numpy()
    highest = ceiling.correlation.numpy()
    columns: dict[str, object] = {
        "neuron_id": session.neuron_id,
        "scored": kept.cpu().numpy(),
        "constant": session.constant.cpu().numpy(),
        "mean_activity": mean,
        **({"rate_hz": mean / session.bin_size} if ceiling.counts else {}),
        "correlation": r[fitted],
        "mse": _of_scored(squared_error(first.truth, first.forecast), kept),
        **{f"correlation_{model}": r[model] for model in others},
        **({} if baseline is None else {"best_baseline": baseline, "gain": r[fitted] - r[baseline]}),
        "ceiling": highest,
        "of_ceiling": r[fitted] / np.where(highest >= _SMALL, highest, np.nan),
        **({"counting_noise": ceiling.counting.numpy()} if ceiling.counts else {}),
        "lasting": ceiling.lasting.numpy(),
    }
    fields = {name: values for name, values in session.neuron_columns.items() if name not in columns}
    return columns | fields


def own_units(session: Session, activity: Tensor) -> Tensor:
    """Returns standardised activity [N, M] in the unit of the recording.

    Args:
        session: Standardised session.
        activity: Activity of its neurons.
    """
    return activity * session.activity_scale[:, None] + session.activity_mean[:, None]


def _of_scored(score: Tensor, scored: Tensor) -> np.ndarray:
    """Returns scores [N] with NaN for neurons that are not scored."""
    return score.masked_fill(~scored, float("nan")).cpu().numpy()
