"""``Field``: pydantic's ``Field`` with two options for storage."""

from collections.abc import Callable
from types import EllipsisType
from typing import Any, Final, TypedDict, TypeVar, Unpack, cast, overload

import pydantic
from pydantic.fields import FieldInfo

from ..encoding.annotations import Storage

__all__ = ["Field", "storage_of"]

T = TypeVar("T")
_NOTHING: Final = Storage()


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
    index: bool = ...,
    unique: bool = ...,
    nocase: bool = ...,
    **options: Unpack[_PydanticOptions],
) -> Any: ...
@overload
def Field(
    default: T,
    *,
    primary_key: bool = ...,
    renamed_from: str | None = ...,
    index: bool = ...,
    unique: bool = ...,
    nocase: bool = ...,
    **options: Unpack[_PydanticOptions],
) -> T: ...
@overload
def Field(
    *,
    default_factory: Callable[[], T] | Callable[[dict[str, Any]], T],
    primary_key: bool = ...,
    renamed_from: str | None = ...,
    index: bool = ...,
    unique: bool = ...,
    nocase: bool = ...,
    **options: Unpack[_PydanticOptions],
) -> T: ...
@overload
def Field(
    *,
    primary_key: bool = ...,
    renamed_from: str | None = ...,
    index: bool = ...,
    unique: bool = ...,
    nocase: bool = ...,
    **options: Unpack[_PydanticOptions],
) -> Any: ...
def Field(  # pydantic's own spelling
    default: Any = ...,
    *,
    default_factory: Any = None,
    primary_key: bool = False,
    renamed_from: str | None = None,
    index: bool = False,
    unique: bool = False,
    nocase: bool = False,
    **options: Unpack[_PydanticOptions],
) -> Any:
    """Describe a field; it takes all options of ``pydantic.Field``, and those of its storage.

    Args:
        default: Value of instances that are made without one; if left out, the field is required.
        default_factory: Makes that value, instead of ``default``.
        primary_key: Whether this is the primary key; exactly one field of a model is.
        renamed_from: The field's former stored name; ``makemigrations`` then renames it without asking.
        index: Whether queries can find records by the field; ``Meta.indexes`` has those of several fields.
        unique: Whether no two records may have the same value, except None; it is an index, too.
        nocase: Whether letters A to Z equal a to z in conditions and indexes; for text only.
        options: See ``pydantic.Field``.
    """
    if default_factory is not None:
        field = pydantic.Field(default_factory=default_factory, **cast(Any, options))
    else:
        field = pydantic.Field(default, **cast(Any, options))
    cast(FieldInfo, field).metadata.extend(Storage(primary_key, renamed_from, index, unique, nocase).split())
    return field


def storage_of(info: FieldInfo) -> Storage:
    """Give what a field says about its storage, in its annotation and beside it."""
    found = [item for item in info.metadata if isinstance(item, Storage)]
    if not found:
        return _NOTHING
    return Storage(
        primary_key=any(item.primary_key for item in found),
        renamed_from=next((item.renamed_from for item in reversed(found) if item.renamed_from is not None), None),
        index=any(item.index for item in found),
        unique=any(item.unique for item in found),
        nocase=any(item.nocase for item in found),
    )
