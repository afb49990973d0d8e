"""Calibration of the tests of edges where the wiring is known: calls, and how often each statistic is right."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy.special import erf
from torch import Tensor

from synapsnet_pyg.analysis.significance import EdgeSignificance
from synapsnet_pyg.files import Json
from synapsnet_pyg.plots.canvas import Figure, make_figure
from synapsnet_pyg.plots.comparisons import draw_calibration
from synapsnet_pyg.runs.tables import Table, plus_minus_text
from synapsnet_pyg.simulations.edge_truth import EFFECT, NOTHING, SYNAPSE

RATES = (0.01, 0.05, 0.2)
"""False discovery rates at which calls are counted."""
BORDERS = np.linspace(0, 1, 11)
"""Borders of the ranges in which each statistic is compared with the truth."""


class EdgeCalls(NamedTuple):
    """Edges called at one false discovery rate."""

    rate: float
    called: int
    """Number of called pairs."""
    false: float
    """Share of the called pairs with neither a synapse nor an effect; 0 without calls."""
    indirect: float
    """Share of the called pairs with an effect at the bin's resolution but no synapse; 0 without calls."""
    expected: float
    """Share that the recording itself lets expect to be false."""
    power: float | None
    """Share of the synapses that are called; None without synapses."""


class Bins(NamedTuple):
    """Number of pairs in each range of a statistic, and number for which it came true, [10] each."""

    pairs: list[int]
    true: list[int]


@dataclass(frozen=True)
class Calibration:
    """Statistics of the edges of one population against its true wiring.

    Attributes:
        calls: Calls at each of :data:`RATES`.
        p_value: Pairs with neither synapse nor effect, by p-value; all of them count as true.
        probability: Tested pairs by posterior probability of an edge; true are those with a synapse or an effect.
        error: Pairs with neither, by the normal probability of a value nearer to zero than effect over error; all of
            them count as true.
        stability: Pairs with a synapse, by the share of bootstrap samples of the same sign; true if the sign is right.
    """

    calls: Sequence[EdgeCalls]
    p_value: Bins
    probability: Bins
    error: Bins
    stability: Bins

    @classmethod
    def of(cls, edges: EdgeSignificance, classes: Tensor, weights: Tensor) -> "Calibration":
        """Compares tested edges with the truth.

        Args:
            edges: Statistics of the edges of N neurons.
            classes: Class of each pair from :func:`~synapsnet_pyg.simulations.edge_truth.edge_truth` [N, N].
            weights: True weights [N, N].
        """
        tested = edges.p_value.isfinite().numpy()
        kind, weight = classes.numpy(), weights.double().numpy()
        null, synapse = tested & (kind == NOTHING), tested & (kind == SYNAPSE)
        effect = edges.effect.double().nan_to_num().numpy()
        ratio = np.abs(effect / edges.error.double().nan_to_num(nan=1.0).clamp_min(1e-30).numpy())
        right = np.sign(effect) == np.sign(weight)
        return cls(
            [_calls(edges, kind, rate) for rate in RATES],
            p_value=_bins(edges.p_value.numpy()[null], np.ones(null.sum(), dtype=bool)),
            probability=_bins(edges.edge_probability.numpy()[tested], (kind != NOTHING)[tested]),
            error=_bins(_within(ratio[null]), np.ones(null.sum(), dtype=bool)),
            stability=_bins(edges.sign_stability.numpy()[synapse], right[synapse]),
        )

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> "Calibration":
        """Reads the values of :meth:`to_json`."""
        bins = {name: Bins(**values[name]) for name in ("p_value", "probability", "error", "stability")}
        return cls([EdgeCalls(**row) for row in values["calls"]], **bins)

    def to_json(self) -> Json:
        """Returns name -> value, ready for JSON."""
        bins = {name: getattr(self, name)._asdict() for name in ("p_value", "probability", "error", "stability")}
        return {"calls": [row._asdict() for row in self.calls], **bins}


class CalibratedPopulation(NamedTuple):
    """Calibration on one population."""

    population: str
    seed: int
    calibration: Calibration


def calls_table(rows: Sequence[CalibratedPopulation], command: str) -> Table:
    """Returns the table of calls of each kind of population at each rate, mean and deviation over seeds."""
    header = ["population", "seeds", "rate", "called", "false", "effect, no synapse", "expected false", "power"]
    lines = []
    for population in dict.fromkeys(row.population for row in rows):
        here = [row.calibration.calls for row in rows if row.population == population]
        for k, rate in enumerate(RATES):
            calls = [each[k] for each in here]
            total = max(sum(call.called for call in calls), 1)
            power = [call.power for call in calls if call.power is not None]
            lines.append(
                [
                    population,
                    str(len(calls)),
                    f"{100 * rate:g} %",
                    f"{np.mean([call.called for call in calls]):.0f}",
                    *(
                        f"{sum(getattr(call, name) * call.called for call in calls) / total:.3f}"
                        for name in ("false", "indirect", "expected")
                    ),
                    plus_minus_text(float(np.mean(power)), float(np.std(power)), 2) if power else "-",
                ]
            )
    notes = [
        "Shares of the called pairs, over all seeds together. False: neither a synapse nor an effect at the bin's "
        "resolution. Effect, no synapse: a pulse of the sender changes the receiver in the simulator, through a third "
        "neuron or within the bin. Expected false: the estimate from the recording alone. Power: share of the synapses "
        "that are called.",
        f"By `{command}`.",
    ]
    return Table("Edges called", header, lines, notes)


def draw_calibrations(rows: Sequence[CalibratedPopulation]) -> Figure:
    """Draws p-value, posterior probability, error and sign stability against the truth, a line for each population."""
    figure, axes = make_figure(15, 4.2, columns=4)
    panels = {
        "p_value": ("p-value", "share of pairs without effect below"),
        "error": ("normal probability within effect / error", "share of pairs without effect below"),
        "probability": ("posterior probability of an edge", "share with synapse or effect"),
        "stability": ("share of bootstrap samples of one sign", "share with the right sign"),
    }
    kinds = list(dict.fromkeys(row.population for row in rows))
    for ax, (name, (x, y)) in zip(axes, panels.items(), strict=True):
        curves = {}
        for kind in kinds:
            bins = [getattr(row.calibration, name) for row in rows if row.population == kind]
            pairs, true = (np.sum([getattr(each, part) for each in bins], axis=0) for part in ("pairs", "true"))
            curves[kind] = _cumulated(pairs) if name in ("p_value", "error") else _shares(pairs, true)
        draw_calibration(ax, curves, x, y, legend=name == "stability")
    return figure


def _calls(edges: EdgeSignificance, kind: np.ndarray, rate: float) -> EdgeCalls:
    """Counts the calls at one rate."""
    called = edges.edges(rate).numpy()
    count, synapses = int(called.sum()), int((kind == SYNAPSE).sum())
    return EdgeCalls(
        rate,
        count,
        false=int((called & (kind == NOTHING)).sum()) / max(count, 1),
        indirect=int((called & (kind == EFFECT)).sum()) / max(count, 1),
        expected=edges.expected_false(rate),
        power=int((called & (kind == SYNAPSE)).sum()) / synapses if synapses else None,
    )


def _bins(values: np.ndarray, true: np.ndarray) -> Bins:
    """Counts values in each range, and those that are true."""
    return Bins(*(np.histogram(chosen, BORDERS)[0].tolist() for chosen in (values, values[true])))


def _within(ratio: np.ndarray) -> np.ndarray:
    """Returns the probability of a standard normal value nearer to zero."""
    probability: np.ndarray = erf(ratio / 2**0.5)
    return probability


def _cumulated(pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns upper borders of the ranges and the share of all pairs below."""
    return BORDERS[1:], pairs.cumsum() / max(pairs.sum(), 1)


def _shares(pairs: np.ndarray, true: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns middles of the ranges with at least 20 pairs and the share of pairs in them that are true."""
    enough = pairs >= 20
    return ((BORDERS[1:] + BORDERS[:-1]) / 2)[enough], true[enough] / pairs[enough]
