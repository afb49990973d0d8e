"""Estimators of connectivity that need no training, one a file."""
