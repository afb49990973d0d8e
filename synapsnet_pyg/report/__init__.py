"""What a run found, as one page with its figures and tables."""
