"""Runs: training, evaluation and the folder that a fit leaves."""
