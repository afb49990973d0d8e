"""Runs the command line, as ``synapsnet`` or by ``python -m synapsnet_pyg.cli``."""

import os
import signal
import sys
from typing import NoReturn

if __name__ == "__main__" and not sys.flags.safe_path:
    del sys.path[0]  # the current folder, where anybody's files may lie

from synapsnet_pyg.processes.signals import ending_signals


def run() -> NoReturn:
    """Runs the command line and ends the process with its exit status, also by a signal during imports."""
    # PyTorch, when it is imported: large arrays in pages of 2 MB, which the system fills in a quarter of the time.
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    with ending_signals() as ending:
        try:
            from synapsnet_pyg.cli.main import main

            status = main()
        except KeyboardInterrupt:
            sys.stderr.write(f"synapsnet: {ending.reason}\n")
            status = ending.status
        handled = ending.handled
    for number in handled:
        signal.signal(number, signal.SIG_IGN)  # the end of Python is no place for an error
    sys.exit(status)


if __name__ == "__main__":
    run()
