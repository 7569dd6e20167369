"""Counting: how many of something there are, in words. Pure."""

__all__ = ["counted"]


def counted(count: int, one: str, more: str = "") -> str:
    """Give a count and its noun: ``1 record``, ``2,000 records``."""
    return f"{count:,} {one if count == 1 else more or one + 's'}"
