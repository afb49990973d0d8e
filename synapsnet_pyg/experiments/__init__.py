"""Experiments of NetFormer's paper on systems whose wiring is known, with our numbers beside the published ones."""
