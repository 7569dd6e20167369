"""The parts of values in bodies and answers: fields of objects, items of lists, masked secrets. Pure."""

import dataclasses
import functools
from collections import deque
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, cast, get_type_hints

from pydantic import AliasChoices, AliasPath, BaseModel
from pydantic.fields import FieldInfo

from ...encoding.equality import is_same
from ...encoding.secrets import SECRETS
from .http_errors import Place, invalid_places

__all__ = [
    "ITEMS",
    "alias_words",
    "check_masks",
    "fields_of",
    "inner_parts",
    "is_mask",
    "is_masked",
    "is_named",
    "parts_of",
    "shown_name",
    "words_of",
]

ITEMS: Final = (list, tuple, set, frozenset, deque)


class Part(NamedTuple):
    """A field of an object; ``info`` is None for an extra field."""

    name: str
    value: object
    info: FieldInfo | None


def parts_of(stored: Any) -> list[Part]:
    """Give the fields of an object, extra ones too."""
    fields = fields_of(stored) or {}
    extra = cast("dict[str, object]", getattr(stored, "__pydantic_extra__", None) or {})
    found = [Part(name, getattr(stored, name), info) for name, info in fields.items() if hasattr(stored, name)]
    return found + [Part(name, value, None) for name, value in extra.items()]


def inner_parts(value: object) -> Iterable[tuple[int | str, object, FieldInfo | None]]:
    """Give the parts of a value, one level down: name or position, value, and ``FieldInfo`` of a declared field."""
    if fields_of(value) is not None:
        return parts_of(value)
    if isinstance(value, Mapping):
        members = cast("Mapping[object, object]", value)
        return ((str(name), member, None) for name, member in members.items())
    if isinstance(value, ITEMS):
        return ((number, member, None) for number, member in enumerate(cast("Iterable[object]", value)))
    return ()


def shown_name(name: str, info: FieldInfo | None) -> str:
    """Give the name of a field in answers."""
    return name if info is None else info.serialization_alias or name


def words_of(name: str, info: FieldInfo | None) -> list[str]:
    """Give the names of a field in a body, in the order in which they count; none if an alias is a path."""
    choices: Sequence[str | AliasPath | None] = () if info is None else _alias_choices(info)
    if any(isinstance(choice, AliasPath) for choice in choices):
        return []
    return [choice for choice in choices if isinstance(choice, str) and choice != name] + [name]


def is_named(name: str, info: FieldInfo, received: Mapping[str, Any]) -> bool:
    """Whether a body contains a field, under its name or any alias."""
    received = received if isinstance(received, dict) else dict(received)
    missing = object()
    paths = [choice for choice in _alias_choices(info) if isinstance(choice, AliasPath)]
    words = {name, *(choice for choice in _alias_choices(info) if isinstance(choice, str))}
    return any(word in received for word in words) or any(
        _value_at(received, alias.path, missing) is not missing for alias in paths
    )


def alias_words(name: str, info: FieldInfo) -> set[str]:
    """Give the keys of a body that may contain a field: its name, its aliases, and the first part of alias paths."""
    firsts = [choice.path[0] if isinstance(choice, AliasPath) else choice for choice in _alias_choices(info)]
    return {name, *(choice for choice in firsts if isinstance(choice, str))}


def _alias_choices(info: FieldInfo) -> Sequence[str | AliasPath | None]:
    alias = info.validation_alias
    return alias.choices if isinstance(alias, AliasChoices) else [alias]


def _value_at(received: Any, path: Sequence[int | str], missing: object) -> object:
    for part in path:
        try:
            received = received[part]
        except (LookupError, TypeError):
            return missing
    return received


def fields_of(parsed: object) -> Mapping[str, FieldInfo] | None:
    """Give the fields of an instance of a model or dataclass; None for anything else."""
    if isinstance(parsed, BaseModel):
        return type(parsed).model_fields
    found: object = getattr(type(parsed), "__pydantic_fields__", None)
    if isinstance(found, dict):
        return cast("dict[str, FieldInfo]", found)
    return _fields_of_dataclass(cast(Hashable, type(parsed))) if dataclasses.is_dataclass(parsed) else None


@functools.lru_cache(maxsize=256)
def _fields_of_dataclass(kind: Hashable) -> Mapping[str, FieldInfo]:
    cls = cast("type[Any]", kind)
    hints, missing = get_type_hints(cls, include_extras=True), dataclasses.MISSING
    return {
        field.name: FieldInfo.from_annotation(hints[field.name])
        if field.default is missing
        else FieldInfo.from_annotated_attribute(hints[field.name], field.default)
        for field in dataclasses.fields(cls)
    }


def is_mask(secret: Any) -> bool:
    """Whether a secret is only the asterisks that answers show in its place."""
    value: object = secret.get_secret_value()
    text = value.decode("latin-1") if isinstance(value, bytes) else value
    return bool(text) and text == str(secret)


def is_masked(parsed: BaseModel) -> bool:
    """Whether a record that was made from a body contains such a secret."""
    return next(_masked_places(parsed, ()), None) is not None


def check_masks(parsed: BaseModel, stored: BaseModel | None = None) -> None:
    """Refuse a record whose secrets are only the asterisks that answers show in their place.

    Args:
        parsed: The record that was made from a body.
        stored: The record that it replaces; secrets that did not change are accepted.

    Raises:
        RequestValidationError: 422, with each place.
    """
    for name, value in parsed.__dict__.items():
        if stored is None or not is_same(value, stored.__dict__.get(name)):
            places = list(_masked_places(value, ("body", name)))
            if places:
                raise invalid_places(places, "is only the mask that answers show for a secret; send the secret itself")


def _masked_places(parsed: object, place: Place) -> Iterator[Place]:
    if isinstance(parsed, SECRETS):
        if is_mask(parsed):
            yield place
        return
    for name, value, _ in inner_parts(parsed):
        yield from _masked_places(value, (*place, name))
