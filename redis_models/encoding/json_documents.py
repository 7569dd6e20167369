"""The JSON document of a value, corrected where pydantic's is not what is stored; and its text. Pure.

Pydantic's documents lack fields with ``exclude``, contain asterisks in place of secrets, and write UTC as Z where
pydantic-aioredis wrote +00:00.
"""

import dataclasses
import enum
import functools
import json
import json.encoder
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, timedelta
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Annotated, Any, Final, cast
from uuid import UUID

from pydantic import BaseModel, ConfigDict, PydanticUserError, RootModel, Secret, SecretStr, TypeAdapter

from .secrets import MASK
from .tagged_json import sort_members

__all__ = ["adapter_of", "aioredis_text", "correct", "has_odd_offset", "unwrap", "write"]

_TEXTS: Final = (IPv4Address, IPv4Network, IPv6Address, IPv6Network, UUID)
_MINUTE: Final = timedelta(minutes=1)


def adapter_of(annotation: object, config: ConfigDict) -> TypeAdapter[object]:
    """Give pydantic's adapter; a model, dataclass or TypedDict keeps its own configuration."""
    try:
        return TypeAdapter(cast(type[object], annotation), config=config)
    except PydanticUserError as exc:
        if exc.code != "type-adapter-config-unused":
            raise
        return TypeAdapter(cast(type[object], annotation))


def aioredis_text(value: object) -> str:
    """Give the text that pydantic-aioredis wrote for a value that JSON does not know.

    Raises:
        TypeError: pydantic-aioredis could not write the value.
    """
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, _TEXTS):
        return str(value)
    raise TypeError(f"Type {type(value)} not serializable")


def has_odd_offset(value: datetime) -> bool:
    """Whether the offset from UTC has seconds, which JSON datetimes cannot have."""
    offset = value.utcoffset()
    return offset is not None and bool(offset % _MINUTE)


def correct(value: object, document: object) -> object:
    """Correct pydantic's JSON document of a value, so that it can be stored.

    Args:
        value: The value.
        document: Pydantic's JSON document of it.

    Raises:
        ValueError: No JSON document of the value would read back.
    """
    if isinstance(document, str):
        return _correct_text(value, document)
    if isinstance(document, dict):
        return _correct_object(value, cast("dict[str, object]", document))
    if not isinstance(document, list):
        return document
    if isinstance(value, RootModel):
        return correct(cast("RootModel[object]", value).root, cast(object, document))
    items = cast("list[object]", document)
    if isinstance(value, (list, tuple, deque)):
        return _correct_items(cast("Iterable[object]", value), items)
    if isinstance(value, (set, frozenset)):
        return sort_members(_correct_items(cast("Iterable[object]", value), items))
    return items


def unwrap(value: object) -> object:
    """Give the input that the class of a value makes it from: the fields of a model, the value of an enum member.

    Raises:
        TypeError: The class is not one that this function knows.
    """
    if isinstance(value, BaseModel):
        return _unwrap_model(value)
    if isinstance(value, enum.Enum):
        return cast(object, value.value)
    if isinstance(value, Secret):
        return cast("Secret[object]", value).get_secret_value()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value) if field.init}
    for base in _BASES:
        if isinstance(value, base):
            return base(cast(Any, value))
    raise TypeError(f"Type {type(value)} not serializable")


def _correct_text(value: object, document: str) -> object:
    if isinstance(value, SecretStr):
        return value.get_secret_value() if document == MASK else document
    if isinstance(value, datetime):
        if has_odd_offset(value):
            raise ValueError("its offset from UTC has seconds, which JSON datetimes cannot have")
        text = value.isoformat()
        return text if text == f"{document[:-1]}+00:00" else document
    if isinstance(value, RootModel):
        return correct(cast("RootModel[object]", value).root, document)
    return document


def _correct_items(value: Iterable[object], document: list[object]) -> list[object]:
    items = [*value]
    return [*map(correct, items, document)] if len(items) == len(document) else document


def _correct_object(value: object, document: dict[str, object]) -> object:
    if isinstance(value, RootModel):
        return correct(cast("RootModel[object]", value).root, document)
    if isinstance(value, BaseModel):
        return _correct_model(value, document)
    if isinstance(value, Mapping):
        return _correct_mapping(cast("Mapping[object, object]", value), document)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in dataclasses.fields(value)]
        return _correct_fields(type(value), {name: getattr(value, name) for name in names}, document)
    return document


def _correct_mapping(value: Mapping[object, object], document: dict[str, object]) -> dict[str, object]:
    if all(type(key) is str for key in value):
        return {key: correct(value[key], part) if key in value else part for key, part in document.items()}
    if len(value) != len(document):
        return document
    return {key: correct(member, part) for member, (key, part) in zip(value.values(), document.items(), strict=True)}


def _correct_model(value: BaseModel, document: dict[str, object]) -> dict[str, object]:
    cls = type(value)
    values = {
        **{name: vars(value)[name] for name in cls.model_fields if name in vars(value)},
        **(value.model_extra or {}),
    }
    stored_names = _stored_names(cls)
    if stored_names is not None:
        renamed = {stored_names.get(name, name): value for name, value in values.items()}
        return {key: correct(renamed[key], part) if key in renamed else part for key, part in document.items()}
    return document if _has_serializer(cls) else _correct_fields(cls, values, document)


def _correct_fields(cls: type[object], values: Mapping[str, object], document: dict[str, object]) -> dict[str, object]:
    whole = {key: correct(values[key], part) if key in values else part for key, part in document.items()}
    for name in values:
        adapter = None if name in document else _adapter_of_field(cast(Any, cls), name)
        if adapter is not None:  # it has exclude
            whole[name] = correct(values[name], adapter.dump_python(values[name], mode="json", by_alias=False))
    return whole


@functools.lru_cache(maxsize=4096)
def _adapter_of_field(cls: type[object], name: str) -> TypeAdapter[object] | None:
    fields = cast("Mapping[str, Any]", getattr(cls, "__pydantic_fields__", {}))
    if name not in fields:
        return None
    config: ConfigDict = getattr(cls, "model_config", None) or getattr(cls, "__pydantic_config__", None) or ConfigDict()
    metadata = tuple(fields[name].metadata)
    annotation: object = fields[name].annotation
    return adapter_of(Annotated[annotation, *metadata] if metadata else annotation, config)


def _unwrap_model(value: BaseModel) -> object:
    cls = type(value)
    if isinstance(value, RootModel):
        return cast("RootModel[object]", value).root
    if _stored_names(cls) is not None:
        return value.model_dump(round_trip=True)
    return {
        **{name: vars(value)[name] for name in cls.model_fields if name in vars(value)},
        **(value.model_extra or {}),
    }


def _stored_names(cls: type[BaseModel]) -> Mapping[str, str] | None:
    """Give the stored names of the fields of a historical model; None for models of the application."""
    return getattr(cls, "__stored_names__", None)


def _has_serializer(cls: type[BaseModel]) -> bool:
    return bool(cls.__pydantic_decorators__.model_serializers)


def _refuse(value: object) -> object:
    raise TypeError(f"Type {type(value)} not serializable")


def _writer() -> Callable[[object], bytes]:
    make = getattr(json.encoder, "c_make_encoder", None)
    if make is None:
        return lambda document: json.dumps(document).encode()
    # json.dumps is three times slower: it makes an encoder at each call, and looks for cycles. Documents have none.
    chunks: Callable[[object, int], tuple[str, ...]] = make(
        None, _refuse, json.encoder.encode_basestring_ascii, None, ": ", ", ", False, False, True
    )
    return lambda document: "".join(chunks(document, 0)).encode()


write: Final = _writer()  # gives the bytes of a document, with the spaces that pydantic-aioredis wrote
_BASES: Final[tuple[type[Any], ...]] = (dict, list, tuple, set, frozenset, str, int, float)
