"""Simulated populations with known connectivity."""
