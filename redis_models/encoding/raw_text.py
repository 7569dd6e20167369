"""Names and keys as text: bytes that are not UTF-8 become unpaired surrogates, and become the same bytes again. Pure.

Redis stores bytes; Python code uses ``str`` for names of fields and keys. Every module converts them here, so that a
key of any bytes can be read and written.
"""

from typing import Final

__all__ = ["bytes_of", "text_of"]

_ERRORS: Final = "surrogateescape"


def text_of(raw: bytes) -> str:
    """Give stored bytes as text."""
    return raw.decode("utf-8", _ERRORS)


def bytes_of(text: str) -> bytes:
    """Give the bytes that ``text_of`` turned into text."""
    return text.encode("utf-8", _ERRORS)
