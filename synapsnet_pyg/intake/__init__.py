"""From what a reader finds in a file to bins: clocks, gaps, behaviours, identity and choice of neurons."""
