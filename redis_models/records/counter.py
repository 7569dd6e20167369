"""Counters: the fields that ``increment`` can add to inside the server, and their bounds. Pure."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Final, cast, get_args, get_origin

from annotated_types import BaseMetadata, Ge, GroupedMetadata, Gt, Le, Lt
from pydantic import AllowInfNan, Strict
from pydantic.fields import FieldInfo

from ..encoding.secrets import MASK, mask_if_secret
from ..errors import DecodeError, EncodeError, InvalidPrimaryKeyError
from ..mapping.mapper import Mapper

__all__ = ["NO_START", "OUT_OF_RANGE", "Counter", "Increment", "counter_of"]

NO_START: Final = ""  # in place of a sum if the field is missing and has no default
OUT_OF_RANGE: Final = "!"  # in place of a sum that the field must not have
_INT_MIN: Final = -(2**63)  # the server counts in 64 bits
_INT_MAX: Final = 2**63 - 1
_FLOAT_MAX: Final = 1.7976931348623157e308
_KNOWN: Final = (Ge, Gt, Le, Lt, AllowInfNan, Strict)  # every finite sum satisfies the last two
_WHOLE: Final = ("after", "wrap")  # modes of model validators that see the values


@dataclass(frozen=True)
class Increment:
    """One addition, as the script takes it.

    Attributes:
        by: What to add.
        start: The sum as text if the field is not stored, or ``NO_START``, or ``OUT_OF_RANGE``.
        low: For an int the least stored number that may be added to; for a float the least sum.
        high: The greatest, likewise.
    """

    by: int | float
    start: str
    low: int | float
    high: int | float


@dataclass(frozen=True)
class Counter:
    """A stored field that holds a number.

    Attributes:
        model: Name of the model, for errors.
        name: The field.
        is_int: Whether it holds whole numbers; else floats.
        low: Least value, included.
        high: Greatest value, included.
        default: Value if the field is not stored; None if it is not a number, or a factory makes it.
        is_hidden: Whether errors must not show values of the model.
    """

    model: str
    name: str
    is_int: bool
    low: int | float
    high: int | float
    default: int | float | None
    is_hidden: bool = False

    def increment(self, by: object) -> Increment:
        """Make the addition of ``by``.

        Raises:
            EncodeError: ``by`` is not a number, not a whole one for an int field, or too great.
        """
        if isinstance(by, bool) or not isinstance(by, int if self.is_int else (int, float)):
            raise self._error(by, f"increment adds {self._numbers}s to this field")
        if self.is_int:
            if not _INT_MIN <= by <= _INT_MAX:
                raise self._error(by, "the server counts in 64 bits")
            low, high = max(int(self.low - by), _INT_MIN), min(int(self.high - by), _INT_MAX)
            return Increment(int(by), self._start(by), low, high)
        if not -_FLOAT_MAX <= by <= _FLOAT_MAX:
            raise self._error(by, "increment adds finite numbers only")
        return Increment(float(by), self._start(float(by)), self.low, self.high)

    def out_of_range(self, by: object, raw: bytes) -> EncodeError:
        """Make the error of a sum that the field must not have."""
        current = f"{self.default!r}, the default," if raw == b"" else MASK if self.is_hidden else raw.decode()
        reason = f"added to {current} it would leave {self.low!r} to {self.high!r}; nothing was changed"
        return self._error(by, reason)

    def no_number(self, key: str, raw: bytes) -> DecodeError:
        """Make the error of a field that does not hold a number."""
        if raw == b"":
            return DecodeError(key, self.name, None, "increment cannot begin, because the field has no default number")
        shown = cast(bytes, mask_if_secret(raw, self.is_hidden))
        return DecodeError(key, self.name, shown, f"increment needs a {self._numbers} there")

    def _error(self, by: object, reason: str) -> EncodeError:
        return EncodeError(self.model, self.name, mask_if_secret(by, self.is_hidden), reason)

    @property
    def _numbers(self) -> str:
        return "whole number" if self.is_int else "number"

    def _start(self, by: int | float) -> str:
        if self.default is None:
            return NO_START
        total = self.default + by
        return repr(total) if self.low <= total <= self.high else OUT_OF_RANGE


def counter_of(mapper: Mapper[Any], name: str, by: object) -> Counter:
    """Give the field ``name`` as a counter.

    Raises:
        ModelDeclarationError: The model does not store such a field.
        InvalidPrimaryKeyError: It is the primary key.
        EncodeError: It is not an int or a float, or has a validator that only Python can run.
    """
    if mapper.hooks:
        reason = (
            f"increment adds inside the server, where {mapper.model.__name__}.{mapper.hooks[0]} is not called; get the"
            " record, add, and save(if_unchanged=True)"
        )
        raise EncodeError(mapper.model.__name__, name, by, reason)
    model, kind = mapper.model, mapper.field(name).codec.kind
    if name == mapper.primary_key:
        raise InvalidPrimaryKeyError(model.__name__, by, f"cannot be added to {name!r}; insert a new record")
    if kind not in ("int", "float"):
        reason = "increment adds to fields of type int and float only"
        raise EncodeError(model.__name__, name, mask_if_secret(by, mapper.conceals(name)), reason)
    info = model.__pydantic_fields__[name]
    if info.frozen or model.model_config.get("frozen"):
        raise EncodeError(model.__name__, name, by, "the field is frozen")
    limits = [*info.metadata, *_within(info.annotation)]
    if _has_validators(mapper, name) or any(_checks(limit) and not isinstance(limit, _KNOWN) for limit in limits):
        reason = (
            "the field has a validator that the server cannot run; get the record, assign and save(if_unchanged=True)"
        )
        raise EncodeError(model.__name__, name, by, reason)
    low, high = _range(limits, kind == "int")
    default = info.get_default()
    is_hidden = bool(model.model_config.get("hide_input_in_errors"))
    is_number = isinstance(default, (int, float)) and not isinstance(default, bool)
    return Counter(model.__name__, name, kind == "int", low, high, default if is_number else None, is_hidden)


def _within(annotation: object) -> Iterator[object]:
    """Give the metadata of the members of a union; pydantic keeps only the metadata around the union."""
    if get_origin(annotation) is Annotated:
        for item in annotation.__metadata__:  # type: ignore[attr-defined]  # of Annotated, which checkers do not take for a type
            yield from (
                item.metadata if isinstance(item, FieldInfo) else item if isinstance(item, GroupedMetadata) else [item]
            )
    for member in get_args(annotation):
        yield from _within(member)


def _checks(item: object) -> bool:
    """Whether pydantic uses this metadata to check values."""
    return isinstance(item, BaseMetadata) or hasattr(item, "__get_pydantic_core_schema__")


def _has_validators(mapper: Mapper[Any], name: str) -> bool:
    decorators = mapper.model.__pydantic_decorators__
    fields = {
        field
        for validator in (*decorators.field_validators.values(), *decorators.validators.values())
        for field in validator.info.fields
    }
    return bool({name, "*"} & fields) or any(
        validator.info.mode in _WHOLE for validator in decorators.model_validators.values()
    )


def _range(limits: list[object], is_int: bool) -> tuple[int | float, int | float]:
    low, high = (_INT_MIN, _INT_MAX) if is_int else (-_FLOAT_MAX, _FLOAT_MAX)
    for limit in limits:
        bound: Any = next((getattr(limit, word) for word in ("ge", "gt", "le", "lt") if hasattr(limit, word)), None)
        if bound is None:
            continue
        is_least = isinstance(limit, (Ge, Gt))
        if is_int:
            bound = math.ceil(bound) if is_least else math.floor(bound)
            bound += (isinstance(limit, Gt) and bound == limit.gt) - (isinstance(limit, Lt) and bound == limit.lt)
        elif isinstance(limit, (Gt, Lt)):
            bound = math.nextafter(bound, math.inf if is_least else -math.inf)
        low, high = (max(low, bound), high) if is_least else (low, min(high, bound))
    return low, high
