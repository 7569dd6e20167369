"""The functions that a developer writes into the generated migration to version 3; ``edit.py`` puts them there."""

from datetime import time


def number(text: str) -> int | None:
    """``NA`` is what the file says where nothing is known."""
    return None if text == "NA" else int(text)


def number_text(value: int | None) -> str:
    """The way back, for values that were changed since."""
    return "NA" if value is None else str(value)


def clock(text: str) -> time | None:
    """``517`` is 5:17, and ``2400`` is midnight."""
    return None if text == "NA" else time(int(text) // 100 % 24, int(text) % 100)


def clock_text(value: time | None) -> str:
    """The way back, for values that were changed since."""
    return "NA" if value is None else str(100 * value.hour + value.minute)


def known(text: str) -> str | None:
    """A tail number, if there is one."""
    return None if text == "NA" else text


def known_text(value: str | None) -> str:
    """The way back, for values that were changed since."""
    return value or "NA"
