"""Coverage of the forecast intervals on the test parts of recordings.

    python benchmarks/intervals.py SESSIONS... --models copy ar5 var1 --horizon 4

Models are fitted in closed form; their intervals learn from the validation part and, bin by bin, from the test part.
"""

import argparse
import time
from pathlib import Path

from synapsnet_pyg.data.session import Session
from synapsnet_pyg.models.registry import build_model
from synapsnet_pyg.runs.intervals import IntervalScore, forecast_intervals, score_intervals
from synapsnet_pyg.runs.tables import Table


def score(session: Session, kind: str, horizon: int) -> IntervalScore:
    """Fits a model to a session and scores its intervals."""
    split = session.split()
    model = build_model(kind, [session])
    model.initialise({session.name: split.train}, {session.name: split.validation})
    return score_intervals(session, forecast_intervals(model, split, horizon, first=max(5, model.window)))


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sessions", nargs="+", type=Path, help="session files, or folders of them")
    parser.add_argument("--models", nargs="+", default=["copy", "ar5", "var1"], help="models in closed form")
    parser.add_argument("--horizon", type=int, default=1, help="number of bins ahead H; the table shows 1 and H")
    parser.add_argument("--out", type=Path, help="stem of the files of the table (.md, .csv, .tex)")
    given = parser.parse_args()
    rows, errors = [], []
    files = [file for path in given.sessions for file in (sorted(path.rglob("*.h5")) if path.is_dir() else [path])]
    for file in files:
        session = Session.load(file).standardise()
        for kind in given.models:
            started = time.perf_counter()
            scores = score(session, kind, given.horizon)
            for h in sorted({1, given.horizon}):
                covered = {level: values[h - 1] for level, values in scores.coverage.items()}
                errors.append((h, max(abs(float(level) - value) for level, value in covered.items())))
                rows.append([
                    session.name, kind, str(h),
                    *(f"{value:.3f}" for value in covered.values()),
                    *(f"{values[h - 1]:.2f}" for values in scores.width.values()),
                    *(f"{values[h - 1]:.3f}" for values in scores.neuron_error.values()),
                    f"{scores.quantile_loss[h - 1]:.3f}",
                ])  # fmt: skip
            print(f"{session.name}, {kind}: {time.perf_counter() - started:.1f} s", flush=True)
    header = ["session", "model", "bins ahead", *(f"{what} {level}" for what in ("coverage", "width", "neuron error")
                                                  for level in ("50", "80", "95")), "quantile loss"]  # fmt: skip
    worst = "; ".join(
        f"{h} bins ahead: {max(error for ahead, error in errors if ahead == h):.3f}" for h in sorted({1, given.horizon})
    )
    note = f"Largest error of a coverage: {worst}."
    table = Table("Coverage of 50, 80 and 95 % intervals on test parts", header, rows, [note])
    table.print()
    if given.out is not None:
        table.write(given.out)


if __name__ == "__main__":
    main()
