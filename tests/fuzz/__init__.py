"""Fuzzing of the command line and of the public functions: mutated files, kills, full disks, odd names, hostile files."""
