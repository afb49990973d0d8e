"""Time and memory of the test of all edges of a recording.

    python benchmarks/significance.py --neurons 1000 --bins 30000

The recording is independent noise, since neither time nor memory depends on the activity. Peak memory is that of the
whole process, the recording and the imports included.
"""

import argparse
import resource
import time

import torch

from synapsnet_pyg import Session, edge_significance


def main() -> None:
    """Tests the edges and prints one line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--neurons", type=int, default=1000, help="number of neurons N")
    parser.add_argument("--bins", type=int, default=30_000, help="number of bins T")
    parser.add_argument("--threads", type=int, default=2, help="number of threads")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    activity = torch.randn(given.neurons, given.bins, generator=torch.Generator().manual_seed(0))
    session = Session(activity, bin_size=0.03).standardise()
    start = time.monotonic()
    edges = edge_significance(session)
    seconds = time.monotonic() - start
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    called = int(edges.edges(0.05).sum())
    print(f"{given.neurons} neurons, {given.bins} bins, {len(edges.kernel)} lag(s): {seconds:.1f} s, {memory:.2f} GiB")
    print(f"{called} of {edges.tested} pairs of independent neurons called at 5 %")


if __name__ == "__main__":
    main()
