"""How stored bytes of each kind become bytes whose order is the order of the values. Pure.

The server does the same, byte for byte, in ``lua/entry*.lua``. Bytes that are not spelled as the library spells a value
of the kind give None. Bytes that only look like one, as a 30th of February does, may give something; no value is found
by it.
"""

import math
import re
from collections.abc import Callable, Mapping
from typing import Final

from .definitions import Kind

__all__ = ["ENCODERS", "NAN", "SPANS", "moment_span", "text_of", "text_of_json"]

NAN: Final = b"z"
# The range of all entries of a kind that have an order, NaN left out: its first, and its excluded end.
SPANS: Final[Mapping[Kind, tuple[bytes, bytes]]] = {
    "int": (b"#", b"{"),
    "jint": (b"#", b"{"),
    "float": (b"a", b"r"),
    "decimal": (b"m", b"q"),
    "bool": (b"0", b"2"),
    "str": (b"=", b">"),
    "jstr": (b"=", b">"),
    "date": (b"0", b":"),
    "datetime": (b"n", b"u"),
    "uuid": (b"0", b"g"),
}
_NULLS: Final = frozenset({b"None", b"null"})
_LONGEST_NUMBER: Final = 4300  # characters; Python's int() reads no more digits
_FEW_DIGITS: Final = 40  # as many as one byte tells, from ( to x around O and Q
_NINES: Final = bytes.maketrans(b"0123456789", b"9876543210")
_INT: Final = re.compile(rb"0|-?[1-9][0-9]*")
_FLOAT: Final = re.compile(rb"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]{1,4})?")
_SPECIAL_FLOATS: Final[Mapping[bytes, bytes]] = {
    b"-inf": b"a",
    b"-Infinity": b"a",  # as JSON spells it
    b"inf": b"q",
    b"Infinity": b"q",
    b"nan": NAN,
    b"NaN": NAN,
}
# No longer exponent: a Lua number holds 15 digits for certain.
_DECIMAL: Final = re.compile(rb'"(-?)(0|[1-9][0-9]*)(?:\.([0-9]+))?(?:E([-+](?:0|[1-9][0-9]{0,14})))?"')
_BOOLS: Final[Mapping[bytes, bytes]] = {b"false": b"0", b"true": b"1"}
_DATE: Final = re.compile(rb'"[0-9]{4}-[01][0-9]-[0-3][0-9]"')
_DATETIME: Final = re.compile(
    rb'"(?P<local>(?P<year>[0-9]{4})-(?P<month>[01][0-9])-(?P<day>[0-3][0-9])'
    rb"T(?P<hour>[0-2][0-9]):(?P<minute>[0-5][0-9])(?P<rest>:[0-5][0-9](?P<fraction>\.[0-9]{6})?))"
    rb'(?P<zone>Z|(?P<sign>[-+])(?P<hours>[0-2][0-9]):(?P<minutes>[0-5][0-9]))?"'
)
_UTC: Final = frozenset({b"Z", b"+00:00"})
_DAY: Final = 1440  # minutes
_UUID: Final = re.compile(rb'"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"')
_ESCAPED_NONE: Final = re.compile(rb"\\+None")
_JSON_TEXT: Final = re.compile(rb'"(?:[^"\\]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"', re.DOTALL)
_JSON_ESCAPE: Final = re.compile(
    rb"\\(?:u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|(.))", re.DOTALL
)
_JSON_IN_JSON: Final = re.compile(rb'[ \t\n\r]*".*"[ \t\n\r]*', re.DOTALL)
_LETTERS: Final[Mapping[bytes, bytes]] = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t"}


def moment_span(text: bytes) -> tuple[bytes, bytes]:
    """Give the range of the moments that compare with the one of an entry: those with a time zone, or those without."""
    return (b"n", b"o") if text.startswith(b"n") else (b"t", b"u")


def text_of(raw: bytes, is_optional: bool) -> bytes:
    """Give the text that stored bytes other than those of None stand for."""
    return raw[1:] if is_optional and raw.startswith(b"\\") and _ESCAPED_NONE.fullmatch(raw) else raw


def text_of_json(raw: bytes, is_optional: bool) -> bytes | None:
    """Give the text of a JSON string; None for what is none, or what the codec may read as another one.

    For an enum without such a member, it reads text within the text as pydantic-aioredis wrote it, and None.
    """
    if raw[:1] != b'"' or (b"\\" not in raw and raw.find(b'"', 1) != len(raw) - 1):
        return None
    text = raw[1:-1]
    if b"\\" in raw:
        if not _JSON_TEXT.fullmatch(raw):
            return None
        text = _JSON_ESCAPE.sub(_unescaped, text)
        if _JSON_IN_JSON.fullmatch(text):
            return None
    return None if is_optional and text in _NULLS else text


def _unescaped(escape: re.Match[bytes]) -> bytes:
    high, low, unit, letter = escape.groups()
    if high is not None:
        return chr(0x10000 + (int(high, 16) - 0xD800) * 0x400 + int(low, 16) - 0xDC00).encode()
    if unit is not None:
        return chr(int(unit, 16)).encode("utf-8", "surrogatepass")
    return _LETTERS.get(letter, letter)


def _encode_int(raw: bytes) -> bytes | None:
    return _of_whole(raw) if len(raw) <= _LONGEST_NUMBER and _INT.fullmatch(raw) else None


def _of_whole(raw: bytes) -> bytes:
    """Encode the digits of a whole number: first how many there are, which decides."""
    if not raw.startswith(b"-"):
        count = len(raw)
        return (b"%c" % (80 + count) if count <= _FEW_DIGITS else b"z%06d" % count) + raw
    count = len(raw) - 1
    head = b"%c" % (80 - count) if count <= _FEW_DIGITS else b"#" + (b"%06d" % count).translate(_NINES)
    return head + raw[1:].translate(_NINES)


def _encode_float(raw: bytes) -> bytes | None:
    if raw in _SPECIAL_FLOATS:
        return _SPECIAL_FLOATS[raw]
    if len(raw) > _LONGEST_NUMBER or not _FLOAT.fullmatch(raw):
        return None
    value = float(raw)
    if not value:
        return b"o"
    if math.isinf(value):
        return None
    text = f"{value:.14e}"  # not the shortest that reads back, which C does not give
    if float(text) != value:
        text = f"{value:.16e}"
    mantissa, _, power = text.lstrip("-").partition("e")
    digits = mantissa.replace(".", "").rstrip("0").encode()
    if value < 0:
        return b"m%03d%b~" % (400 - int(power), digits.translate(_NINES))
    return b"p%03d%b" % (int(power) + 400, digits)


def _encode_decimal(raw: bytes) -> bytes | None:
    found = _DECIMAL.fullmatch(raw) if len(raw) <= _LONGEST_NUMBER else None
    if found is None:
        return None
    sign, whole, fraction, exponent = found.groups(b"")
    digits = (whole + fraction).lstrip(b"0")
    if not digits:
        return b"o"
    power = int(exponent or b"0") + len(digits) - len(fraction) - 1
    digits = digits.rstrip(b"0")
    if sign:
        return b"m" + _of_whole(b"%d" % -power) + digits.translate(_NINES) + b"~"
    return b"p" + _of_whole(b"%d" % power) + digits


def _encode_date(raw: bytes) -> bytes | None:
    return raw[1:-1] if _DATE.fullmatch(raw) else None


def _encode_datetime(raw: bytes) -> bytes | None:
    found = _DATETIME.fullmatch(raw)
    if found is None or found["fraction"] == b".000000":
        return None
    if not found["zone"]:
        return b"n" + found["local"]
    if found["zone"] in _UTC:
        return b"t" + found["local"]
    return _in_utc(found)


def _in_utc(found: re.Match[bytes]) -> bytes | None:
    """Encode a moment of another time zone; in UTC it may lie in the year 0, or in 10000."""
    year, month, day, hour, minute = (int(found[name]) for name in ("year", "month", "day", "hour", "minute"))
    ahead = int(found["hours"]) * 60 + int(found["minutes"])
    if not (year and 0 < month <= 12 and 0 < day <= _days(year, month) and hour < 24 and ahead < _DAY):
        return None
    minutes = hour * 60 + minute + (ahead if found["sign"] == b"-" else -ahead)
    if minutes < 0:
        minutes, day = minutes + _DAY, day - 1
        if not day:
            year, month = (year, month - 1) if month > 1 else (year - 1, 12)
            day = _days(year, month)
    elif minutes >= _DAY:
        minutes, day = minutes - _DAY, day + 1
        if day > _days(year, month):
            year, month, day = (year, month + 1, 1) if month < 12 else (year + 1, 1, 1)
    years = b"%04d" % year if year < 10_000 else b":000"  # the byte behind the digit 9
    return b"t%b-%02d-%02dT%02d:%02d%b" % (years, month, day, *divmod(minutes, 60), found["rest"])


def _days(year: int, month: int) -> int:
    if month != 2:
        return 30 if month in (4, 6, 9, 11) else 31
    return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28


def _encode_uuid(raw: bytes) -> bytes | None:
    return raw[1:-1] if _UUID.fullmatch(raw) else None


# Of the kinds but text, without None.
ENCODERS: Final[Mapping[Kind, Callable[[bytes], bytes | None]]] = {
    "int": _encode_int,
    "jint": _encode_int,
    "float": _encode_float,
    "decimal": _encode_decimal,
    "bool": _BOOLS.get,
    "date": _encode_date,
    "datetime": _encode_datetime,
    "uuid": _encode_uuid,
}
