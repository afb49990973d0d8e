"""Runs the checks and prints a table; exit status 1 if anything is not as it should be.

python tests/fuzz/run.py --seed 1 --seconds 60
python tests/fuzz/run.py --seed 1 --inputs 10000 --fits 100 --kills 200 --disks 100 --names 50 --hostile 30
python tests/fuzz/run.py --seed 1 --only session:17
"""

import argparse
import os
import random
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])
    # A child is forked, which leaves threads behind: there are none.
    os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1", NUMBA_NUM_THREADS="1")
    os.environ["JE_ARROW_MALLOC_CONF"] = "background_thread:false"

from fuzz import corpus
from fuzz.children import import_learned, spread
from fuzz.full_disks import FullDisks, why_not
from fuzz.hostile import Hostile, promises
from fuzz.inputs import KINDS, Inputs
from fuzz.kills import Kills
from fuzz.results import FAULTS, Result, faults, table
from fuzz.texts import NAMES, Names
from fuzz.trees import FITS, OTHERS, WRITERS, reference

Item = tuple[str, int]
Check = Callable[[Item], Result]


def main(arguments: list[str] | None = None) -> int:
    """Runs the checks that are asked for."""
    parser = argparse.ArgumentParser(description="Fuzz synapsnet_pyg: mutated files, kills, full disks, odd names.")
    parser.add_argument("--seed", type=int, default=None, help="Seed of all draws; a new one if not given.")
    parser.add_argument("--seconds", type=float, default=86400.0, help="Time after which no more tries begin.")
    for name, text in PARTS.items():
        parser.add_argument(f"--{name}", type=int, default=None, help=text)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="Number of processes.")
    parser.add_argument("--only", default=None, help="The try KIND:NUMBER alone, or all tries of KIND.")
    parser.add_argument("--corpus", type=Path, default=None, help="Folder of the files to mutate; made if not there.")
    parser.add_argument("--keep", type=Path, default=Path("fuzz-faults"), help="Folder of the files of faults.")
    given = parser.parse_args(arguments)
    seed = secrets.randbelow(10**6) if given.seed is None else given.seed
    print(f"seed {seed}", flush=True)
    start = time.monotonic()
    kept = (given.keep / str(seed)).resolve()
    asked = {name: getattr(given, name) for name in PARTS}
    if given.only is None and all(count is None for count in asked.values()):
        asked = {"inputs": 10_000, "fits": 100, "kills": 200, "disks": 100, "names": 50, "hostile": len(promises())}
    work = Path(tempfile.mkdtemp(prefix="fuzz-"))
    folder = work / "corpus" if given.corpus is None else given.corpus.resolve()
    try:
        if not (folder / corpus.MODULES).is_file():
            folder.mkdir(parents=True)
            corpus.build(folder)
        import_learned(folder / corpus.MODULES)
        print(f"files to mutate are ready after {time.monotonic() - start:.0f} s", flush=True)
        results: list[Result] = []
        items = [
            (check, item) for check, items in _checks(folder, work, kept, seed, asked, given.only) for item in items
        ]
        random.Random(seed).shuffle(items)  # each part has its share of a short time
        threads = len(os.listdir("/proc/self/task"))
        if threads > 1:
            print(f"warning: children are forked beside {threads - 1} threads", file=sys.stderr)
        results = spread(lambda item: item[0](item[1]), items, jobs=given.jobs, seconds=given.seconds)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    wrong = [result for result in results if result.verdict in FAULTS]
    print(table(sorted(results, key=lambda result: result.kind)))
    if wrong:
        print(f"{faults(results, seed)}\n{len(wrong)} of {len(results)} tries are not as they should be (seed {seed}); "
              f"their files lie in {kept}")  # fmt: skip
    else:
        print(f"{len(results)} tries, all as they should be (seed {seed}), {time.monotonic() - start:.0f} s")
    return int(bool(wrong))


PARTS = {
    "inputs": "Number of mutated files.",
    "fits": "Number of killed fits.",
    "kills": "Number of other killed commands.",
    "disks": "Number of full disks.",
    "names": "Number of odd names.",
    "hostile": "Number of hostile files.",
}


def _checks(
    folder: Path, work: Path, kept: Path, seed: int, asked: dict[str, int | None], only: str | None
) -> list[tuple[Check, list[Item]]]:
    """Returns functions and the items to which they are applied."""
    items = {
        "inputs": _in_turn(KINDS, asked["inputs"], seed),
        "fits": _in_turn(FITS, asked["fits"], seed),
        "kills": _in_turn(OTHERS, asked["kills"], seed),
        "disks": _in_turn(WRITERS, asked["disks"], seed),
        "names": [("names", n) for n in _numbers(range(max(len(NAMES), asked["names"] or 0)), asked["names"], seed)],
        "hostile": [("hostile", n) for n in _numbers(range(len(promises())), asked["hostile"], seed)],
    }
    if only is not None:
        items = {part: [] for part in items} | dict([_only(only)])
    wanted = sorted({name for part in ("fits", "kills", "disks") for name, _ in items[part]})
    if items["disks"] and (reason := why_not(work)):
        print(f"full disks are skipped: {reason}", flush=True)
        items["disks"] = []
    made = spread(lambda name: (name, reference(folder, work, name)), wanted, jobs=2, seconds=3600)
    references = dict(made)
    arguments = (folder, work, kept, seed, references)
    kills = Kills(*arguments).the_same_command_after_a_kill_comes_to_the_same_files
    checks: dict[str, Check] = {
        "fits": kills,
        "kills": kills,
        "disks": FullDisks(*arguments).a_full_disk_is_told_and_costs_no_file,
        "names": Names(*arguments).a_text_is_a_text_everywhere,
        "hostile": Hostile(*arguments).nothing_is_run_and_nothing_is_told,
    }
    if items["inputs"]:
        checks["inputs"] = Inputs(*arguments).every_mutated_file_is_read_as_it_was_or_refused
    return [(check, items[part]) for part, check in checks.items() if items[part]]


def _in_turn(names: Iterable[str], count: int | None, seed: int) -> list[Item]:
    """Returns items in which the names, in a drawn order, take turns."""
    drawn = sorted(names)
    random.Random(seed).shuffle(drawn)
    return [(drawn[n % len(drawn)], n // len(drawn)) for n in range(count or 0)]


def _numbers(numbers: range, count: int | None, seed: int) -> list[int]:
    """Draws numbers, at most all."""
    return random.Random(seed).sample(numbers, min(count or 0, len(numbers)))


def _only(text: str) -> tuple[str, list[Item]]:
    """Returns the part and the items of --only, such as 'session:3', 'kill convert' or 'disk report:0'."""
    kind, _, number = text.partition(":")
    word, _, name = kind.partition(" ")
    part = {"kill": "fits", "disk": "disks", "names": "names", "hostile": "hostile"}.get(word, "inputs")
    name = name if part in ("fits", "disks") else kind
    return part, [(name, n) for n in ([int(number)] if number else range(30))]


if __name__ == "__main__":
    sys.exit(main())
