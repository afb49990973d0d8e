"""Layers: tensors only."""
