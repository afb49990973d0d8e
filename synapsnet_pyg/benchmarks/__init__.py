"""Benchmarks: many models on the same recordings, as resumable jobs."""
