"""Runs the checks and prints a table; exit status 1 if anything is not as it should be.

python tests/fuzz/run.py --seed 1 --seconds 60
python tests/fuzz/run.py --seed 1 --inputs 10000 --kills 300 --disks 100 --names 50 --hostile 30
python tests/fuzz/run.py --seed 1 --only session:17
"""

import os

# A child is forked, which leaves threads behind: there are none.
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1", NUMBA_NUM_THREADS="1")
os.environ["ARROW_DEFAULT_MEMORY_POOL"] = "system"  # its own has a thread

import argparse
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])

from fuzz import corpus
from fuzz.children import import_learned, spread
from fuzz.inputs import KINDS, Inputs
from fuzz.results import FAULTS, Result, faults, table

Item = tuple[str, int]
Check = Callable[[Item], Result]


def main(arguments: list[str] | None = None) -> int:
    """Runs the checks that are asked for."""
    parser = argparse.ArgumentParser(description="Fuzz synapsnet_pyg: mutated files, kills, full disks, odd names.")
    parser.add_argument("--seed", type=int, default=None, help="Seed of all draws; a new one if not given.")
    parser.add_argument("--seconds", type=float, default=86400.0, help="Time in which no more tries begin.")
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
        asked = dict.fromkeys(PARTS, 10**6)
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
        threads = len(os.listdir("/proc/self/task"))
        if threads > 1:
            print(f"warning: children are forked beside {threads - 1} threads", file=sys.stderr)
        left = given.seconds - (time.monotonic() - start)
        results = spread(lambda item: item[0](item[1]), items, jobs=given.jobs, seconds=left)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    wrong = [result for result in results if result.verdict in FAULTS]
    print(table(sorted(results, key=lambda result: result.kind)))
    if wrong:
        print(f"{faults(results, seed)}\n{len(wrong)} of {len(results)} tries are not as they should be (seed {seed}); "
              f"their files lie in {kept}")  # fmt: skip
    else:
        print(f"{len(results)} tries, all as they should be (seed {seed}), {time.monotonic() - start:.0f} s")
    return int(bool(wrong) or not results)


PARTS = {
    "inputs": "Number of mutated files.",
}


def _checks(
    folder: Path, work: Path, kept: Path, seed: int, asked: dict[str, int | None], only: str | None
) -> list[tuple[Check, list[Item]]]:
    """Returns functions and the items to which they are applied."""
    inputs = Inputs(folder, work / "inputs", kept, seed)
    if only is not None:
        kind, _, number = only.partition(":")
        return [(inputs.every_mutated_file_is_read_as_it_was_or_refused, [(kind, n) for n in _numbers(number)])]
    names = list(KINDS)
    count = asked["inputs"] or 0
    return [
        (
            inputs.every_mutated_file_is_read_as_it_was_or_refused,
            [(names[n % len(names)], n // len(names)) for n in range(count)],
        )
    ]


def _numbers(text: str) -> list[int]:
    return [int(text)] if text else list(range(1000))


if __name__ == "__main__":
    sys.exit(main())
