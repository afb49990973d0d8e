"""Results of a run: graphs, connectivity files and figures."""
