"""Which annotations are sure to read back what was written, so that writing need not look. Pure."""

import collections
import enum
import ipaddress
import pathlib
import types
import uuid
from collections import abc
from datetime import date, timedelta
from typing import Any, Final, Literal, Union, get_args, get_origin

__all__ = ["is_exact"]

_KEYS: Final = (str, int, bool, date, uuid.UUID)
_SCALARS: Final = frozenset(
    [
        *_KEYS,
        float,
        ipaddress.IPv4Address,
        ipaddress.IPv4Interface,
        ipaddress.IPv4Network,
        ipaddress.IPv6Address,
        ipaddress.IPv6Interface,
        ipaddress.IPv6Network,
        pathlib.Path,
        timedelta,
        types.NoneType,
        # Theirs is to be whatever JSON makes of the value: a tuple in Any comes back as a list, as everywhere else.
        Any,
        object,
    ]
)
_COLLECTIONS: Final = frozenset([collections.deque, frozenset, list, set, tuple, abc.Sequence])
_MAPPINGS: Final = frozenset([dict, abc.Mapping])


def is_exact(annotation: object) -> bool:
    """Whether every value of ``annotation`` reads back as itself from its JSON form.

    Unions do not, as a rule (text that looks like a date), nor models with serializers, secrets, or key types that JSON
    has to spell. Not sure is False.
    """
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        members = [one for one in arguments if one is not types.NoneType]
        return len(members) == 1 and is_exact(members[0])
    if origin is Literal:
        return all(type(one) in (str, int, bool, types.NoneType) for one in arguments)
    if origin in _MAPPINGS:
        return arguments[0] in _KEYS and is_exact(arguments[1])
    if origin in _COLLECTIONS:
        return all(one is ... or is_exact(one) for one in arguments)
    if origin is None and isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return all(type(one.value) in (str, int) for one in annotation)
    return annotation in (*_SCALARS, *_COLLECTIONS, *_MAPPINGS)
