"""What a connectivity says, as tables."""
