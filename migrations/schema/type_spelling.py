"""How types and constants are spelled in canonical type text: names, values of literals, members of enums. Pure."""

import collections
import datetime
import decimal
import enum
import fractions
import ipaddress
import itertools
import keyword
import math
import pathlib
import re
import types
import typing
import unicodedata
import uuid
import zoneinfo
from collections import abc
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NewType, TypeVar, cast

import pydantic
import typing_extensions
from pydantic.types import PaymentCardNumber  # pyright: ignore[reportDeprecated]  # old records may hold one
from pydantic_core import to_jsonable_python

__all__ = [
    "ALIASES",
    "CONTAINERS",
    "KINDS",
    "NAMES",
    "OPAQUE",
    "QUALIFIERS",
    "SPELLINGS",
    "IndescribableError",
    "QuotedStr",
    "TypeText",
    "enum_text",
    "keywords",
    "literal_texts",
    "looked_up",
    "quoted",
    "with_unit",
]

T = TypeVar("T")

# Types that the codec stores as JSON, because only the types themselves are stored as plain text.
QuotedFloat = NewType("QuotedFloat", float)
QuotedInt = NewType("QuotedInt", int)
QuotedStr = NewType("QuotedStr", str)

# Texts that stand for one type.
NAMES: Final[Mapping[str, object]] = {
    "Any": typing.Any,
    "Decimal": decimal.Decimal,
    "Fraction": fractions.Fraction,
    "IPv4Address": ipaddress.IPv4Address,
    "IPv4Interface": ipaddress.IPv4Interface,
    "IPv4Network": ipaddress.IPv4Network,
    "IPv6Address": ipaddress.IPv6Address,
    "IPv6Interface": ipaddress.IPv6Interface,
    "IPv6Network": ipaddress.IPv6Network,
    "JSON[float]": QuotedFloat,
    "JSON[int]": QuotedInt,
    "JSON[str]": QuotedStr,
    "None": types.NoneType,
    "Path": pathlib.Path,
    "Pattern": re.Pattern,
    "SecretBytes": pydantic.SecretBytes,
    "SecretStr": pydantic.SecretStr,
    "UUID": uuid.UUID,
    "ZoneInfo": zoneinfo.ZoneInfo,
    "bool": bool,
    "bytes": bytes,
    "complex": complex,
    "date": datetime.date,
    "datetime": datetime.datetime,
    "datetime[aware]": pydantic.AwareDatetime,
    "datetime[naive]": pydantic.NaiveDatetime,
    "float": float,
    "int": int,
    "str": str,
    "time": datetime.time,
    "timedelta": datetime.timedelta,
}
# Containers whose parameters are types, except tuple.
CONTAINERS: Final[Mapping[str, type]] = {
    container.__name__: container for container in (collections.deque, dict, frozenset, list, set)
}
_TEMPORAL: Final = ("date", "datetime", "time", "timedelta")
# Texts whose values are read as plain JSON, because their own types would normalise, hide or refuse it.
OPAQUE: Final = frozenset(
    [
        "ByteSize",
        "Email",
        "ImportString",
        "Json",
        "NameEmail",
        "Pattern[bytes]",
    ]
    + ["PaymentCardNumber", "Secret", "Url", "float[strings]"]
    + [f"{name}[{unit}]" for name in _TEMPORAL for unit in ("milliseconds", "seconds")]
)
# The texts of each type that has a name; several are the members of a union.
SPELLINGS: Final[Mapping[object, tuple[str, ...]]] = {
    **{type_: (text,) for text, type_ in NAMES.items()},
    **dict.fromkeys((None,), ("None",)),
    **dict.fromkeys((object, abc.Hashable, pydantic.JsonValue), ("Any",)),
    **dict.fromkeys((pathlib.PosixPath, pathlib.PurePath, pathlib.PurePosixPath), ("Path",)),
    **dict.fromkeys((pydantic.FutureDate, pydantic.PastDate), ("date",)),
    **dict.fromkeys((pydantic.FutureDatetime, pydantic.PastDatetime), ("datetime",)),
    **dict.fromkeys((typing.LiteralString, typing_extensions.LiteralString), ("str",)),
    **{getattr(pydantic, text): (text,) for text in ("ByteSize", "ImportString", "Json", "NameEmail", "Secret")},
    pydantic.EmailStr: ("Email",),
    PaymentCardNumber: ("PaymentCardNumber",),  # pyright: ignore[reportDeprecated]
    pydantic.IPvAnyAddress: ("IPv4Address", "IPv6Address"),
    pydantic.IPvAnyInterface: ("IPv4Interface", "IPv6Interface"),
    pydantic.IPvAnyNetwork: ("IPv4Network", "IPv6Network"),
}
# The container that each collection is stored as.
KINDS: Final[Mapping[object, str]] = {
    **{container: text for text, container in CONTAINERS.items()},
    **dict.fromkeys((abc.Collection, abc.Generator, abc.Iterable, abc.MutableSequence, abc.Sequence), "list"),
    **dict.fromkeys((abc.MutableSet, abc.Set), "set"),
    **dict.fromkeys((abc.Mapping, abc.MutableMapping, collections.OrderedDict, collections.defaultdict), "dict"),
}
ALIASES: Final = (typing_extensions.TypeAliasType, getattr(typing, "TypeAliasType", typing_extensions.TypeAliasType))
QUALIFIERS: Final = (Final, typing_extensions.ReadOnly, typing_extensions.NotRequired, typing_extensions.Required)


@dataclass(frozen=True)
class TypeText:
    """Metadata with the text of an annotation, if the type alone does not tell it."""

    text: str


def looked_up(key: object, table: Mapping[object, T]) -> T | None:
    """Return the entry of a table for ``key``; None if there is none, or if ``key`` is not hashable."""
    try:
        return table.get(key)
    except TypeError:  # unhashable: Annotated[int, Some([1])]
        return None


def with_unit(text: str, settings: Mapping[str, object]) -> str:
    """Return ``text`` with the settings of the surrounding model that change its JSON."""
    if text == "bytes" and (form := settings.get("ser_json_bytes", "utf8")) != "base64":
        return f"bytes[{form}]"
    if text == "float" and settings.get("ser_json_inf_nan") == "strings":
        return "float[strings]"
    unit = settings.get("ser_json_temporal", "iso8601")
    if text == "timedelta" and unit == "iso8601" and settings.get("ser_json_timedelta") == "float":
        unit = "seconds"
    name = text.partition("[")[0]
    return f"{name}[{unit}]" if name in _TEMPORAL and unit != "iso8601" else text


class IndescribableError(Exception):
    """A type has no canonical text; the message says why, and ``describe`` adds the name of the field."""


def enum_text(cls: type[enum.Enum]) -> str:
    """Return the text of an enum: its members with their stored values, in order, without aliases."""
    members = [
        (name, quoted(to_jsonable_python(member.value)))
        for name, member in cls.__members__.items()
        if member.name == name
    ]
    if not members:
        raise IndescribableError(f"the enum {cls.__name__} has no members")
    return f"{'Flag' if issubclass(cls, enum.Flag) else 'Enum'}({keywords(members)})"


def literal_texts(values: Iterable[object]) -> list[str]:
    """Return the text of a literal as members of a union: its values, then None if it is one of them."""
    # Sorted: Literal['a', 'b'] equals Literal['b', 'a'], so that typing's caches give either for the other.
    stored = [to_jsonable_python(value) for value in values]
    texts = sorted({(type(value).__name__, quoted(value)) for value in stored if value is not None})
    found = [f"Literal[{', '.join(text for _, text in texts)}]"] if texts else []
    return [*found, "None"] if None in stored else found


def quoted(value: object) -> str:
    """Return the Python text of a constant, which is the same in every version of Python."""
    if isinstance(value, str):
        # repr() escapes characters that this version of Python does not know. All versions know those of Unicode 3.2.
        is_old = all(unicodedata.ucd_3_2_0.category(char) != "Cn" for char in value)
        return repr(value) if is_old else ascii(value)
    if isinstance(value, dict):
        pairs = cast(dict[object, object], value).items()
        return f"{{{', '.join(f'{quoted(key)}: {quoted(item)}' for key, item in pairs)}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(quoted, cast(list[object], value)))}]"
    if isinstance(value, float) and not math.isfinite(value):
        raise IndescribableError(f"{value!r} has no JSON form")
    return repr(value)


def keywords(pairs: Iterable[tuple[str, str]]) -> str:
    """Join names and texts as the keyword arguments of a call, in order; names that are not plain use ``**{...}``."""
    groups: list[str] = []
    for is_plain, group in itertools.groupby(pairs, key=lambda pair: _is_plain(pair[0])):
        if is_plain:
            groups += [f"{name}={text}" for name, text in group]
        else:
            groups.append(f"**{{{', '.join(f'{quoted(name)}: {text}' for name, text in group)}}}")
    return ", ".join(groups)


def _is_plain(name: str) -> bool:
    # Python would normalise non-ASCII letters, so that the name would differ from the stored one.
    return name.isascii() and name.isidentifier() and not keyword.iskeyword(name) and name != "__debug__"
