"""Which types always read back as they were written, so that a value need not be checked when it is stored. Pure."""

import enum
import ipaddress
import pathlib
import types
import uuid
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final, Literal, Union, cast, get_args, get_origin

from pydantic import BaseModel, RootModel

__all__ = ["RoundTripCheck", "check_for", "is_decided_by_equality", "is_exact", "is_plain", "needs_correction"]

_KEYS: Final[tuple[object, ...]] = (str, int, bool, date, uuid.UUID)
# Tuples, because an annotation may have no hash: Annotated[int, Some([1])].
_SCALARS: Final[tuple[object, ...]] = (
    *_KEYS,
    datetime,
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
)
_SETS: Final[tuple[object, ...]] = (frozenset, set)
_COLLECTIONS: Final[tuple[object, ...]] = (*_SETS, list, tuple)
_ANYTHING: Final[tuple[object, ...]] = (Any, object)
_OPEN: Final[tuple[object, ...]] = (*_ANYTHING, dict, list)
_REGULAR: Final[tuple[object, ...]] = (Decimal, bytes, time)
_UNIONS: Final[tuple[object, ...]] = (Union, types.UnionType)
_PLAIN: Final = frozenset([bool, float, int, str, types.NoneType])
# How to make sure that a value reads back from plain JSON: not at all, by its types, or by reading it back.
RoundTripCheck = Literal["none", "look", "check"]
_DEPTH: Final = 100  # pydantic's JSON reader goes down 200 levels


def is_exact(annotation: object) -> bool:
    """Whether every value of ``annotation`` reads back the same from its JSON.

    Most unions do not (text may look like a date), nor do models with serializers, secrets, dicts whose keys JSON must
    spell as text, or types that take any value. False if it is not certain.
    """
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in _UNIONS:
        members = [argument for argument in arguments if argument is not types.NoneType]
        return len(members) == 1 and is_exact(members[0])
    if origin is Literal:
        return all(type(argument) in (str, int, bool, types.NoneType) for argument in arguments)
    if origin is dict:
        return arguments[0] in _KEYS and is_exact(arguments[1])
    if origin in _COLLECTIONS:
        return all(argument is ... or is_exact(argument) for argument in arguments)
    if origin is None and isinstance(annotation, type) and issubclass(annotation, enum.Enum):
        return all(type(member.value) in (str, int) for member in annotation)
    return annotation in _SCALARS


def is_open(annotation: object) -> bool:
    """Whether the values of ``annotation`` for which ``is_plain`` is true read back the same from their JSON."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in _UNIONS:
        members = [argument for argument in arguments if argument is not types.NoneType]
        return len(members) == 1 and is_open(members[0])
    if origin is list:
        return is_open(arguments[0])
    if origin is dict:
        return arguments[0] in (str, *_ANYTHING) and is_open(arguments[1])
    return _is_one_of(_OPEN, annotation)


def is_plain(value: object, depth: int = _DEPTH) -> bool:
    """Whether a value consists of JSON's own types only, with text as keys of dicts, and is not nested too deeply."""
    kind = type(value)
    if kind is list:
        return depth > 0 and all(is_plain(item, depth - 1) for item in cast("list[object]", value))
    if kind is dict:
        members = cast("dict[object, object]", value)
        return depth > 0 and all(type(key) is str and is_plain(member, depth - 1) for key, member in members.items())
    return kind in _PLAIN


def is_decided_by_equality(annotation: object, inside: tuple[object, ...] = ()) -> bool:
    """Whether equal values of ``annotation`` are always the same, because the annotation fixes every type.

    Args:
        annotation: The annotation.
        inside: The models around it.
    """
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in _UNIONS:
        members = [argument for argument in arguments if argument is not types.NoneType]
        return len(members) == 1 and is_decided_by_equality(members[0], inside)
    if origin is dict:
        return arguments[0] in _KEYS and is_decided_by_equality(arguments[1], inside)
    if origin in _COLLECTIONS:
        return all(argument is ... or is_decided_by_equality(argument, inside) for argument in arguments)
    if (model := _model_of(annotation)) is not None:
        if model.__eq__ is not BaseModel.__eq__ or model.model_config.get("extra") == "allow":
            return False
        return model in inside or _is_true_of_fields(is_decided_by_equality, model, inside)
    return is_exact(annotation) or _is_one_of(_REGULAR, annotation)


def needs_correction(annotation: object, inside: tuple[object, ...] = ()) -> bool:
    """Whether pydantic's JSON of ``annotation`` must be corrected before it is stored: sets in any order, UTC as Z.

    Args:
        annotation: The annotation.
        inside: The models around it.
    """
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (*_UNIONS, list, dict, tuple):
        return any(argument is not ... and needs_correction(argument, inside) for argument in arguments)
    if (model := _model_of(annotation)) is not None:
        hides = any(info.exclude or getattr(info, "exclude_if", None) for info in model.model_fields.values())
        if hides or model.model_config.get("extra") == "allow" or issubclass(model, RootModel):
            return True
        return model not in inside and not _is_true_of_fields(_needs_no_correction, model, inside)
    return annotation is datetime or not (is_exact(annotation) or _is_one_of(_REGULAR, annotation)) or origin in _SETS


def _model_of(annotation: object) -> type[BaseModel] | None:
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def _needs_no_correction(annotation: object, inside: tuple[object, ...]) -> bool:
    return not needs_correction(annotation, inside)


def _is_true_of_fields(
    predicate: Callable[[object, tuple[object, ...]], bool], model: type[BaseModel], inside: tuple[object, ...]
) -> bool:
    return all(predicate(info.annotation, (*inside, model)) for info in model.model_fields.values())


def _is_one_of(annotations: tuple[object, ...], annotation: object) -> bool:
    return annotation in annotations


def check_for(annotation: object) -> RoundTripCheck:
    """Give how to make sure that a value of ``annotation`` reads back from plain JSON."""
    if is_exact(annotation):
        return "none"
    return "look" if is_open(annotation) else "check"
