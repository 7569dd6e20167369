"""Queries: records found by indexes, judged, and given, changed or deleted, as generators of round trips."""
