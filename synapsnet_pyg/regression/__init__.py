"""Least squares and shrinkage: the linear solutions that estimators and models start from."""
