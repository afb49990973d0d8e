"""Fuzzing of the command line and the public functions: mutated files, kills, full disks, odd names, hostile files."""
