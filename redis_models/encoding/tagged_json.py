"""Tagged JSON: for values that would not read back equal from plain JSON. Pure.

It begins with a tilde, which is not JSON. After that comes JSON in which a value of another type is an object with
exactly one key, the name of its type: ``~[{"date": "2020-01-01"}, {"tuple": [1, 2]}]``. A dict whose keys are text
stays an object, unless it has exactly one key; every other dict is ``{"dict": [[key, value], ...]}``.
"""

import base64
import json
import math
import re
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from pathlib import Path, PosixPath, PurePosixPath, PureWindowsPath, WindowsPath
from typing import Any, Final, cast
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import SecretBytes, SecretStr, networks

from .limits import UNREADABLE, Limits, bounded_decimal, bounded_fraction

__all__ = ["MARK", "dump", "load", "sort_members"]

MARK: Final = b"~"
# Two surrogates side by side that are separate in the text; JSON would read them as one character.
_HALVES: Final = re.compile("(?<=[\ud800-\udbff])(?=[\udc00-\udfff])")
_Unwrap = Callable[[object], object]


def dump(value: object, unwrap: _Unwrap) -> bytes:
    """Write a value.

    Args:
        value: A value of JSON's types and of the types that have a tag here; not of their subclasses.
        unwrap: Gives what to write in place of a value of any other type, or raises ``TypeError``.

    Raises:
        TypeError: The value contains one that cannot be written.
        ValueError: The value contains itself, or is nested too deeply.
    """
    try:
        return MARK + json.dumps(_tree(value, unwrap)).encode()
    except RecursionError as exc:
        raise ValueError("it contains itself, or is nested too deeply") from exc


def load(raw: bytes, limits: Limits | None = None) -> object:
    """Read what ``dump`` wrote.

    Args:
        raw: Tagged JSON.
        limits: The limits of the type to read; None for any type.

    Raises:
        ValueError: It is not tagged JSON, contains a tag that is unknown or over the limits, or a number that is too
            long.
    """
    if not raw.startswith(MARK):
        raise ValueError(f"tagged JSON begins with {MARK!r}")
    try:
        if limits is not None and not limits.is_open:
            limits.check(json.loads(raw[1:]), _NAMES)  # before any value is made of a tag
        return cast(object, json.loads(raw[1:], object_hook=_read_tag))
    except UNREADABLE as exc:
        raise ValueError(f"it is not tagged JSON: {exc}") from exc


def sort_members(members: Iterable[object]) -> list[object]:
    """Sort the JSON of a set's members, so that equal sets are stored as equal bytes."""
    members_list = list(members)
    kinds = {type(item) for item in members_list}
    return sorted(cast("list[Any]", members_list), key=None if kinds <= {int} or kinds <= {str} else json.dumps)


def _tree(value: object, unwrap: _Unwrap) -> object:
    kind = type(value)
    if value is None or kind is bool or kind is int:
        return value
    if kind is str:
        return _text(cast(str, value))
    if kind is float:
        return value if math.isfinite(cast(float, value)) else {"float": repr(value)}
    if kind is list:
        return [_tree(item, unwrap) for item in cast("list[object]", value)]
    if kind is dict:
        return _mapping(cast("dict[object, object]", value), unwrap)
    if kind in _COLLECTIONS:
        return {kind.__name__: _COLLECTIONS[kind](value, unwrap)}
    if kind in _SCALARS:
        name, write = _SCALARS[kind]
        return {name: write(value)}
    return _tree(unwrap(value), unwrap)


def _text(text: str) -> object:
    return text if text.isascii() or not _HALVES.search(text) else {"str": _HALVES.split(text)}


def _mapping(value: Mapping[object, object], unwrap: _Unwrap) -> object:
    if len(value) != 1 and all(type(key) is str and type(_text(key)) is str for key in value):
        return {key: _tree(member, unwrap) for key, member in value.items()}
    return {"dict": _pairs(value, unwrap)}


def _pairs(value: Mapping[object, object], unwrap: _Unwrap) -> object:
    return [[_tree(key, unwrap), _tree(member, unwrap)] for key, member in value.items()]


def _items(value: Iterable[object], unwrap: _Unwrap) -> list[object]:
    return [_tree(item, unwrap) for item in value]


def _members(value: Iterable[object], unwrap: _Unwrap) -> object:
    return sort_members(_items(value, unwrap))


def _read_tag(tree: dict[str, object]) -> object:
    if len(tree) != 1:
        return tree
    [(name, inner)] = tree.items()
    if name not in _READERS:
        raise ValueError(f"it is not tagged JSON: unknown tag {name!r}")
    if isinstance(inner, (IPv4Network, IPv6Network)):  # a container would be made of all its addresses
        raise ValueError(f"it is not tagged JSON: a {name} of a network")
    return _READERS[name](inner)


def _write_time(value: time) -> object:
    if isinstance(value.tzinfo, ZoneInfo):  # its offset is not known without a date
        return [value.isoformat(), value.tzinfo.key]
    return value.isoformat()


def _read_time(inner: str | list[str]) -> time:
    if isinstance(inner, str):
        return time.fromisoformat(inner)
    text, zone = inner
    return time.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


def _list_of(inner: object) -> list[Any]:
    """Check that a collection is written as a JSON list. A network is refused: it would give all its addresses."""
    if not isinstance(inner, list):
        raise ValueError(f"it is not tagged JSON: expected a list, got {type(inner).__name__}")
    return cast("list[Any]", cast(object, inner))


def _read_pairs(inner: object) -> dict[Any, Any]:
    return dict(map(_list_of, _list_of(inner)))


def _make_set(kind: Callable[[list[object]], object], members: list[object]) -> object:
    try:
        return kind(members)
    except TypeError:  # the dict of an object cannot be hashed; pydantic makes the set from the list later
        return members


def _write_bytes(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _by_name(kind: Any) -> tuple[str, Callable[[Any], object]]:
    return kind.__name__, str


_COLLECTIONS: Final[Mapping[type, Callable[[Any, _Unwrap], object]]] = {
    Counter: _pairs,
    OrderedDict: _pairs,
    deque: lambda value, unwrap: [_items(value, unwrap), value.maxlen],
    frozenset: _members,
    set: _members,
    tuple: _items,
}
# Types that are made again from their text.
_BY_TEXT: Final[tuple[Any, ...]] = (
    Decimal,
    Fraction,
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
    PurePosixPath,
    PureWindowsPath,
    UUID,
    ZoneInfo,
    *(getattr(networks, name) for name in networks.__all__ if name.endswith(("Dsn", "Url"))),
)
_SCALARS: Final[Mapping[type, tuple[str, Callable[[Any], object]]]] = {
    **{kind: _by_name(kind) for kind in _BY_TEXT},
    PosixPath: ("Path", str),
    SecretBytes: ("SecretBytes", lambda value: _write_bytes(value.get_secret_value())),
    SecretStr: ("SecretStr", lambda value: _text(value.get_secret_value())),
    WindowsPath: ("Path", str),
    bytearray: ("bytearray", _write_bytes),
    bytes: ("bytes", _write_bytes),
    complex: ("complex", lambda value: [repr(value.real), repr(value.imag)]),
    date: ("date", date.isoformat),
    datetime: ("datetime", datetime.isoformat),
    time: ("time", _write_time),
    timedelta: ("timedelta", lambda value: [value.days, value.seconds, value.microseconds]),
}
_READERS: Final[Mapping[str, Callable[[Any], object]]] = {
    **{kind.__name__: kind for kind in _BY_TEXT},
    "Decimal": bounded_decimal,
    "Fraction": bounded_fraction,
    "Counter": lambda inner: Counter(_read_pairs(inner)),
    "OrderedDict": lambda inner: OrderedDict(_read_pairs(inner)),
    "Path": Path,
    "SecretBytes": lambda inner: SecretBytes(base64.b64decode(inner, validate=True)),
    "SecretStr": lambda inner: SecretStr(inner if type(inner) is str else "".join(_list_of(inner))),
    "bytearray": lambda inner: bytearray(base64.b64decode(inner, validate=True)),
    "bytes": lambda inner: base64.b64decode(inner, validate=True),
    "complex": lambda inner: complex(float(inner[0]), float(inner[1])),
    "date": date.fromisoformat,
    "datetime": datetime.fromisoformat,
    "deque": lambda inner: deque(_list_of(inner[0]), inner[1]),
    "dict": _read_pairs,
    "float": float,
    "frozenset": lambda inner: _make_set(frozenset, _list_of(inner)),
    "set": lambda inner: _make_set(set, _list_of(inner)),
    "str": lambda inner: "".join(_list_of(inner)),
    "time": _read_time,
    "timedelta": lambda inner: timedelta(*_list_of(inner)),
    "tuple": lambda inner: tuple(_list_of(inner)),
}
_NAMES: Final = frozenset(_READERS)
