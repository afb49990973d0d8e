"""The command line: one typed function for each command, whose docstring is its help."""

from synapsnet_pyg.cli.main import main as main
