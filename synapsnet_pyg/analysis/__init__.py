"""Analyses of a connectivity: significance, perturbations, groups, distance, states."""
