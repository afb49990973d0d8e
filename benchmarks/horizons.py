"""Model against the best of the others at several horizons, on each session of finished forecasting benchmarks.

    synapsnet benchmark forecasting SESSION.h5 --horizon 16 --out results
    python benchmarks/horizons.py results --model synapsnet --horizons 1 4 16

Differences are paired over the same test bins, with 95 % intervals of the block bootstrap (`BlockBootstrap`).
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path

from synapsnet_pyg.benchmarks.forecast_results import titled
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.models.forecasting import HorizonForecast, SessionForecast, forecast_horizons, methods_of
from synapsnet_pyg.models.registry import ANCHORS
from synapsnet_pyg.runs.horizon_tables import label_of
from synapsnet_pyg.runs.run import Run
from synapsnet_pyg.runs.score_intervals import BlockBootstrap
from synapsnet_pyg.runs.scores import score_forecast, scored_neurons
from synapsnet_pyg.runs.tables import Table, number_text


def forecasts_of(results: Path, horizon: int) -> tuple[dict[str, Session], dict[str, dict[str, HorizonForecast]]]:
    """Returns sessions by name, and session -> model -> forecast of the test part, of the first seed."""
    first = json.loads((results / "forecasting.json").read_text())["protocol"]["first scored bin of a segment"]
    sessions: dict[str, Session] = {}
    forecasts: dict[str, dict[str, HorizonForecast]] = {}
    for file in sorted(results.glob("runs/*/*/seed-0/run.json")):
        run, label = Run.load(file.parent), file.parents[2].name
        methods = methods_of(run.model, horizon)
        fit = "single" if label in ANCHORS or len(run.sessions) == 1 else "multi"
        for name, session in run.sessions.items():
            sessions[name], test = session, session.split().test
            for method in methods:
                title = titled(label_of(label, method, methods), fit)
                forecasts.setdefault(name, {})[title] = forecast_horizons(
                    run.model, test, horizon, run.targets, method=method, first=first
                )
    return sessions, forecasts


def compared(session: Session, forecasts: Mapping[str, SessionForecast], ours: str) -> tuple[list[str], bool]:
    """Returns the cells of one session and horizon, and whether no other model is better beyond its error.

    The ways of one model count as one: its better way is compared.
    """
    scores = {title: score_forecast(session, forecast).correlation for title, forecast in forecasts.items()}
    ways = [title for title in scores if title.removesuffix(" (rolled out)") == ours]
    others = [title for title in scores if title not in ways]
    mine, best = (max(titles, key=lambda title: scores[title]) for titles in (ways, others))
    some = next(iter(forecasts.values()))
    bootstrap = BlockBootstrap(
        {title: forecasts[title] for title in (mine, best)},
        scored_neurons(session, some.truth),
        session.split().test.segment,
        least=5,
    )
    difference = bootstrap.compare(mine, best).correlation
    low, high = difference.interval
    against = f"{difference.value:+.3f} ({low:+.3f} to {high:+.3f})"
    return [number_text(scores[mine]), best, number_text(scores[best]), against, number_text(difference.p)], high >= 0


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", nargs="+", type=Path, help="folders of finished benchmarks")
    parser.add_argument("--model", default="synapsnet", help="label of the model that is compared with the others")
    parser.add_argument("--horizons", type=int, nargs="+", default=[1, 4, 16], help="numbers of bins ahead")
    parser.add_argument("--out", type=Path, help="stem of the files of the table (.md, .csv, .tex)")
    given = parser.parse_args()
    rows, level = [], 0
    for results in given.results:
        sessions, forecasts = forecasts_of(results, max(given.horizons))
        for name, session in sessions.items():
            for h in given.horizons:
                at = {title: forecast.at(h) for title, forecast in forecasts[name].items()}
                cells, as_good = compared(session, at, given.model)
                rows.append([name, str(session.num_neurons), str(h), *cells])
                level += as_good
            print(f"{name}: done", flush=True)
    header = ["session", "neurons", "bins ahead", given.model, "best other", "its score", "difference", "p"]
    note = f"{given.model} is first, or as good within the interval of the difference, in {level} of {len(rows)} rows."
    table = Table("Correlation several bins ahead, against the best of the others", header, rows, [note])
    table.print()
    if given.out is not None:
        table.write(given.out)


if __name__ == "__main__":
    main()
