"""Readers of formats: what a file or a folder holds, as a recording, one small reader a format."""
