"""``Field``: pydantic's ``Field`` with two options for storage."""

from collections.abc import Callable
from types import EllipsisType
from typing import Any, TypedDict, TypeVar, Unpack, cast, overload

import pydantic
from pydantic.fields import FieldInfo

from ..encoding.annotations import Storage

__all__ = ["Field", "storage_of"]

T = TypeVar("T")


class _PydanticOptions(TypedDict, total=False):
    """The options of ``pydantic.Field``; see there."""

    alias: str | None
    alias_priority: int | None
    validation_alias: str | pydantic.AliasPath | pydantic.AliasChoices | None
    serialization_alias: str | None
    title: str | None
    description: str | None
    examples: list[Any] | None
    exclude: bool | None
    discriminator: str | pydantic.Discriminator | None
    deprecated: str | bool | None
    json_schema_extra: dict[str, Any] | Callable[[dict[str, Any]], None] | None
    frozen: bool | None
    validate_default: bool | None
    repr: bool
    init: bool | None
    kw_only: bool | None
    pattern: str | None
    strict: bool | None
    coerce_numbers_to_str: bool | None
    gt: Any
    ge: Any
    lt: Any
    le: Any
    multiple_of: float | None
    allow_inf_nan: bool | None
    max_digits: int | None
    decimal_places: int | None
    min_length: int | None
    max_length: int | None
    union_mode: Any


@overload
def Field(
    default: EllipsisType,
    *,
    primary_key: bool = ...,
    renamed_from: str | None = ...,
    **options: Unpack[_PydanticOptions],
) -> Any: ...
@overload
def Field(
    default: T, *, primary_key: bool = ..., renamed_from: str | None = ..., **options: Unpack[_PydanticOptions]
) -> T: ...
@overload
def Field(
    *,
    default_factory: Callable[[], T] | Callable[[dict[str, Any]], T],
    primary_key: bool = ...,
    renamed_from: str | None = ...,
    **options: Unpack[_PydanticOptions],
) -> T: ...
@overload
def Field(*, primary_key: bool = ..., renamed_from: str | None = ..., **options: Unpack[_PydanticOptions]) -> Any: ...
def Field(  # pydantic's own spelling
    default: Any = ...,
    *,
    default_factory: Any = None,
    primary_key: bool = False,
    renamed_from: str | None = None,
    **options: Unpack[_PydanticOptions],
) -> Any:
    """Describe a field; it takes all options of ``pydantic.Field``, and two more.

    Args:
        default: Value of instances that are made without one; if left out, the field is required.
        default_factory: Makes that value, instead of ``default``.
        primary_key: Whether this is the primary key; exactly one field of a model is.
        renamed_from: The field's former stored name; ``makemigrations`` then renames it without asking.
        options: See ``pydantic.Field``.
    """
    if default_factory is not None:
        field = pydantic.Field(default_factory=default_factory, **cast(Any, options))
    else:
        field = pydantic.Field(default, **cast(Any, options))
    if primary_key or renamed_from is not None:
        cast(FieldInfo, field).metadata.append(Storage(primary_key, renamed_from))
    return field


def storage_of(info: FieldInfo) -> Storage:
    """Give the storage options of a field."""
    return next((item for item in info.metadata if isinstance(item, Storage)), Storage())
