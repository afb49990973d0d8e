"""Estimators of connectivity that need no training, each in a file of its own."""
