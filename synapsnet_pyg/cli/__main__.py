"""Runs the command line by ``python -m synapsnet_pyg.cli``."""

import sys

from synapsnet_pyg.cli.main import main

sys.exit(main())
