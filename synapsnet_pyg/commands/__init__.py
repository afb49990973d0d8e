"""What each command does: a typed function each, whose docstring is its help."""
