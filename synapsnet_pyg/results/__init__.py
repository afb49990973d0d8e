"""Results of a run: connectivity, its dynamics and graphs, as tables, files and figures."""
