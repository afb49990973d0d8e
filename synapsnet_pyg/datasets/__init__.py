"""Readers of recordings as sessions, one kind of recording in each file."""
