"""The functions that a developer writes into the generated migration to version 3; ``edit.py`` puts them there."""


def number(text: str) -> int | None:
    """``NA`` is what the file says where nothing is known."""
    return None if text == "NA" else int(text)


def number_text(value: int | None) -> str:
    """The way back, for values that were changed since."""
    return "NA" if value is None else str(value)
