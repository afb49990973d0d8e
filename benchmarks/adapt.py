"""Score on a new session against minutes of it: adapting a fitted run, beside training from nothing and VAR(1).

    python benchmarks/adapt.py worm-1.h5 worm-2.h5 worm-3.h5 worm-4.h5 --minutes 1 2 4 --seeds 3 --out adapt-worms

The model is fitted to all sessions but the last, which is the new one. Of its training part the newest minutes alone
are used, for the standardisation too; validation and test part stay whole. Adapting keeps what sessions share (of
SynapsNet the dynamics and the latent state, frozen) and learns the rest; training from nothing learns all by the same
recipe, the fast one, with as many steps for few minutes as for all. Without session files four sessions of a simulated
two-photon animal are taken.
"""

import argparse
import time
from pathlib import Path

from synapsnet_pyg.data.division import Piece, divided
from synapsnet_pyg.data.session import Session
from synapsnet_pyg.data.session_split import PARTS
from synapsnet_pyg.files import make_folder
from synapsnet_pyg.plots.canvas import make_figure
from synapsnet_pyg.plots.comparisons import draw_sweep
from synapsnet_pyg.runs.recipe import Preset, Recipe
from synapsnet_pyg.runs.run import Run
from synapsnet_pyg.runs.scores import score
from synapsnet_pyg.runs.tables import Table, number_text
from synapsnet_pyg.simulations.calcium import simulate_calcium

WAYS = ("adapted", "from nothing", "var1")


def newest(session: Session, bins: int) -> Session:
    """Returns a session of which the newest bins of the training part are kept, and validation and test part whole."""
    kept = {part: session.part_bins(part) for part in PARTS}
    kept["train"] = kept["train"][-bins:]
    pieces = []
    for part, numbers in kept.items():
        low, high = int(numbers[0]), int(numbers[-1]) + 1
        pieces += [Piece(max(a, low), min(b, high), part) for a, b in session.segment.tolist()]
    return divided(session, sorted(piece for piece in pieces if piece.end > piece.begin))


def fitted_in(way: str, origin: Path, path: str, out: Path, *, recipe: Recipe, kind: str) -> tuple[Run, float]:
    """Returns a run on the new session, and the duration of its fit in seconds."""
    start = time.monotonic()
    if way == "adapted":
        run = Run.adapt(origin, path, out, changes=recipe.to_json(), progress=False)
    else:
        run = Run.fit([path], out, kind if way == "from nothing" else way, recipe=recipe, progress=False)
    return run, time.monotonic() - start


def main() -> None:
    """Fits, adapts, and writes table and figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sessions", nargs="*", help="session files, the new one last; simulated if not given")
    parser.add_argument("--model", default="synapsnet", help="model whose dynamics sessions share")
    parser.add_argument("--minutes", type=float, nargs="+", default=[1, 2, 4, 8], help="minutes of the new session")
    parser.add_argument("--seeds", type=int, default=1, help="number of fits for each number of minutes")
    parser.add_argument("--epochs", type=int, help="number of epochs with all minutes; the fast recipe's if not given")
    parser.add_argument("--bins", type=int, default=5160, help="number of bins of a simulated session")
    parser.add_argument("--recorded", type=int, default=120, help="number of neurons of a simulated session")
    parser.add_argument("--out", type=Path, default=Path("adapt"), help="new folder of the runs, table and figure")
    given = parser.parse_args()

    out, paths = make_folder(given.out), list(given.sessions)
    for number in range(0 if paths else 4):
        simulate_calcium(number, bins=given.bins, recorded=given.recorded).save(out / f"calcium-{number}.h5")
        paths.append(str(out / f"calcium-{number}.h5"))
    start = time.monotonic()
    changes = {} if given.epochs is None else {"epochs": given.epochs, "halve_every": max(1, given.epochs // 4)}
    preset = Preset("fast", {**changes, "patience": 10})
    Run.fit(paths[:-1], out / "fitted", given.model, recipe=preset, progress=False)
    notes = [f"{given.model} was fitted to {len(paths) - 1} sessions in {time.monotonic() - start:.0f} s.",
             f"Test correlation, mean of {given.seeds} seed(s); in brackets seconds of a fit on one core.",
             f"By `python benchmarks/adapt.py`, sessions {', '.join(Path(path).stem for path in paths)}."]  # fmt: skip

    new, rows = Session.load(paths[-1]), []
    whole, usual = len(new.part_bins("train")), preset.recipe([new])
    curves: dict[str, dict[float, list[float]]] = {way: {} for way in WAYS}
    for minutes in given.minutes:
        bins = min(round(60 * minutes / new.bin_size), whole)
        short = out / f"newest-{minutes:g}.h5"
        newest(new, bins).save(short)
        # As many steps as with the whole training part: an epoch of fewer bins has fewer.
        steps = {name: round(getattr(usual, name) * whole / bins) for name in ("epochs", "halve_every", "patience")}
        row = [f"{bins * new.bin_size / 60:.1f}", str(bins)]
        for way in WAYS:
            seconds = []
            for seed in range(1 if way == "var1" else given.seeds):
                folder = out / f"{way.replace(' ', '-')}-{minutes:g}-{seed}"
                recipe = usual.changed(**steps, seed=seed)
                run, taken = fitted_in(way, out / "fitted", str(short), folder, recipe=recipe, kind=given.model)
                (session,) = run.sessions.values()
                result = score(run.model, session, session.split(), targets=run.targets, first=5)
                curves[way].setdefault(minutes, []).append(result.correlation)
                seconds.append(taken)
            values = curves[way][minutes]
            row.append(f"{number_text(sum(values) / len(values))} ({sum(seconds) / len(seconds):.1f} s)")
        rows.append(row)
        print(*row, flush=True)
    table = Table(f"New session {new.name}", ["minutes", "bins", *WAYS], rows, notes)
    table.print()
    table.write(out / "adapt")
    figure, (ax,) = make_figure(5, 3.6)
    draw_sweep(ax, curves, f"minutes of {new.name}")
    figure.savefig(out / "adapt.png", dpi=120)


if __name__ == "__main__":
    main()
