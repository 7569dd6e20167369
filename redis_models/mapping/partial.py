"""Some fields of a record as JSON values, without an instance, as in pydantic-aioredis. Pure.

Columns and partial writes use values that JSON knows: ``str``, ``int`` and ``float`` fields are text as they are
stored, a date is its ISO text, a model a dict. Types that pydantic-aioredis could not store are Python values.
"""

import datetime
import enum
import functools
import ipaddress
import json
import types
import typing
import uuid
from collections import abc
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, Literal, Union, cast, get_args, get_origin

import typing_extensions
from pydantic import AnyUrl, BaseModel

from ..encoding.codec import FieldCodec, codec_for
from ..encoding.tagged_json import MARK
from .mapper import Mapper

__all__ = ["deserialize", "serialize"]

_Form = Literal["text", "document", "container", "value"]
_NONE: Final = "None"


def serialize(
    mapper: Mapper[Any], data: Mapping[str, object], default: Callable[[Any], object] | None = None
) -> dict[str, object]:
    """Give fields as pydantic-aioredis' clients take them; fields that the model does not have stay unchanged.

    Args:
        mapper: The model.
        data: Values by field, not validated. It is not changed.
        default: Gives a JSON value for a value that neither the field's type nor JSON knows, or raises ``TypeError``.

    Returns:
        A new dict: values of ``str``, ``int`` and ``float`` fields are unchanged, None in an optional one is the text
        ``None``, and everything else is JSON text.

    Raises:
        EncodeError: A value cannot be written; this is also a ``TypeError``, as in pydantic-aioredis.
    """
    codecs = mapper.codecs
    values: dict[str, object] = {}
    for name, value in data.items():
        try:
            values[name] = _serialize_value(codecs[name], value, default) if name in codecs else value
            continue
        except (ValueError, TypeError) as exc:
            error = mapper.encode_error(name, value, exc)
        raise error  # outside of the except clause, whose exception may quote a secret
    return values


def deserialize(
    mapper: Mapper[Any],
    data: Mapping[str, object],
    object_hook: Callable[[dict[str, Any]], object] | None = None,
    *,
    key: str | None = None,
) -> dict[str, object]:
    """Give stored fields as pydantic-aioredis' columns; fields that the model does not have stay unchanged.

    Args:
        mapper: The model.
        data: Stored text or bytes by field; other values stay unchanged. It is not changed.
        object_hook: Gives the value of a JSON object.
        key: Key of the record, for errors.

    Returns:
        A new dict, in the order of ``data``.

    Raises:
        DecodeError: A field does not read back.
    """
    codecs = mapper.codecs
    values: dict[str, object] = {}
    for name, raw in data.items():
        if name not in codecs or not isinstance(raw, (str, bytes)):
            values[name] = raw
            continue
        try:
            values[name] = _deserialize_value(codecs[name], raw, object_hook)
            continue
        except ValueError as exc:
            stored = raw if isinstance(raw, bytes) else raw.encode("utf-8", "surrogatepass")
            error = mapper.decode_error(mapper.keys.start if key is None else key, name, {name: stored}, exc)
        raise error
    return values


def _serialize_value(codec: FieldCodec, value: object, default: Callable[[Any], object] | None) -> object:
    if codec.kind == "str" and isinstance(value, str):
        return codec.encode(value).decode("utf-8", "surrogatepass")  # the text "None" differs from None
    if codec.kind != "json":
        return _NONE if value is None and codec.is_optional else value
    try:
        return codec.encode(value).decode()
    except (ValueError, TypeError):  # it was not validated
        try:
            return json.dumps(value, default=default)
        except TypeError:
            if not isinstance(value, (dict, list, tuple)):
                raise
            # The dicts of models within it, which may contain values that JSON does not know.
            return codec.encode(codec.validate(cast(object, value))).decode()


def _deserialize_value(
    codec: FieldCodec, raw: str | bytes, object_hook: Callable[[dict[str, Any]], object] | None
) -> object:
    stored = raw if isinstance(raw, bytes) else raw.encode("utf-8", "surrogatepass")
    form = _form_of(codec)
    if form == "value" or stored.startswith(MARK) or codec.kind == "str":
        return codec.decode(stored)
    if codec.is_optional and stored in (b"None", b"null"):
        return None
    text = stored.decode("utf-8", "surrogatepass")
    if form == "text":
        return text
    document: object = json.loads(text, object_hook=object_hook)
    if form == "container" and isinstance(document, str):
        document = json.loads(document, object_hook=object_hook)  # JSON within JSON, as pydantic-aioredis wrote it
    return document


@functools.lru_cache(maxsize=4096)
def _form_of(codec: FieldCodec) -> _Form:
    if codec.kind != "json":
        return "text"
    if codec.annotation in _BOOLS or not _is_known_to_aioredis(codec.annotation, ()):
        return "value"
    return "container" if _is_container(codec.annotation) else "document"


def _is_known_to_aioredis(annotation: object, inside: tuple[object, ...]) -> bool:
    """Whether pydantic-aioredis could store values of ``annotation``; ``inside`` are the models around it."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return codec_for(annotation).kind == codec_for(arguments[0]).kind and _is_known_to_aioredis(
            arguments[0], inside
        )
    if origin is Literal or annotation in (*inside, *_ANYTHING):
        return True
    if origin in (Union, types.UnionType) or origin in _CONTAINERS:
        return all(argument is ... or _is_known_to_aioredis(argument, inside) for argument in arguments)
    return isinstance(annotation, type) and _is_class_known_to_aioredis(annotation, inside)


def _is_class_known_to_aioredis(cls: type[object], inside: tuple[object, ...]) -> bool:
    if issubclass(cls, BaseModel):
        return all(_is_known_to_aioredis(info.annotation, (*inside, cls)) for info in cls.model_fields.values())
    if issubclass(cls, enum.Enum):
        return issubclass(cls, (str, int))
    if typing_extensions.is_typeddict(cls) or (issubclass(cls, tuple) and hasattr(cast(object, cls), "_fields")):
        hints = typing_extensions.get_type_hints(cls)
        return all(_is_known_to_aioredis(annotation, (*inside, cast(object, cls))) for annotation in hints.values())
    return cls in _CONTAINERS or issubclass(cls, _SCALARS)


def _is_container(annotation: object) -> bool:
    plain = annotation
    while get_origin(plain) is Annotated:
        plain = get_args(plain)[0]
    if get_origin(plain) in (Union, types.UnionType):
        return all(argument is types.NoneType or _is_container(argument) for argument in get_args(plain))
    cls = get_origin(plain) or plain
    return isinstance(cls, type) and (
        issubclass(cls, BaseModel) or cls in _CONTAINERS or issubclass(cls, (dict, tuple))
    )


_BOOLS: Final = (bool, bool | None)  # 1 and 0 are read as bools, too
_ANYTHING: Final[tuple[object, ...]] = (Any, object, None, typing.Hashable)
_CONTAINERS: Final = (dict, list, tuple, abc.Mapping, abc.Sequence)
_SCALARS: Final = (
    AnyUrl,
    bool,
    datetime.date,
    float,
    int,
    ipaddress.IPv4Address,
    ipaddress.IPv4Network,
    ipaddress.IPv6Address,
    ipaddress.IPv6Network,
    str,
    types.NoneType,
    uuid.UUID,
)
