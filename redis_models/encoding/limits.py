"""Limits: which documents a type may be read from, and how large, checked before any value is computed. Pure.

Data in Redis is untrusted input. ``Fraction("1e9999999")`` computes for minutes, a list of ``0.0.0.0/0`` has four
thousand million items, and long regular expressions with a ``|`` are compared letter by letter. So a document is first
compared with the type of its field: a tag that the type does not write is refused, and numbers and patterns are
bounded.
"""

import dataclasses
import enum
import re
import types
import typing
from collections import Counter, OrderedDict, deque
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any, Final, Literal, NamedTuple, Union, cast, get_args, get_origin
from uuid import UUID

from pydantic import BaseModel, RootModel
from typing_extensions import is_typeddict

__all__ = [
    "DIGITS",
    "PATTERN",
    "UNREADABLE",
    "Limits",
    "bounded_decimal",
    "bounded_fraction",
    "holds_network",
    "refuse_endless",
]

DIGITS: Final = 4300  # of a number, the limit of Python's own int()
PATTERN: Final = 65_536  # characters of a regular expression
# What classes of values, and validators of an application, raise for input that they cannot use.
UNREADABLE: Final = (ArithmeticError, AttributeError, LookupError, OSError, RecursionError, TypeError)
_FRACTION: Final = re.compile(r"[-+]?[0-9]+(/[0-9]+)?")
_POWER: Final = re.compile(r"[eE][-+]?[\d_]{4,}\s*$")
_CONTAINERS: Final = frozenset({"Counter", "OrderedDict", "deque", "dict", "frozenset", "set", "tuple"})
_MAPPINGS: Final = frozenset({"Counter", "OrderedDict", "dict"})
_PATHS: Final = frozenset({"Path", "PurePosixPath", "PureWindowsPath"})
_NETWORKS: Final[Mapping[str, type[IPv4Network] | type[IPv6Network]]] = {
    "IPv4Network": IPv4Network,
    "IPv6Network": IPv6Network,
}
_ITEMS: Final = (list, set, frozenset, deque)
# The tags that values of a type are written with. A type that is not listed may be written with any tag.
_TAGS: Final[Mapping[object, frozenset[str]]] = {
    **dict.fromkeys((*_ITEMS, tuple, dict, Counter, OrderedDict), _CONTAINERS),
    **{kind: frozenset({kind.__name__}) for kind in (Decimal, Fraction, UUID, complex, float, str, time, timedelta)},
    **{kind: frozenset({name}) for name, kind in _NETWORKS.items()},
    **dict.fromkeys((date, datetime), frozenset({"date", "datetime"})),
    **dict.fromkeys((bool, int, types.NoneType), frozenset[str]()),
    bytes: frozenset({"bytearray", "bytes"}),
    Path: _PATHS,
}


class _Place(NamedTuple):
    """What one place of a document may contain.

    Attributes:
        tags: The allowed tags; None if they are not known, so that any is allowed.
        has_pattern, has_fraction: Whether text may become a regular expression or a fraction here.
        items: Types of the items of a list, or of the values of a mapping.
        keys: Types of a mapping's keys.
        fields: Types of an object's fields, by their stored names.
        may_iterate: Whether pydantic may make a container of all items of a value here. False for containers whose
            ``tags`` are known: other values are refused before.
    """

    tags: frozenset[str] | None
    has_pattern: bool = False
    has_fraction: bool = False
    items: tuple[object, ...] = ()
    keys: tuple[object, ...] = ()
    fields: Mapping[str, object] = types.MappingProxyType({})
    may_iterate: bool = False


_ANYTHING: Final = _Place(None)
_UNKNOWN: Final = _Place(None, may_iterate=True)


class Limits:
    """The limits of the documents of one annotation. Immutable.

    Attributes:
        is_open: Whether every tag is allowed everywhere.
        is_plain_safe: Whether plain JSON need not be checked.
    """

    __slots__ = ("_annotation", "is_open", "is_plain_safe")

    def __init__(self, annotation: object) -> None:
        self._annotation = annotation
        place = _place((annotation,))
        self.is_open = place.tags is None and not place.may_iterate and not place.items
        self.is_plain_safe = not _holds_costly(annotation, ())

    def check(self, tree: object, tags: frozenset[str]) -> None:
        """Refuse a document that is over the limits.

        Args:
            tree: The document, parsed as JSON.
            tags: Names that mark an object of one key as a tagged value; empty for plain JSON.

        Raises:
            ValueError: A value does not match its type, or is too large.
        """
        _check(tree, (self._annotation,), tags)


def bounded_decimal(text: object) -> Decimal:
    """Read a number; ``ValueError`` if it has too many digits before or after the point."""
    if not isinstance(text, str) or len(text) > 2 * DIGITS:
        raise ValueError(f"it is not a number of up to {DIGITS} digits")
    return bounded(Decimal(text))


def bounded(number: Decimal) -> Decimal:
    """Give a number back; ``ValueError`` if it would have too many digits as a ratio of whole numbers."""
    if number.is_finite() and number:
        digits, exponent = len(number.as_tuple().digits), number.adjusted() + 1
        if max(digits, exponent, digits - exponent + 1) > DIGITS:
            raise ValueError(f"{number:.0e} has more than {DIGITS} digits, or its exponent is beyond that")
    return number


def bounded_fraction(text: object) -> Fraction:
    """Read a fraction without an exponent; ``ValueError`` if it is too long."""
    if not isinstance(text, str) or len(text) > 2 * DIGITS + 2 or not _FRACTION.fullmatch(text):
        raise ValueError("it is not a fraction")
    return Fraction(text)


def refuse_endless(value: object) -> None:
    """Refuse a value that contains a number which would take too long to convert.

    Raises:
        ValueError: The value contains such a number.
    """
    for part in _all_parts(value):
        if isinstance(part, Decimal):
            bounded(part)


def holds_network(value: object) -> bool:
    """Whether a value contains a network so large that a list of its addresses would fill the memory."""
    return any(
        isinstance(part, (IPv4Network, IPv6Network)) and part.num_addresses > PATTERN for part in _all_parts(value)
    )


def _all_parts(value: object) -> Iterator[object]:
    """Give a value, and every value within it."""
    remaining = [value]
    while remaining:
        part = remaining.pop()
        yield part
        if isinstance(part, Mapping):
            mapping = cast("Mapping[object, object]", part)
            remaining += [*mapping.keys(), *mapping.values()]
        elif isinstance(part, (list, tuple, set, frozenset, deque)):
            remaining += cast("Iterable[object]", part)
        elif isinstance(part, BaseModel):
            remaining += [*vars(part).values(), part.model_extra]


def _check(tree: object, annotations: tuple[object, ...], tags: frozenset[str]) -> None:
    if isinstance(tree, (int, float, types.NoneType)):
        return
    place = _place(annotations)
    if tags and place.tags is None:
        if place.may_iterate or place.items:
            _refuse_networks(tree, tags)
        return
    if isinstance(tree, str):
        _check_text(tree, place)
    elif isinstance(tree, list):
        for item in cast("list[object]", tree):
            _check(item, place.items, tags)
    else:
        document = cast("dict[str, object]", tree)
        name = next(iter(document)) if len(document) == 1 else ""
        if name in tags:
            _check_tagged(name, document[name], place, tags)
        else:
            _check_object(document, place, tags)


def _refuse_networks(tree: object, tags: frozenset[str]) -> None:
    """Refuse large networks: a container could be made of all their addresses."""
    remaining = [tree]
    while remaining:
        part = remaining.pop()
        if isinstance(part, list):
            remaining += cast("list[object]", part)
        elif isinstance(part, dict):
            document = cast("dict[str, object]", part)
            for name, inner in document.items():
                remaining.append(inner)
                if len(document) == 1 and name in tags and _is_large(name, inner):
                    raise ValueError(f"the {name} {inner!r:.50} has more than {PATTERN} addresses")


def _is_large(name: str, text: object) -> bool:
    try:
        make = _NETWORKS.get(name)
        return make is not None and isinstance(text, str) and make(text, strict=False).num_addresses > PATTERN
    except ValueError:
        return False  # refused later, when the network is made


def _check_text(text: str, place: _Place) -> None:
    if place.has_pattern and len(text) > PATTERN:
        raise ValueError(f"a pattern of {len(text)} characters is longer than {PATTERN}")
    if place.has_fraction and (max(map(len, text.split("/"))) >= DIGITS or _POWER.search(text)):
        raise ValueError(f"a fraction of {text:.20}... has more than {DIGITS} digits")


def _check_object(document: Mapping[str, object], place: _Place, tags: frozenset[str]) -> None:
    for key, member in document.items():
        if place.keys:
            _check(key, place.keys, tags)
        if key in place.fields:
            _check(member, (place.fields[key],), tags)
        elif place.items:
            _check(member, place.items, tags)


def _check_tagged(name: str, inner: object, place: _Place, tags: frozenset[str]) -> None:
    if place.tags is None or name not in place.tags:
        raise ValueError(f"a {name} is not a value of this type")
    if name in _MAPPINGS:
        for pair in _items_of(inner):
            key, inner = _pair_of(pair, name)
            _check(key, place.keys, tags)
            field_type = place.fields.get(key) if isinstance(key, str) else None
            _check(inner, place.items if field_type is None else (field_type,), tags)
    elif name in _CONTAINERS:
        items = _items_of(inner)
        for item in _items_of(items[0]) if name == "deque" and items else items:  # a deque is its items and its maxlen
            _check(item, place.items, tags)


def _items_of(tree: object) -> list[object]:
    return cast("list[object]", tree) if isinstance(tree, list) else []


def _pair_of(tree: object, name: str) -> tuple[object, object]:
    items = _items_of(tree)
    if len(items) != 2:
        raise ValueError(f"a {name} is made of pairs")
    return items[0], items[1]


def _place(annotations: tuple[object, ...]) -> _Place:
    """Give what a place may contain whose values have one of these annotations."""
    try:
        return _merged(annotations)
    except TypeError:  # an annotation without a hash
        return _UNKNOWN


@lru_cache(maxsize=4096)
def _merged(annotations: tuple[object, ...]) -> _Place:
    places = [_place_of(annotation) for annotation in annotations]
    fields: dict[str, object] = {}
    for name, annotation in (pair for place in places for pair in place.fields.items()):
        fields[name] = Union[fields[name], annotation] if name in fields else annotation  # noqa: UP007  # of variables
    tags = [place.tags for place in places if place.tags is not None]
    return _Place(
        frozenset[str]().union(*tags) if tags and len(tags) == len(places) else None,
        any(place.has_pattern for place in places),
        any(place.has_fraction for place in places),
        tuple(dict.fromkeys(item for place in places for item in place.items)),
        tuple(dict.fromkeys(key for place in places for key in place.keys)),
        fields,
        any(place.may_iterate for place in places),
    )


def _place_of(annotation: object) -> _Place:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        place = _place_of(arguments[0])
        return place._replace(tags=None) if any(map(_has_core_schema, arguments[1:])) else place
    if origin in (Union, types.UnionType):
        return _merged(tuple(arguments))
    if origin is Literal:
        return _scalars(arguments)
    kind = origin or annotation
    if kind in _ITEMS or kind is tuple:
        return _Place(_CONTAINERS, items=tuple(argument for argument in arguments if argument is not ...) or (Any,))
    if kind in (dict, OrderedDict):
        keys, values = arguments or (Any, Any)
        return _Place(_CONTAINERS, items=(values,), keys=(keys,))
    if kind is Counter:
        return _Place(_CONTAINERS, items=(int,), keys=arguments or (Any,))
    if kind is re.Pattern:
        return _Place(frozenset(), has_pattern=True)
    if kind in _TAGS:
        return _Place(_TAGS[kind], has_fraction=kind is Fraction)
    if isinstance(kind, type):
        return _place_of_class(kind)
    inner = getattr(kind, "__value__", None) or getattr(kind, "__supertype__", None)  # an alias, or a NewType
    if inner is not None:
        return _place_of(inner)
    return _ANYTHING if kind is Any else _UNKNOWN  # a name that only pydantic resolves, or a type variable


def _place_of_class(cls: type[object]) -> _Place:
    if issubclass(cls, enum.Enum):
        return _scalars([member.value for member in cls])
    if issubclass(cls, RootModel):
        return _place_of(_full_annotation(cast("type[RootModel[object]]", cls).model_fields["root"]))._replace(
            tags=None
        )
    fields = _fields_of(cls)
    if fields is None:
        return _ANYTHING
    return _Place(None if _has_own_code(cls) else frozenset({"OrderedDict", "dict", "str"}), keys=(str,), fields=fields)


def _scalars(values: Iterable[object]) -> _Place:
    is_known = all(isinstance(value, (str, int, float, types.NoneType)) for value in values)
    return _Place(frozenset({"float", "str"})) if is_known else _ANYTHING


def _fields_of(cls: type[object]) -> Mapping[str, object] | None:
    """Give the types of an object's fields by their stored names; None if the class does not have fields."""
    if issubclass(cls, BaseModel):
        stored: Mapping[str, str] = getattr(cls, "__stored_names__", {})
        return {stored.get(name, name): _full_annotation(field) for name, field in cls.model_fields.items()}
    if not (dataclasses.is_dataclass(cls) or is_typeddict(cls)):
        return None
    try:
        return typing.get_type_hints(cls, include_extras=True)
    except (AttributeError, NameError, TypeError):
        return None


def _full_annotation(info: Any) -> object:
    return Annotated[info.annotation, *info.metadata] if info.metadata else info.annotation


def _has_own_code(cls: type[object]) -> bool:
    """Whether validators of the application may change what the fields of a class contain."""
    if not issubclass(cls, BaseModel):
        return hasattr(cls, "__get_pydantic_core_schema__") or bool(getattr(cls, "__pydantic_decorators__", None))
    return not hasattr(cls, "__stored_names__") and _has_validators(cls)


def _has_validators(cls: type[BaseModel]) -> bool:
    decorators = cls.__pydantic_decorators__
    return bool(
        decorators.field_validators
        or decorators.model_validators
        or decorators.validators
        or decorators.root_validators
    )


def _has_core_schema(metadata: object) -> bool:
    return hasattr(metadata, "__get_pydantic_core_schema__")


def _holds_costly(annotation: object, inside: tuple[object, ...]) -> bool:
    """Whether a fraction or a regular expression is part of an annotation."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    kind = origin or annotation
    if kind is Fraction or kind is re.Pattern:
        return True
    if origin is not None and origin is not Literal:
        return any(
            _holds_costly(argument, inside) for argument in (arguments[:1] if origin is Annotated else arguments)
        )
    if not isinstance(kind, type) or kind in inside:
        return False
    return any(_holds_costly(annotation, (*inside, kind)) for annotation in (_fields_of(kind) or {}).values())
