"""Figures by theme, each drawn by one function on given Axes."""
