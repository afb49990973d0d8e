"""Simulated populations with known wiring."""
