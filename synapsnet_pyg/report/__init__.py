"""A fitted run as one page of figures, tables and plain sentences."""
