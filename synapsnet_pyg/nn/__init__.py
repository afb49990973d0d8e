"""Layers of the models, which see tensors only."""
