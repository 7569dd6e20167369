"""Which types have a name in canonical type text, and how each is spelled there. Pure."""

import collections
import datetime
import decimal
import fractions
import ipaddress
import pathlib
import re
import types
import typing
import uuid
import zoneinfo
from collections import abc
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NewType, TypeVar

import pydantic
import typing_extensions
from pydantic.types import PaymentCardNumber  # pyright: ignore[reportDeprecated]  # old records may hold one

__all__ = [
    "ALIASES",
    "CONTAINERS",
    "KINDS",
    "NAMES",
    "OPAQUE",
    "QUALIFIERS",
    "SPELLINGS",
    "QuotedStr",
    "TypeText",
    "looked_up",
    "with_unit",
]

T = TypeVar("T")

# What the codec writes as JSON, because it is not spelled as the type that is plain text.
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
# Containers whose parameters are types; tuple is apart.
CONTAINERS: Final[Mapping[str, type]] = {one.__name__: one for one in (collections.deque, dict, frozenset, list, set)}
_TEMPORAL: Final = ("date", "datetime", "time", "timedelta")
# Texts whose values are read back as the JSON that they are, because their own type would normalise, hide or refuse it.
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
    **{one: (text,) for text, one in NAMES.items()},
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
    **{one: text for text, one in CONTAINERS.items()},
    **dict.fromkeys((abc.Collection, abc.Generator, abc.Iterable, abc.MutableSequence, abc.Sequence), "list"),
    **dict.fromkeys((abc.MutableSet, abc.Set), "set"),
    **dict.fromkeys((abc.Mapping, abc.MutableMapping, collections.OrderedDict, collections.defaultdict), "dict"),
}
ALIASES: Final = (typing_extensions.TypeAliasType, getattr(typing, "TypeAliasType", typing_extensions.TypeAliasType))
QUALIFIERS: Final = (Final, typing_extensions.ReadOnly, typing_extensions.NotRequired, typing_extensions.Required)


@dataclass(frozen=True)
class TypeText:
    """Metadata of an annotation whose text its type cannot say."""

    text: str


def looked_up(key: object, table: Mapping[object, T]) -> T | None:
    """Give what the table has for ``key``, or None where it has nothing or ``key`` has no hash."""
    try:
        return table.get(key)
    except TypeError:  # unhashable: Annotated[int, Some([1])]
        return None


def with_unit(text: str, settings: Mapping[str, object]) -> str:
    """Add what the surrounding model's configuration changes in the JSON of ``text``."""
    if text == "bytes" and (form := settings.get("ser_json_bytes", "utf8")) != "base64":
        return f"bytes[{form}]"
    if text == "float" and settings.get("ser_json_inf_nan") == "strings":
        return "float[strings]"
    unit = settings.get("ser_json_temporal", "iso8601")
    if text == "timedelta" and unit == "iso8601" and settings.get("ser_json_timedelta") == "float":
        unit = "seconds"
    name = text.partition("[")[0]
    return f"{name}[{unit}]" if name in _TEMPORAL and unit != "iso8601" else text
