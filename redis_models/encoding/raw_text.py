"""Names and keys as text: bytes that are not UTF-8 become lone surrogates, and go back as they came. Pure.

Redis stores bytes, and Python code names fields and keys by ``str``. Every module that turns one into the other does so
here, so that a key of any bytes is found again.
"""

from typing import Final

__all__ = ["bytes_of", "text_of"]

_ERRORS: Final = "surrogateescape"


def text_of(raw: bytes) -> str:
    """Give stored bytes as text."""
    return raw.decode("utf-8", _ERRORS)


def bytes_of(text: str) -> bytes:
    """Give the bytes that ``text_of`` made a text of."""
    return text.encode("utf-8", _ERRORS)
