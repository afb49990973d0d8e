"""Sessions, their checks and files, and the windows that models see."""
