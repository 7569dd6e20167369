"""A run: segments, passes, workers, throttle, and what is recorded of it."""
