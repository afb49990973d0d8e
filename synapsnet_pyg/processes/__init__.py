"""Signals that end a command, locks of folders, and child processes that end with their parent."""
