"""Text as people may see it: what a terminal would obey instead of showing it is spelled. Pure."""

import re
from typing import Final

__all__ = ["UNSEEN", "printable"]

# What a terminal obeys instead of showing it, and what cannot be printed at all: C0, DEL and C1, marks that turn the
# direction of text, separators of lines, halves of surrogate pairs.
UNSEEN: Final = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_SHORT: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def printable(text: str) -> str:
    """Spell what a terminal would obey (``\\x1b``, ``\\n``, ``\\u202e``), and bytes that are not UTF-8 (``\\xff``)."""
    return UNSEEN.sub(_spelled, text)


def _spelled(found: re.Match[str]) -> str:
    letter, code = found[0], ord(found[0])
    if 0xDC80 <= code <= 0xDCFF:  # a byte, as surrogateescape has it
        code -= 0xDC00
    return _SHORT.get(letter) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")
