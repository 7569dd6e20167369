"""What a run has to do, and whether it is safe. Pure."""
