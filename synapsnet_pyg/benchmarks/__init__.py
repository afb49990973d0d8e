"""Benchmarks: many models on the same recordings, as jobs that are done once."""
