"""Text for people: passwords of URLs hidden, control characters escaped, nouns that agree with counts. Pure."""

import re
from collections.abc import Mapping
from typing import Final

__all__ = [
    "MASK",
    "NO_FOLDER",
    "UNSEEN",
    "counted",
    "has_password",
    "is_cut_short",
    "is_server",
    "masked",
    "printable",
    "redact",
]

MASK: Final = "***"
NO_FOLDER: Final = "embedded: takes a folder, not the URL of a server; remove one of the two"
_SERVERS: Final = ("redis", "rediss", "valkey", "valkeys", "redis+cluster", "redis+sentinel", "rediss+cluster")
_SCHEMES: Final = frozenset(
    [*_SERVERS, "rediss+sentinel", "valkey+cluster", "valkey+sentinel", "unix", "http", "https"]
)
_FOREIGN: Final = frozenset(
    ["http", "https", "postgres", "postgresql", "mysql", "mongodb", "amqp", "amqps", "ftp", "sftp", "ssh", "kafka"]
)
_HOST: Final = re.compile(r"(?:\[[0-9A-Fa-f:.%]+\]|[\w.-]+)(?::[0-9]{1,5})?")
_NUMBER: Final = re.compile(r"/[0-9]{0,5}")
_FILE: Final = re.compile(r"/[^:\s]*")
_PLAIN: Final = re.compile(r"[\w./-]*(?::[0-9]{1,5})?(?:/[0-9]{0,5})?")  # no scheme: a host, a path
_OPTIONS: Final[Mapping[str, re.Pattern[str]]] = {
    **dict.fromkeys(("db", "max_connections", "protocol", "health_check_interval"), re.compile(r"[0-9]{1,6}")),
    **dict.fromkeys(("socket_timeout", "socket_connect_timeout"), re.compile(r"[0-9.]{1,8}")),
    **dict.fromkeys(
        ("decode_responses", "socket_keepalive", "retry_on_timeout"), re.compile(r"(?i:true|false|yes|no|[01])")
    ),
}
_SECRET_OPTION: Final = re.compile(r"pass|user|auth|token|secret|key", re.IGNORECASE)
_TOKEN: Final = re.compile(r"([(\[{<,;]*)([^\s'\"]+)")
_CLOSING: Final = re.compile(r"[)\]}>,;:.!*]*\Z")
_IN_QUERY: Final = re.compile(r"((?:password|username)=)[^\s&#'\"]+", re.IGNORECASE)


def redact(text: str) -> str:
    """Hide the passwords of all URLs in ``text``; a URL ends at the next blank or quote."""
    return _IN_QUERY.sub(rf"\1{MASK}", _TOKEN.sub(_masked_token, text))


def masked(url: str) -> str:
    """Give ``url`` without any part that may be a password, whatever characters that contains."""
    scheme, mark, rest = url.partition("://")
    if not mark or scheme == "embedded":
        return _without_scheme(url)
    if scheme.lower() not in _SCHEMES:
        return f"{MASK}://{MASK}"
    shown = _shown(scheme, rest)
    return f"{scheme}://{MASK if shown is None else shown}"


def is_server(folder: str) -> bool:
    """Whether the text after ``embedded:`` is the URL of a server and not a folder."""
    scheme, colon, rest = folder.removeprefix("//").partition(":")
    return bool(colon) and (rest.startswith("//") or "://" in rest or "@" in rest or scheme.lower() in _SCHEMES)


def has_password(url: str) -> bool:
    """Whether a URL may hold a password: it is not shown whole."""
    return MASK in masked(url)


def is_cut_short(url: str) -> bool:
    """Whether redis-py would take part of a password for a host, a port or an option, and quote it in an error."""
    scheme, _, rest = url.partition("://")
    head, sign, tail = _cut(rest)
    if sign == "?" and "@" in tail:
        names = [part.partition("=")[0] for part in tail.split("&")]
        return not any(_SECRET_OPTION.search(name) for name in names)
    return (sign == "#" and "@" in tail) or (scheme.lower() != "unix" and "@" in head.partition("/")[2])


def _without_scheme(text: str) -> str:
    kind, colon, rest = text.partition(":")
    if kind == "embedded" and colon:
        return f"embedded:{MASK}" if is_server(rest) else text
    if _PLAIN.fullmatch(text) and (text == "localhost" or set(text) & set(".:/")):
        return text
    return f"{kind}:{MASK}" if colon and kind.lower() in _SCHEMES else MASK


def _shown(scheme: str, rest: str) -> str | None:
    """Give the part after the scheme that may be shown; None if nothing may."""
    head, sign, tail = _cut(rest)
    if "@" in tail or (sign == "#" and tail):
        return None  # the ? or # may be part of a password
    is_file = scheme == "unix" and rest.startswith("/")
    _, at_sign, where = ("", "", head) if is_file else head.rpartition("@")  # a user may be the beginning of a password
    place = re.match(r"([^/]*)(.*)", where, re.DOTALL)
    host, path = (place[1], place[2]) if place else ("", "")
    if scheme == "unix":
        if host or not _FILE.fullmatch(path):
            return None
    elif not all(_HOST.fullmatch(host_name) for host_name in host.split(",")) or not (
        path == "" or _NUMBER.fullmatch(path)
    ):
        return None
    return f"{f'{MASK}@' if at_sign else ''}{where}{_query(sign, tail)}"


def _cut(rest: str) -> tuple[str, str, str]:
    """Cut a URL at its first ? or #."""
    found = re.search(r"[?#]", rest)
    return (rest, "", "") if found is None else (rest[: found.start()], found[0], rest[found.end() :])


def _query(sign: str, tail: str) -> str:
    pairs = [part.partition("=") for part in tail.split("&")] if tail else []
    is_known = all(name in _OPTIONS and _OPTIONS[name].fullmatch(value) for name, _, value in pairs)
    return f"{sign}{tail}" if is_known else f"{sign}{MASK}"


def _masked_token(match: re.Match[str]) -> str:
    opening, token = match[1], match[2]
    if "://" not in token:
        return match[0]
    closing = _CLOSING.search(token)
    end = closing.start() if closing else len(token)
    url, rest = token[:end], token[end:]
    scheme, _, tail = url.partition("://")
    if scheme.lower() in ("http", "https") or scheme.lower() not in _SCHEMES:
        # Web pages, and other databases: only user and password are hidden.
        shown = scheme if scheme.lower() in _FOREIGN else MASK  # a password may have :// in it, too
        token = re.sub(r".*://.*@", f"{shown}://{MASK}@", url) + rest if "@" in tail else token
        return opening + token
    return opening + masked(url) + rest


# Characters that control a terminal, or cannot be printed: C0, DEL and C1, marks that change the direction of text,
# line separators, surrogates.
UNSEEN: Final = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")

_SHORT: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def printable(text: str) -> str:
    """Escape control characters (``\\x1b``, ``\\n``, ``\\u202e``), and bytes that are not UTF-8 (``\\xff``)."""
    return UNSEEN.sub(_spelled, text)


def _spelled(found: re.Match[str]) -> str:
    letter, code = found[0], ord(found[0])
    if 0xDC80 <= code <= 0xDCFF:  # a byte, as surrogateescape has it
        code -= 0xDC00
    return _SHORT.get(letter) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")


def counted(count: int, singular: str, plural: str = "") -> str:
    """Give a count and its noun: ``1 record``, ``2,000 records``."""
    return f"{count:,} {singular if count == 1 else plural or singular + 's'}"
