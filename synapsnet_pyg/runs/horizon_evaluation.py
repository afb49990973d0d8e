"""Evaluation of a run and of the anchors several bins ahead."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from synapsnet_pyg.data.session import Split
from synapsnet_pyg.files import Json, say
from synapsnet_pyg.progress import steps
from synapsnet_pyg.runs.evaluation import ComparedModels, usable_length, with_anchors, within_horizon
from synapsnet_pyg.runs.horizon_scores import HorizonScores, score_by_method
from synapsnet_pyg.runs.horizon_tables import TITLES, horizon_table, label_of
from synapsnet_pyg.runs.run import Run
from synapsnet_pyg.runs.tables import Table


@dataclass(frozen=True)
class HorizonEvaluation:
    """Scores of a run's model and of the anchors several bins ahead.

    Attributes:
        horizon: Number of bins ahead H.
        sessions: Session name -> model -> scores of each horizon; the fitted model comes first. A model that forecasts
            all bins directly stands there twice, the second time with its one-step forecasts fed back.
        bin_size: Session name -> duration of a bin in seconds.
        whole: Session name -> True if the whole test part is scored, False if its beginning is.
        left_out: Anchors whose window and horizon are longer than the segments.
    """

    horizon: int
    sessions: Mapping[str, Mapping[str, HorizonScores]]
    bin_size: Mapping[str, float]
    whole: Mapping[str, bool]
    left_out: list[str]

    def to_json(self) -> Json:
        """Returns name -> value, ready for JSON; the scores of each model as a list over horizons."""
        return {
            "horizon": self.horizon,
            "sessions": {
                name: {model: [score.to_json() for score in scores] for model, scores in models.items()}
                for name, models in self.sessions.items()
            },
            "bin_size": dict(self.bin_size),
            "left_out": self.left_out,
        }

    def rows(self, session: str) -> list[dict[str, str | float]]:
        """Returns a row for each model and horizon of a session: name of the column -> value.

        Args:
            session: Name of the session.
        """
        return [
            {"model": model, "horizon": h, "seconds": h * self.bin_size[session], **score._asdict()}
            for model, scores in self.sessions[session].items()
            for h, score in enumerate(scores, start=1)
        ]

    def tables(self, session: str) -> list[Table]:
        """Returns the tables of a session: correlation, score against copy and absolute error over horizons."""
        return [
            horizon_table(
                f"{session}: {TITLES[key]}",
                key,
                {model: [getattr(score, key) for score in scores] for model, scores in self.sessions[session].items()},
            )
            for key in ("correlation", "against_copy", "mae")
        ]

    def print(self) -> None:
        """Prints the tables of each session, and the meaning of the columns."""
        for name in self.sessions:
            for table in self.tables(name):
                say()
                table.print()
        sizes = " or ".join(f"{size:g}" for size in sorted(set(self.bin_size.values())))
        say()
        say(f"Columns: bins ahead, of {sizes} s. MAE: absolute error in the units of the recording.")
        if self.left_out:
            say(f"left out, because segments are too short: {', '.join(self.left_out)}")


def evaluate_horizons(
    run: Run,
    horizon: int,
    *,
    most_neuron_bins: int | None = None,
    compared: ComparedModels | None = None,
    names: Sequence[str] | None = None,
) -> HorizonEvaluation:
    """Scores a run's model and every anchor up to H bins ahead, on forecasts from the same test bins.

    A model forecasts directly if it can; other models feed their forecasts back.

    Args:
        run: Fitted run.
        horizon: Number of bins ahead H.
        most_neuron_bins: Largest number of neurons times bins of each test part, to bound the time; the part ends
            where it is reached. None: the whole part.
        compared: Models of :func:`~synapsnet_pyg.runs.evaluation.with_anchors`; None: they are fitted.
        names: Names of the sessions to score, at least one; None: all.

    Raises:
        ValueError: A test part is too short, or the horizon below 1.
    """
    whole_split = split = run.split()
    if most_neuron_bins is not None:
        split = {s: _shortened(parts, most_neuron_bins) for s, parts in split.items()}
    if compared is None:
        models, left_out = with_anchors(run, split, horizon, names=names)
    else:
        models, left_out = within_horizon(compared, split, horizon)
    first, chosen = max(model.window for model in models.values()), list(names or run.sessions)
    sessions = {
        s: {
            label_of(m, method, by_method): scores
            for m in steps(f"forecast {horizon} bins of {s} with", list(models))
            for by_method in [
                score_by_method(
                    models[m],
                    run.sessions[s],
                    split[s],
                    horizon,
                    targets=run.targets if m == run.kind else 1,
                    first=first,
                )
            ]
            for method, scores in by_method.items()
        }
        for s in steps("forecast further ahead", chosen)
    }
    return HorizonEvaluation(
        horizon,
        sessions,
        bin_size={s: run.sessions[s].bin_size for s in chosen},
        whole={s: split[s].test.num_bins == whole_split[s].test.num_bins for s in chosen},
        left_out=left_out,
    )


def _shortened(split: Split, most_neuron_bins: int) -> Split:
    """Returns the parts with the beginning of the test part only."""
    bins = min(split.test.num_bins, max(200, most_neuron_bins // split.test.num_neurons))
    return split._replace(test=split.test.slice(0, bins))


def longest_horizon(run: Run, most: int = 16) -> int:
    """Returns the largest horizon for which at least as many bins of the segments can be forecast from.

    Args:
        run: Fitted run.
        most: Largest number of bins that is returned.

    Returns:
        Number of bins; below 2 if the segments allow one step only.
    """
    return min(most, (usable_length(run.split()) - max(5, run.model.window)) // 2)
