"""Runs: training, evaluation and the folder of a fit."""
