"""Recordings on disk to sessions, one kind a file."""
