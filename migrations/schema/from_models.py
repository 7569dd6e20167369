"""Builds the snapshot of model classes. It uses neither Redis nor the disk.

A default counts only if it is the same for every record. A factory that may use a clock, a counter or random numbers is
never called; which value existing records get is then a question.
"""

import json
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterable
from inspect import signature
from itertools import count
from types import FunctionType
from typing import Final, cast

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from redis_models.encoding.annotations import stored_annotation
from redis_models.encoding.codec import FieldCodec, codec_for
from redis_models.encoding.json_documents import correct
from redis_models.errors import ModelDeclarationError
from redis_models.mapping.fields import storage_of
from redis_models.mapping.stored_model import StoredModel

from .snapshot import REQUIRED, FieldSchema, Literal, ModelSchema, Snapshot, _Required
from .type_text import describe

__all__ = ["snapshot_of"]

_EMPTY_MAKERS: Final = (
    list, dict, set, frozenset, tuple, str, bytes, int, float, bool, deque, Counter, OrderedDict,
)  # fmt: skip


def snapshot_of(models: Iterable[type[StoredModel]]) -> Snapshot:
    """Return the snapshot of the models of one app, without abstract and unmanaged ones.

    Raises:
        ModelDeclarationError: A class cannot be stored, or two classes have the same name.
    """
    snapshot = Snapshot()
    for model in models:
        if model.__options__.abstract or not model.__options__.managed:
            continue
        if model.__name__ in snapshot.by_name:
            raise ModelDeclarationError(model.__name__, "is the name of two models in one app; rename one of them")
        snapshot = snapshot.with_model(_schema_of(model))
    return snapshot


def _schema_of(model: type[StoredModel]) -> ModelSchema:
    mapper, keys = model.__mapper__, model.__mapper__.keys
    if keys.index_key is not None:
        raise ModelDeclarationError(
            model.__name__,
            "overrides get_table_index_key, but migrations need the default key of the index; remove the override, or"
            " set managed = False in class Meta",
        )
    return ModelSchema(
        name=model.__name__,
        version=mapper.version,
        primary_key=mapper.primary_key,
        # As the keys have them.
        prefix=keys.prefix.lower(),
        separator=keys.separator.lower(),
        table=keys.table,
        fields=tuple(_field_of(model, name, place) for name, place in sorted(zip(mapper.names, count(), strict=False))),
        ttl=mapper.ttl,
        extras=mapper.takes_extras,
    )


def _field_of(model: type[StoredModel], name: str, place: int) -> FieldSchema:
    info = model.model_fields[name]
    return FieldSchema(
        name=name,
        type=describe(stored_annotation(info), owner=f"{model.__name__}.{name}"),
        default=_default_of(info),
        renamed_from=storage_of(info).renamed_from,
        place=place,
    )


def _default_of(info: FieldInfo) -> "Literal | _Required":
    """Return the value of the field in a record without it, or REQUIRED if that is not certain."""
    default: object = info.default
    if info.default_factory is not None:
        if not _is_constant(info.default_factory):
            return REQUIRED
        default = cast("Callable[[], object]", info.default_factory)()
    return REQUIRED if default is PydanticUndefined else _literal(codec_for(info.annotation), default)


def _literal(codec: FieldCodec, value: object) -> "Literal | _Required":
    """Return a default as JSON, if it can be read back as the same value."""
    try:
        literal = codec.jsonable(value)
        is_same = codec.validate_jsonable(literal) == value
        if is_same:  # so it holds no secret, which would be masked
            literal = correct(value, literal)  # sorts sets, whose order depends on the hash seed
    except (ValueError, TypeError):  # a default that does not have the type of the field, which pydantic does not check
        return REQUIRED
    return cast("Literal", literal) if is_same and _is_finite(literal) else REQUIRED


def _is_finite(literal: object) -> bool:
    """Whether a value has neither infinity nor NaN, for which Python has no literals."""
    try:
        json.dumps(literal, allow_nan=False)
    except ValueError:
        return False
    return True


def _is_constant(factory: object) -> bool:
    """Whether a factory always returns the same value, as far as can be seen without a call."""
    if isinstance(factory, type):
        if not issubclass(factory, BaseModel):
            return factory in _EMPTY_MAKERS
        return all(_has_constant_default(info) for info in factory.model_fields.values())
    if not isinstance(factory, FunctionType):
        return False
    code = factory.__code__
    # A function without parameters that refers to nothing outside itself, such as ``lambda: ["new"]``.
    return not (code.co_names or code.co_freevars or signature(factory).parameters)


def _has_constant_default(info: FieldInfo) -> bool:
    if info.default_factory is not None:
        return _is_constant(info.default_factory)
    return info.default is not PydanticUndefined
