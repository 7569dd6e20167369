"""Hide the passwords of URLs in what people get to see."""

import re
from typing import Final
from urllib.parse import urlsplit

__all__ = ["masked", "redact"]

# The password reaches to the last @: one that was not percent-encoded may itself hold a slash, a colon or an @.
_IN_TEXT: Final = re.compile(r"(://[^\s/:@'\"]*):[^\s'\"]*@")
_IN_URL: Final = re.compile(r"(://[^:/?#]*):.*@", re.DOTALL)
_IN_QUERY: Final = re.compile(r"([?&]\w*password=)[^\s&#'\"]+", re.IGNORECASE)
_TO_THE_NEXT: Final = re.compile(r"([?&]\w*password=)[^&]*", re.IGNORECASE)


def redact(text: str) -> str:
    """Hide the passwords of all URLs in ``text``; each ends at the next blank or quote."""
    return _IN_QUERY.sub(r"\1***", _IN_TEXT.sub(r"\1:***@", text))


def masked(url: str) -> str:
    """Give ``url``, which is nothing else, without its password, whatever characters that holds."""
    shown = _TO_THE_NEXT.sub(r"\1***", _IN_URL.sub(r"\1:***@", url))
    return shown if _has_plain_port(shown) else shown.partition("://")[0] + "://***"


def _has_plain_port(url: str) -> bool:
    """Whether what stands after the host is a port: else it may be a password in a URL without a user or host."""
    try:
        return (urlsplit(url).port or 0) >= 0
    except ValueError:
        return False
