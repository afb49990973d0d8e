"""The command line: one typed function for each command, whose docstring is its help."""
