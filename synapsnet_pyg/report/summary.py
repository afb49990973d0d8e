"""Summary on top of a report, in plain words."""

import math
from collections import Counter
from collections.abc import Sequence

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.report.connectivity_analysis import FALSE_DISCOVERY_RATE, ConnectivityAnalysis
from synapsnet_pyg.report.forecast_results import ForecastResults
from synapsnet_pyg.results.neuron_groups import fields_with_groups, group_of_each

LIMITS = (
    "What cannot be told: whether an edge is a synapse, or the way of an influence through neurons that were not "
    "recorded; the order of events within a bin; and what happens in states that the recording does not contain."
)


def recorded_sentence(session: Session) -> str:
    """Returns a sentence on what was recorded.

    Example:
        >>> import torch
        >>> session = Session(torch.zeros(3, 1200), bin_size=0.1, area=["V1", "V1", "LM"])
        >>> print(recorded_sentence(session))
        Recorded: 3 neurons (V1 2, LM 1) for 2.0 minutes in bins of 0.1 s, without behaviour.
    """
    groups = ""
    for field in fields_with_groups(session)[:1]:
        counts = Counter(group_of_each(session, field)).most_common()
        rest = f" and {len(counts) - 4} more" if len(counts) > 4 else ""
        groups = f" ({', '.join(f'{name} {count}' for name, count in counts[:4])}{rest})"
    segments = f" in {len(session.segment)} segments" if len(session.segment) > 1 else ""
    behaviours = _listed(session.behaviour_name)
    return (
        f"Recorded: {session.num_neurons} neuron{'s' * (session.num_neurons != 1)}{groups} for "
        f"{session.num_bins * session.bin_size / 60:.1f} minutes{segments} in bins of {session.bin_size:.3g} s, "
        + (f"with {behaviours}." if behaviours else "without behaviour.")
    )


def forecast_sentence(results: ForecastResults) -> str:
    """Returns a sentence on the forecast beside the best simple one and the ceiling.

    Args:
        results: Results of a session.
    """
    fitted, *others = results.scores
    details, score = results.details, results.scores[fitted].correlation
    if not math.isfinite(score):
        return "Forecast: no neuron varies enough to be scored."
    if details is not None and not details.forecasts_something:
        return "Forecast: nothing can be forecast one bin ahead; no model is better than chance."
    sentence = f"Forecast one bin ahead: the correlation of forecast and truth is {score:.3f}"
    if details is not None and math.isfinite(details.intervals[fitted].correlation.low):
        interval = details.intervals[fitted].correlation
        sentence += f" (95 % interval {interval.low:.3f} to {interval.high:.3f})"
    known = {model: results.scores[model].correlation for model in others}
    known = {model: value for model, value in known.items() if math.isfinite(value)}
    if known:
        best = max(known, key=known.__getitem__)
        comparison = None if details is None or details.baseline != best else details.comparison
        certain = comparison is not None and comparison.correlation.p < 0.05
        better = "better" if score > known[best] else "worse"
        verdict = f"{fitted} is {better}" if certain else f"{fitted} is not certainly better or worse"
        sentence += f"; the best simple forecast, {best}, reaches {known[best]:.3f}: {verdict}"
    if details is not None and math.isfinite(details.ceiling.share):
        sentence += f". Noise allows about {details.ceiling.mean:.3f}, of which {details.ceiling.share:.0%} is reached"
    return f"{sentence}."


def edges_sentence(analysis: ConnectivityAnalysis | None) -> str:
    """Returns a sentence on how many edges can be believed.

    Args:
        analysis: Results on the connectivity of a session; None if the model learned no edges.
    """
    if analysis is None:
        return "Edges: The model learned no edges."
    if analysis.significance is None:
        return f"Edges: {analysis.untested or 'not tested.'}"
    return f"Edges: {analysis.significance.edges.called_sentence(FALSE_DISCOVERY_RATE)}"


def _listed(names: Sequence[str], most: int = 4) -> str:
    """Returns names as a text; of many, the first ones and the number of the rest."""
    rest = f" and {len(names) - most} more behaviours" if len(names) > most else ""
    return ", ".join(names[:most]) + rest
