"""The experiments of NetFormer's paper on systems whose wiring is known, ours beside the published numbers."""
