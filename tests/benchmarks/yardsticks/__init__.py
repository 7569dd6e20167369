"""Yardsticks: libraries that store records, each in a module of its own; and ours, behind the same calls."""
